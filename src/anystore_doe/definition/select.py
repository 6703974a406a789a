"""Choosing rows: ``1-5,8,case_a``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import did_you_mean, shown
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from anystore_doe.model import Run, Sweep

_ROWS = re.compile(r"([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?", re.ASCII)


def select_rows(sweep: Sweep, expression: str) -> tuple[Run, ...]:
    """Return the selected runs in table order, each once.

    Parts are separated by commas. A part that is exactly a run_id is that run; else a number is a 1-based data
    row, and ``a-b`` are the rows from a to b, both included.

    Raises:
        DefinitionError: a part names no run or row; all such parts are named.
    """
    by_id = {run.run_id: run.row for run in sweep.runs}
    chosen: set[int] = set()
    unknown: list[str] = []
    for part in filter(None, (part.strip() for part in expression.split(","))):
        if part in by_id:
            chosen.add(by_id[part])
        elif (match := _ROWS.fullmatch(part)) and 1 <= int(match[1]) <= int(match[2] or match[1]) <= len(sweep.runs):
            chosen.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            unknown.append(part)
    if unknown or not chosen:
        named = ", ".join(map(shown, unknown)) or "nothing"
        rows = f"rows are 1 to {len(sweep.runs)}"
        hint = did_you_mean(unknown[0], by_id) if unknown else ""
        raise DefinitionError(
            f"{shown(expression)} selects no run by {named} ({rows} in {sweep.table})",
            where="--select",
            hint=hint if hint.startswith("did") else "write row numbers, ranges and run ids: 1-5,8,case_a",
        )
    return tuple(run for run in sweep.runs if run.row in chosen)
