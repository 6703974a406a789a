"""The command: words, its default, and where a value in it would become code."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import shown
from anystore_doe.definition.render import Field, fields, parse
from anystore_doe.definition.sources import SHELLS
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from anystore_doe.definition.findings import Findings
    from anystore_doe.model import Template

_INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|node|nodejs|php|lua|tclsh|Rscript|julia)[0-9.]*")
_CODE_FOLLOWS = re.compile(r"-[A-Za-z]*[ceErR][A-Za-z]*|--eval|--command|--execute")
_JOINERS = frozenset({"ssh", "su", "rsh", "eval", "watch", "script"})
"""Programs that hand their words to a shell."""

_AWKS = frozenset({"awk", "gawk", "mawk", "nawk"})


def split_words(command: str | Sequence[str] | None, *, key: str) -> tuple[str, ...]:
    """Return the words of a command; one text is split as a POSIX shell would, without expanding anything.

    Raises:
        DefinitionError: a quote is not closed, or a word holds a NUL.
    """
    if isinstance(command, str):
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise DefinitionError(f"{shown(command)}: {str(error).lower()}", where=key) from error
    else:
        words = tuple(command or ())
    if any("\0" in word for word in words):
        raise DefinitionError("a word holds a NUL character", where=key)
    if words and not words[0].strip():
        raise DefinitionError("the first word, the program, is empty", where=key)
    return words


def default_command(templates: Sequence[Template]) -> tuple[str, ...]:
    """Return ``bash NAME`` of the only shell template.

    Raises:
        DefinitionError: there is none, or several.
    """
    scripts = [template.name for template in templates if template.shell]
    if len(scripts) == 1:
        return ("bash", scripts[0])
    some = f"{len(scripts)} shell templates ({', '.join(map(shown, scripts))})" if scripts else "no shell template"
    raise DefinitionError(
        f"there is no command, and {some} to take it from",
        where="command",
        hint=f"say which after --, for example: -- bash {scripts[0]}"
        if scripts
        else "give a script: -t run.sh; or say what to run after --, for example: -- solver engine.in",
    )


def starts_shell(words: Sequence[str]) -> bool:
    """Tell whether a command starts a shell, as far as its words say.

    A script that is run by its path counts when it is named like one, or lies in the work folder: what came with
    the input may be anything.
    """
    for number, word in enumerate(words):
        base = word.rpartition("/")[2]
        if base in SHELLS or base.endswith((".sh", ".bash", ".csh", ".ksh")) or base in _JOINERS:
            return True
        if number == 0 and "/" in word and not word.startswith("/"):
            return True
    return False


def code_words(words: Sequence[str]) -> Iterator[int]:
    """Yield the indexes of words that a shell or an interpreter may take as program text."""
    program = follows = False
    for number, word in enumerate(words):
        base = word.rpartition("/")[2]
        if follows:
            yield number
        elif (program and _CODE_FOLLOWS.fullmatch(word)) or base in _JOINERS or (base in _AWKS and "-f" not in words):
            follows = True
        elif base in SHELLS or _INTERPRETER.fullmatch(base):
            program = True


def command_fields(
    words: Sequence[str], columns: Collection[str], *, key: str, findings: Findings
) -> list[tuple[Field, bool]]:
    """Check the placeholders of a command; return each with whether its word starts with it.

    Raises:
        DefinitionError: a placeholder is not closed, or names no column.
    """
    found: list[tuple[Field, bool]] = []
    code = set(code_words(words))
    for number, word in enumerate(words):
        where = f"{key}, word {number + 1}"
        parts = parse(word, columns, where=where)
        here = list(fields(parts))
        if here and number in code:
            findings.add(
                f"the value of {shown(here[0].column)} would become part of a program text: {shown(word)}",
                where=where,
                hint=f"put the program into a template (-t run.sh), or write ${here[0].column} without braces:"
                " a shell finds it in its environment",
            )
        found += [(field, number > 0 and field.offset == 0) for field in here]
    return found
