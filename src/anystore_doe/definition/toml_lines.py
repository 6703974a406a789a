"""Which line of a TOML text says a key: what tomllib does not tell and error messages need."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_TABLE = re.compile(rf"\s*\[\[?\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]")


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the 1-based line on which ``path`` (``("slots", "count")``) is said, else its table's, else 0."""
    best, best_line = 0, 0
    for line, said in _said(text):
        depth = next((i for i, (a, b) in enumerate(zip(said, path, strict=False)) if a != b), min(len(said), len(path)))
        if depth > best and depth == len(said):
            best, best_line = depth, line
    return best_line


def _said(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if match := _TABLE.match(line):
            table = _parts(match[1])
            yield number, table
        elif match := _KEY.match(line):
            yield number, (*table, *_parts(match[1]))


def _parts(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; tomllib itself unquotes them."""
    try:
        value: object = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(value, dict):
        (part, value), *_ = value.items()
        parts.append(part)
    return tuple(parts)
