"""Read the case's ``*.in`` and ``*.dat`` files: one ``value keyword`` pair a line, ``#`` starts a comment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Bounds = tuple[float, float]


class DeckError(Exception):
    """The case can not be calculated; the text names file, line and keyword."""


def read_words(folder: Path, name: str, keywords: frozenset[str]) -> dict[str, tuple[int, str]]:
    """Return keyword to (line, value) of the file ``name``; every one of ``keywords`` is there, and no other.

    Raises:
        DeckError: the file is missing or no text, a line is no pair, a keyword is unknown, missing or there twice.
    """
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeckError(f"{name}: can not be read: {error}") from error
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2:
            raise DeckError(f"{name}:{number}: expected `value keyword`, found {line.strip()!r}")
        value, keyword = words
        if keyword not in keywords:
            raise DeckError(f"{name}:{number}: unknown keyword {keyword!r}; known: {', '.join(sorted(keywords))}")
        if keyword in found:
            raise DeckError(f"{name}:{number}: {keyword} was given in line {found[keyword][0]} already")
        found[keyword] = (number, value)
    missing = sorted(keywords - found.keys())
    if missing:
        raise DeckError(f"{name}: missing: {', '.join(missing)}")
    return found


def read_numbers(folder: Path, name: str, bounds: Mapping[str, Bounds]) -> dict[str, float]:
    """Return keyword to number of the file ``name``, each within its (least, most) ``bounds``.

    Raises:
        DeckError: as :func:`read_words`, and for a value that is no number or out of bounds.
    """
    numbers = {}
    for keyword, (line, text) in read_words(folder, name, frozenset(bounds)).items():
        least, most = bounds[keyword]
        try:
            number = float(text)
        except ValueError:
            raise DeckError(f"{name}:{line}: {keyword} is no number: {text!r}") from None
        if math.isnan(number) or not least <= number <= most:
            raise DeckError(f"{name}:{line}: {keyword} = {text} is not within {least:g} and {most:g}")
        numbers[keyword] = number
    return numbers


def write_echo(folder: Path, name: str, values: Mapping[str, float | str]) -> None:
    """Write what was understood of the file ``name`` beside it, as ``<stem>.echo``."""
    lines = [f"{value!s:>24}  {keyword}\n" for keyword, value in values.items()]
    stem = name.rpartition(".")[0]
    (folder / f"{stem}.echo").write_text(f"# {name} as the stand-in read it\n" + "".join(lines), encoding="utf-8")
