"""The results as a table for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.report.results import OURS, table_of
from anystore_doe.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from anystore_doe.report.results import Result

STYLES = {"committed": "green", "failed": "red", "running": "cyan", "unknown": "yellow"}
GAP = 2
"""Blanks between two columns, as the box draws them."""

TEXT_LEAST = 12
"""So much of a text stays, at least, when it gets an ellipsis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What fits: ``table`` is ``None`` when nothing does; ``left_out`` are columns that have no room."""

    table: Table | None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """Widths in terminal cells: ``least`` is below ``whole`` only where text may get an ellipsis."""

    name: str
    cells: list[str]
    least: int
    whole: int
    is_place: bool


def drawn(results: Sequence[Result], width: int) -> Fitted:
    """Return the results as a rich table of at most ``width`` terminal cells; cells are text, never markup.

    Numbers, names and run ids are shown whole. Other text gets an ellipsis where that is needed; where that is not
    enough, columns of URLs are left out.
    """
    header, rows = table_of(results)
    shown = [[one_line(cell) for cell in row] for row in rows]
    columns = [_column(one_line(name), [row[i] for row in shown], i) for i, name in enumerate(header)]
    if _least(columns) <= width:
        return Fitted(table=_table(columns, width))
    left_out = tuple(column.name for column in columns if column.is_place)
    columns = [column for column in columns if not column.is_place]
    if _least(columns) > width:
        return Fitted(table=None)
    return Fitted(table=_table(columns, width), left_out=left_out)


def _column(name: str, cells: list[str], index: int) -> _Column:
    from rich.cells import cell_len

    widest = max((cell_len(cell) for cell in cells), default=0)
    whole = max(widest, cell_len(name))
    is_firm = index == 0 or name in OURS or all(_is_number(cell) for cell in cells if cell)
    least = whole if is_firm else max(cell_len(name), min(widest, TEXT_LEAST))
    is_place = not is_firm and any("://" in cell for cell in cells)
    return _Column(name=name, cells=cells, least=least, whole=whole, is_place=is_place)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _least(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Share what is left over the columns' least widths evenly among those that want more."""
    widths = [column.least for column in columns]
    left = width - _least(columns)
    wanting = sorted(range(len(columns)), key=lambda i: columns[i].whole - columns[i].least)
    for done, i in enumerate(wanting):
        more = min(columns[i].whole - columns[i].least, left // (len(columns) - done))
        widths[i] += more
        left -= more
    return widths


def _table(columns: Sequence[_Column], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column, its_width in zip(columns, _widths(columns, width), strict=True):
        table.add_column(Text(column.name), width=its_width, no_wrap=True, overflow="ellipsis")
    for row in zip(*(column.cells for column in columns), strict=True):
        styles = (STYLES.get(cell, "") if c.name == "state" else "" for c, cell in zip(columns, row, strict=True))
        table.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    return table
