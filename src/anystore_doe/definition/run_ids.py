"""Run ids: safe as a file name everywhere, unique also where letters' case does not count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.definition.findings import Findings
    from anystore_doe.definition.table import Table

_SAFE = re.compile(r"(?![-.])[A-Za-z0-9._+=@-]{1,128}(?<!\.)", re.ASCII)


def is_safe_id(text: str) -> bool:
    """Tell whether a text may be a run id: 1 to 128 of ASCII letters, digits and ``._-+=@``.

    It starts with neither ``.`` nor ``-`` (it would be hidden, or an option) and does not end in ``.``.
    ASCII only, because file systems disagree about the spelling of other letters.
    """
    return _SAFE.fullmatch(text) is not None


def run_ids(table: Table, column: int | None, findings: Findings) -> Sequence[str]:
    """Return the id of every row: its ``run_id`` cell, else its 1-based number padded to 4 digits."""
    if column is None:
        return [f"{number:04d}" for number in range(1, len(table.rows) + 1)]
    ids = [row.cells[column].strip() for row in table.rows]
    seen: dict[str, int] = {}
    for row, run_id in zip(table.rows, ids, strict=True):
        if not is_safe_id(run_id):
            what = f"the run_id {shown(run_id)} is not a safe name" if run_id else "the run_id is empty"
            findings.add(
                what,
                where=table.where(row),
                hint="use 1 to 128 letters, digits and ._-+=@, not starting with . or - and not ending with .",
            )
        first = seen.setdefault(run_id.casefold(), row.line)
        if first != row.line and run_id:
            findings.add(
                f"the run_id {shown(run_id)} is used twice: also on line {first}",
                where=table.where(row),
                hint="run ids have to differ in more than the case of their letters",
            )
    return ids
