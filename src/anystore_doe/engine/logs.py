"""The logs of an attempt: their tails for its record, their whole for the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 64 * 2**10
"""How much of each log an attempt's record holds."""


def _no_link(path: str, flags: int) -> int:
    """Open a log, but no link that a solver put in its place."""
    return os.open(path, flags | os.O_NOFOLLOW)


def tail_of(log: Path, limit: int = TAIL_BYTES) -> str:
    """Return the last ``limit`` bytes of a log as text; ``""`` when there is none that can be read."""
    try:
        with open(log, "rb", opener=_no_link) as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - limit))
            return opened.read(limit).decode(errors="replace")
    except OSError:
        return ""


def is_long(log: Path) -> bool:
    """Tell whether a log is longer than what the record holds."""
    try:
        return log.stat().st_size > TAIL_BYTES
    except OSError:
        return False


def last_line(text: str) -> str:
    """Return the last line of a log that says something: mpirun, for one, ends with a line of dashes."""
    return next((line.strip() for line in reversed(text.splitlines()) if says_something(line)), "")


def says_something(line: str) -> bool:
    """Tell whether a line holds a letter or digit."""
    return any(character.isalnum() for character in line)
