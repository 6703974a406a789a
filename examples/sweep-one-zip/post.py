"""Print a run's figures as ``name<TAB>value`` lines; started in the work folder after the solver."""

import itertools
import math
import sys
from pathlib import Path


def columns(name: str) -> list[list[float]]:
    """Return the rows of a column file as lists of numbers."""
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    rows = [[float(word) for word in line.split()] for line in lines if not line.startswith("#")]
    if not rows:
        sys.exit(f"post.py: {name} has no rows")
    return rows


def echoed(name: str) -> dict[str, float]:
    """Return keyword to number of an ``*.echo`` file."""
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {keyword: float(value) for value, keyword in pairs}


def main() -> None:
    """Read ``thermo.out`` and ``engine.echo`` of the current folder."""
    rows, engine = columns("thermo.out"), echoed("engine.echo")
    displacement = math.pi / 4 * engine["bore"] ** 2 * engine["stroke"]
    peak = max(rows, key=lambda row: row[1])
    rise = max((b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(rows))
    figures = {
        "peak_pressure_bar": peak[1] * 10,
        "peak_pressure_at_deg": peak[0],
        "peak_temperature_K": max(row[2] for row in rows),
        "max_rise_bar_per_deg": rise * 10,
        "imep_bar": rows[-1][5] / displacement / 1e5,
    }
    for name, value in figures.items():
        print(f"{name}\t{value:.5g}")


main()
