"""What the kit says of every store, and how many seeded bugs prove the kit."""

from __future__ import annotations

import json
from pathlib import Path

from from_code.text import escaped, table

ROOT = Path(__file__).parents[3]


def write_stores() -> str:
    """Write a row per store: its server, counts, and each known deviation with its reason."""
    found = json.loads((ROOT / "docs" / "kit-results.json").read_text(encoding="utf-8"))
    rows = [
        (
            store,
            one["server"],
            str(one["passed"]),
            str(one["off"]),
            "; ".join(map(escaped, one["deviations"])) or "none",
        )
        for store, one in found.items()
    ]
    return table(("Store", "Proven on", "Passed", "Not for this store", "Known deviations"), rows)


def write_bugs() -> str:
    """Write how many bugs each suite of the kit is proven with."""
    files = sorted([*ROOT.glob("tests/unit/testing/test_seeded_*.py"), *ROOT.glob("plugins/*/tests/test_seeded_*.py")])
    counts = [(file.stem.removeprefix("test_seeded_"), file.read_text().count("\n@BUGS.caught_by(")) for file in files]
    rows = [(name.replace("_", " "), str(count)) for name, count in counts]
    return table(("Suite", "Seeded bugs, each caught"), [*rows, ("all", str(sum(count for _, count in counts)))])
