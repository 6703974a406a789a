"""Plain text for people: aligned columns, sizes, durations; whatever comes from outside is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def one_line(text: str) -> str:
    """Return foreign text as one line: control characters escaped, line ends and tabs become blanks.

    The hint that an event's message ends with is set apart.
    """
    return " ".join(printable(text).replace("\nHint: ", "; hint: ").split())


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield header and rows as lines; every column but the last is padded to its widest cell."""
    shown = [list(header), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header) - 1)]
    for row in shown:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*padded, row[-1]]).rstrip()


def size_words(size: float) -> str:
    """Say a number of bytes with a decimal unit: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError(size)


def duration_words(seconds: float) -> str:
    """Say a duration: ``0.4 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def counted(number: int, noun: str) -> str:
    """Say ``1 run``, ``2 runs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
