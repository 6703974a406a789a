"""Write results: column files with a three-line head, and one binary file of every state."""

from __future__ import annotations

import json
import sys
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MAGIC = b"STANDIN1\n"


def write_columns(path: Path, title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[float]]) -> None:
    """Write ``rows`` under a head of column numbers, names and units, each line but the rows starting with ``#``.

    Args:
        path: The ``*.out`` file.
        title: What is in it, and that a stand-in wrote it.
        columns: (name, unit) pairs, without blanks.
        rows: As many numbers each as there are columns.
    """
    numbers = "".join(f"{i:>17d}" for i in range(1, len(columns) + 1))
    names = "".join(f"{name:>17}" for name, _ in columns)
    units = "".join(f"{f'({unit})':>17}" for _, unit in columns)
    with path.open("w", encoding="utf-8") as out:
        out.write(f"# {title}\n# column{numbers[8:]}\n#{names[1:]}\n#{units[1:]}\n")
        out.writelines("".join(f"{value:17.8e}" for value in row) + "\n" for row in rows)


def write_states(path: Path, names: Sequence[str], states: Sequence[Sequence[float]]) -> None:
    """Write ``states`` as binary: a magic line, a line of JSON (names, rows), then little-endian doubles row by row."""
    head = json.dumps({"columns": list(names), "rows": len(states), "type": "<f8"}, sort_keys=True)
    with path.open("wb") as out:
        out.write(MAGIC + head.encode() + b"\n")
        for state in states:
            doubles = array("d", state)
            if sys.byteorder == "big":
                doubles.byteswap()
            doubles.tofile(out)
