"""Small helps for writing MyST text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FLAG = re.compile(r"(?<![\w-])(--?[a-z][\w-]*)")
_SPECIAL = re.compile(r"([\\*_`<>\[\]|])")
_ROLE = re.compile(r":[a-z]+:`~?\.?([^`]+)`")
_CODE = re.compile(r"``([^`]+)``")


def escaped(text: str) -> str:
    """Return plain text as MyST that shows it as it is; options in it become code, whose hyphens stay hyphens."""
    pieces = _FLAG.split(text)
    return "".join(code(piece) if at % 2 else _SPECIAL.sub(r"\\\1", piece) for at, piece in enumerate(pieces))


def code(text: str) -> str:
    """Return text as inline code that may stand in a table."""
    return f"`{text}`".replace("|", r"\|")


def from_docstring(text: str) -> str:
    """Turn a docstring's reStructuredText code and roles into MyST; everything else is escaped."""
    text = _ROLE.sub(r"``\1``", " ".join(text.split()))
    pieces = _CODE.split(text)
    return "".join(code(piece) if at % 2 else escaped(piece) for at, piece in enumerate(pieces))


def sentence(text: str) -> str:
    """Return text with a capital first letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are MyST already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def attributes(thing: Any) -> dict[str, str]:
    """Return name to words of the ``Attributes:`` section of a class's docstring."""
    _, _, section = (thing.__doc__ or "").partition("Attributes:\n")
    section = re.split(r"\n\s*\n|\n {4}\w+:\n", section)[0]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {9,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}
