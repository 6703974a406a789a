"""The results as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.report.results import table_of
from anystore_doe.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from anystore_doe.report.results import Result

STYLES = {"committed": "green", "failed": "red", "running": "cyan", "unknown": "yellow"}


def drawn(results: Sequence[Result]) -> Table:
    """Return the results as a rich table; cells are text, never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    header, rows = table_of(results)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(Text(one_line(name)), overflow="fold")
    state = header.index("state")
    for row in rows:
        table.add_row(
            *(Text(one_line(cell), style=STYLES.get(cell, "") if i == state else "") for i, cell in enumerate(row))
        )
    return table
