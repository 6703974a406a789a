"""The measured figures: from the files that the benchmarks leave, or "not measured" where there is none."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from from_code.text import escaped, table

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"

DEMANDED = (
    ("startup", "`anystore-doe --help` and `anystore-doe plugins`", "at most 10 × `python -c pass`"),
    ("overhead", "2,000 runs of `true` on files, 2 slots", "at most 1.6 × GNU parallel `--joblog`"),
    ("pipeline", "20 runs through a throttled store, 2 slots", "at most 1.10 × the bound"),
    ("memory", "Peak memory of the engine, 2 GiB in and 2 GiB out on S3", "at most 300 MB"),
)
"""Benchmark, what it measures, what is demanded."""


def write(results: Path = RESULTS) -> str:
    """Write a row per demanded figure, and a section per benchmark that was run."""
    found = {name: _read(results / f"{name}.json") for name, _, _ in DEMANDED}
    rows = [(what, limit, _verdict(found[name]), _when(found[name])) for name, what, limit in DEMANDED]
    parts = [table(("What", "Demanded", "Measured", "When"), rows)]
    parts += [_section(body) for body in found.values() if body is not None]
    return "\n\n".join(parts)


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def _verdict(body: dict[str, Any] | None) -> str:
    if body is None:
        return "not measured"
    return "; ".join(_one(figure) for figure in body["figures"] if figure["demanded"] is not None)


def _one(figure: dict[str, Any]) -> str:
    ratio = figure["ratio"]
    words = _spread(figure["ours"], figure["unit"]) if ratio is None else f"{ratio:.3g} ×"
    value = statistics.median(figure["ours"]) if ratio is None else ratio
    return f"**{words}: missed**" if value > figure["demanded"] else words


def _when(body: dict[str, Any] | None) -> str:
    if body is None:
        return ""
    machine = body["machine"]
    return f"{body['date']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"


def _section(body: dict[str, Any]) -> str:
    rows = [
        (
            escaped(figure["name"]),
            _spread(figure["ours"], figure["unit"]),
            f"{escaped(figure['peer_name'])}: {_spread(figure['peer'], figure['unit'])}" if figure["peer"] else "",
            f"{figure['ratio']:.3g}" if figure["ratio"] is not None else "",
            escaped(_notes(figure)),
        )
        for figure in body["figures"]
    ]
    remarks = ", ".join(f"{name}: {value}" for name, value in body["remarks"].items())
    lines = [f"## {body['benchmark'].capitalize()}", escaped(remarks), table(_HEADER, rows)]
    return "\n\n".join(line for line in lines if line)


_HEADER = ("Figure", "anystore-doe", "Beside it", "Ratio", "Notes")


def _notes(figure: dict[str, Any]) -> str:
    notes = [figure["note"]] if figure["note"] else []
    notes += [f"CPU {figure['cpu_s']:.3g} s"] if figure["cpu_s"] is not None else []
    notes += [f"peak RSS {figure['rss_mb']:.0f} MB"] if figure["rss_mb"] is not None else []
    return ", ".join(notes)


def _spread(values: list[float], unit: str) -> str:
    middle = f"{statistics.median(values):.4g} {unit}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"
