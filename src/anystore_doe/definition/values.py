"""Checks of the cells against where they go: a shell's environment, a deck, a program, a command."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import shown
from anystore_doe.definition.formats import BadFormatError, format_value
from anystore_doe.definition.render import holds_line_end, is_identifier

if TYPE_CHECKING:
    from anystore_doe.definition.findings import Findings
    from anystore_doe.definition.table import Row, Table

_EVALUATED = ("$(", "${", "`")
_PLAIN = re.compile(r"[\w.+:/@%=, ~-]*")
_NUMBER = re.compile(r"-[0-9.][0-9.eE+-]*", re.ASCII)
_LONGEST_VARIABLE = 131_072
"""Bytes of ``NAME=value`` and its end that Linux takes in an environment: MAX_ARG_STRLEN, 32 pages."""
_LONGEST_ENVIRONMENT = 1_000_000
"""Bytes of one row that may go into an environment: half of what an 8 MiB stack leaves for it (execve(2))."""

Check = Callable[[str], str]
"""Takes a cell and returns what is wrong with it, or ``""``."""


@dataclass(slots=True)
class Uses:
    """Where columns are used, as the templates and the command say it; the place is ``file:line:column``.

    Attributes:
        formatted: ``(column, format, place)``.
        decks: ``(column, place)``: pasted into a text.
        programs: ``(column, place)``: pasted into a program of a language that is no shell.
        leading: ``(column, place)``: a word of the command starts with it.
        shell: Some shell sees the columns.
    """

    formatted: list[tuple[str, str, str]] = field(default_factory=list)
    decks: list[tuple[str, str]] = field(default_factory=list)
    programs: list[tuple[str, str]] = field(default_factory=list)
    leading: list[tuple[str, str]] = field(default_factory=list)
    shell: bool = False


def check_values(table: Table, uses: Uses, findings: Findings) -> None:
    """Note every cell that may not go where it would go."""
    if uses.shell and any(sign in table.text for sign in _EVALUATED):
        for name in table.header:
            _each(table, name, _evaluated, findings, hint="a shell would run it, even from a variable; leave it out")
    for column, fmt, place in dict.fromkeys(uses.formatted):
        _each(table, column, partial(_unformatted, fmt), findings, used=place)
    for column, place in _once(uses.decks):
        _each(table, column, _several_lines, findings, used=place)
    for column, place in _once(uses.programs):
        hint = "read it from the environment of the program instead (in Python: os.environ)"
        _each(table, column, _not_plain, findings, used=place, hint=hint)
    for column, place in _once(uses.leading):
        _each(table, column, _like_option, findings, used=place, hint="put text before the placeholder: --x=${x}")
    if len(table.text) > _LONGEST_VARIABLE // 8:
        _check_sizes(table, findings)


def _once(uses: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list({column: (column, place) for column, place in reversed(uses)}.values())


def _each(table: Table, name: str, check: Check, findings: Findings, *, used: str = "", hint: str = "") -> None:
    index = table.header.index(name)
    for row in table.rows:
        if wrong := check(row.cells[index]):
            at = f" (used in {used})" if used else ""
            findings.add(
                f"column {shown(name)}: {shown(row.cells[index])} {wrong}{at}", where=table.where(row), hint=hint
            )


def _evaluated(value: str) -> str:
    sign = next((sign for sign in _EVALUATED if sign in value), "")
    return f"holds {sign}, and a shell evaluates it" if sign else ""


def _unformatted(fmt: str, value: str) -> str:
    try:
        format_value(value, fmt)
    except BadFormatError as error:
        return str(error)
    return ""


def _several_lines(value: str) -> str:
    return "holds a line end, and would add lines to the text" if holds_line_end(value) else ""


def _not_plain(value: str) -> str:
    return "" if _PLAIN.fullmatch(value) else "would become part of a program's text, and is more than a plain word"


def _like_option(value: str) -> str:
    return "would be taken for an option" if value.startswith("-") and not _NUMBER.fullmatch(value) else ""


def _check_sizes(table: Table, findings: Findings) -> None:
    exported = [(i, len(name)) for i, name in enumerate(table.header) if is_identifier(name)]
    for row in table.rows:
        if sum(len(cell) for cell in row.cells) * 4 >= _LONGEST_VARIABLE:
            _check_size(table, row, exported, findings)


def _check_size(table: Table, row: Row, exported: list[tuple[int, int]], findings: Findings) -> None:
    total = 0
    for index, length in exported:
        size = length + 2 + len(row.cells[index].encode())
        total += size
        if size > _LONGEST_VARIABLE:
            findings.add(
                f"column {shown(table.header[index])}: a value of {size - length - 2:,} bytes does not fit into an"
                f" environment variable (less than {_LONGEST_VARIABLE:,})",
                where=table.where(row),
                hint="put it into a file, or name the column so that it is not exported, such as 'the table'",
            )
    if total > _LONGEST_ENVIRONMENT:
        findings.add(f"the values of this row, {total:,} bytes, do not fit into an environment", where=table.where(row))
