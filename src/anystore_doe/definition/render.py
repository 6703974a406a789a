"""Rendering of text: ``${name}``, ``${name:.3f}``, ``${name?string("0.00")}``; ``$${`` is a literal ``${``.

Used for input decks, the command's words and URLs. Shell scripts are never rendered: see ``shell_template``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import did_you_mean, position, shown
from anystore_doe.definition.formats import PATTERN_MARK, BadFormatError, check_format, format_value
from anystore_doe.definition.sources import is_shell
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from anystore_doe.model import Recipe, Template

STRING = re.compile(r"""\$\{([^{}$\n]+?)\?string\(\s*(?:"([^"\n{}]*)"|'([^'\n{}]*)')\s*\)\s*\}""")
"""A ``${name?string("pattern")}``; its pattern may hold neither quotes nor braces."""

_OPEN = re.compile(r"\$\$\{|\$\{")
_LINE_END = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One placeholder: the column, the format (``""``: as it is), and where it stands in the text."""

    column: str
    format: str
    offset: int


def parse(text: str, columns: Collection[str], *, where: str) -> list[str | Field]:
    """Split a text into literal pieces and placeholders, in order.

    A name may hold anything but braces; the whole of ``${a:b}`` is tried as a column before ``:b`` is a format.

    Raises:
        DefinitionError: a placeholder is not closed, names no column, or has a format that makes no sense;
            names file, line and column.
    """
    parts: list[str | Field] = []
    at = 0
    while match := _OPEN.search(text, at):
        parts.append(text[at : match.start()])
        if match[0] == "$${":
            parts.append("${")
            at = match.end()
            continue
        field, at = _field(text, match.start(), columns, where)
        parts.append(field)
    parts.append(text[at:])
    return parts


def _field(text: str, start: int, columns: Collection[str], where: str) -> tuple[Field, int]:
    place = f"{where}:{position(text, start)}"
    string = STRING.match(text, start)
    end = string.end() if string else text.find("}", start) + 1
    if not end or "\n" in text[start:end]:
        raise DefinitionError("this ${ is not closed on its line", where=place, hint="a literal ${ is written $${")
    body = text[start + 2 : end - 1].strip()
    if body in columns:
        return Field(body, "", start), end
    if string:
        column, fmt = string[1].strip(), PATTERN_MARK + (string[2] if string[2] is not None else string[3])
    else:
        column, colon, fmt = body.rpartition(":")
        column, fmt = (column.strip(), fmt or "nothing") if colon else (body, "")
    if column not in columns:
        hint = did_you_mean(column, columns) or "there are no columns here"
        if column == "run_id":
            hint = "add a run_id column to the table; only URLs know the ids of numbered rows"
        hint = hint if hint.startswith(("did", "add")) else f"{hint}; a literal ${{ is written $${{"
        raise DefinitionError(f"${{{body}}} names no column", where=place, hint=hint)
    try:
        if fmt:
            check_format(fmt)
    except BadFormatError as error:
        raise DefinitionError(f"${{{body}}}: {error}", where=place) from error
    return Field(column, fmt, start), end


def fields(parts: Sequence[str | Field]) -> Iterator[Field]:
    """Yield the placeholders of a parsed text."""
    return (part for part in parts if isinstance(part, Field))


def fill(parts: Sequence[str | Field], values: Mapping[str, str], *, text: str, where: str) -> str:
    """Put values into a parsed text; ``text`` is what it was parsed from, for messages.

    Raises:
        DefinitionError: a value does not fit its format.
    """
    filled = []
    for part in parts:
        if isinstance(part, str):
            filled.append(part)
            continue
        value = values[part.column]
        try:
            filled.append(format_value(value, part.format))
        except BadFormatError as error:
            place = f"{where}:{position(text, part.offset)}"
            raise DefinitionError(f"column {shown(part.column)}: {shown(value)} {error}", where=place) from error
    return "".join(filled)


def holds_line_end(value: str) -> bool:
    """Tell whether a value would become more than one line of a deck."""
    return _LINE_END.search(value) is not None


def render_text(text: str, values: Mapping[str, str], *, where: str) -> str:
    """Return ``text`` with every placeholder replaced; ``where`` is its file name, for messages.

    Raises:
        DefinitionError: as :func:`parse`; a value is not the number that a format needs, or holds a line end; or
            it is a shell script (by its ``#!`` line or the suffix of ``where``), into which nothing is pasted.
    """
    if is_shell(where, text):
        raise DefinitionError(
            "this is a shell script, and values are never pasted into one",
            where=where,
            hint="leave it out of --render: every column is in its environment under its own name",
        )
    return _rendered(text, values, where)


def _rendered(text: str, values: Mapping[str, str], where: str) -> str:
    parts = parse(text, values, where=where)
    for field in fields(parts):
        if holds_line_end(values[field.column]):
            raise DefinitionError(
                f"column {shown(field.column)}: {shown(values[field.column])} holds a line end",
                where=f"{where}:{position(text, field.offset)}",
            )
    return fill(parts, values, text=text, where=where)


def rendered_template(template: Template, values: Mapping[str, str]) -> str:
    """Return what is written into the work folder as ``template.name`` for a run with these values.

    Raises:
        DefinitionError: as :func:`render_text` but for the shell; a sweep from ``make_sweep`` was checked for it.
    """
    return template.text if template.shell else _rendered(template.text, values, template.source)


def template_exports(recipe: Recipe, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that hold the formatted values of shell templates.

    Raises:
        DefinitionError: a value is not the number that its format needs.
    """
    exports = {}
    for template in recipe.templates:
        for name, (column, fmt) in template.exports.items():
            try:
                exports[name] = format_value(values[column], fmt)
            except BadFormatError as error:
                message = f"column {shown(column)}: {shown(values[column])} {error}"
                raise DefinitionError(message, where=template.source) from error
    return exports


def is_identifier(name: str) -> bool:
    """Tell whether a shell can have a variable of this name."""
    return _IDENTIFIER.fullmatch(name) is not None


def unexported_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns that scripts do not find in their environment: those whose names are no identifiers."""
    return tuple(name for name in columns if not is_identifier(name))


def column_exports(values: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that are put into the environment: those whose names are identifiers."""
    return {name: value for name, value in values.items() if is_identifier(name)}


def render_command(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command's words with every placeholder replaced; a word stays one word.

    Raises:
        DefinitionError: as :func:`parse`; a value does not fit its format.
    """
    rendered = []
    for word in words:
        where = f"command word {shown(word)}"
        rendered.append(fill(parse(word, values, where=where), values, text=word, where=where))
    return tuple(rendered)


def render_url(url_template: str, values: Mapping[str, str], run_id: str) -> str:
    """Return a URL with ``${column}`` and ``${run_id}`` replaced, not yet made absolute.

    Raises:
        DefinitionError: as :func:`parse`; a value is empty, or would climb out with a ``.`` or ``..`` part.
    """
    where = shown(url_template)
    known = {**values, "run_id": run_id}
    return fill_url(parse(url_template, known, where=where), known, url_template)


def fill_url(parts: Sequence[str | Field], values: Mapping[str, str], text: str) -> str:
    """Put values into a parsed URL; see :func:`render_url`."""
    for field in fields(parts):
        value = values[field.column]
        if not value.strip():
            raise DefinitionError(f"column {shown(field.column)} is empty, and {shown(text)} needs it")
        if {".", ".."} & set(value.split("/")):
            raise DefinitionError(f"column {shown(field.column)}: {shown(value)} would climb out of {shown(text)}")
    return fill(parts, values, text=text, where=shown(text))
