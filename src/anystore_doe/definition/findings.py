"""Collecting what is wrong with a definition, so that one call names all of it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from anystore_doe.errors import DefinitionError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 50
"""How many findings one error spells out; the rest is counted, with their places."""


class Findings:
    """What is wrong so far; :meth:`stop` raises all of it as one error."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._found: list[tuple[str, str, str]] = []

    def add(self, message: str, *, where: str = "", hint: str = "") -> None:
        """Note one finding; nothing is raised yet."""
        self._found.append((where, message, hint))

    def stop(self) -> None:
        """Raise what was found.

        Raises:
            DefinitionError: something was found; ``where`` and ``hint`` are the first finding's, the message
                names every one (beyond the first 50: their places only).
        """
        if not self._found:
            return
        where, message, hint = self._found[0]
        lines = [message]
        lines += [f"{place}: {text}" if place else text for place, text, _ in self._found[1:SHOWN]]
        if rest := self._found[SHOWN:]:
            lines.append(f"and {len(rest)} more: " + ", ".join(place for place, _, _ in rest if place))
        raise DefinitionError("\n".join(lines), where=where, hint=hint)


def shown(text: str, limit: int = 60) -> str:
    """Return ``text`` in quotes for a message: control characters escaped, cut after ``limit`` characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + printable(cut).replace("\n", "\\n").replace("\t", "\\t") + "'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest known word, else what is known, else ``""``."""
    words = list(dict.fromkeys(known))
    folded = {w.casefold(): w for w in words}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    if near:
        return f"did you mean {shown(folded[near[0]])}?"
    return "there are: " + ", ".join(shown(w) for w in words[:20]) if words else ""


def within_one(one: str, other: str) -> bool:
    """Tell whether one edit (insert, delete, replace, swap of neighbours, any change of case) joins two words."""
    if one.casefold() == other.casefold():
        return True
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    a, b = one[start:], other[start:]
    if len(one) < len(other):
        return a == b[1:]
    return a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def position(text: str, offset: int) -> str:
    """Return ``line:column`` of ``offset``, both 1-based."""
    line = text.count("\n", 0, offset) + 1
    return f"{line}:{offset - text.rfind(chr(10), 0, offset)}"
