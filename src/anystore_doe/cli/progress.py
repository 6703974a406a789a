"""Progress: drawn with rich on a terminal, plain lines anywhere else. Both are told the engine's events."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from anystore_doe.cli.board import Board
from anystore_doe.cli.lines import Lines
from anystore_doe.errors import printable
from anystore_doe.report.text import duration_words, one_line, size_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from anystore_doe.cli.board import Underway
    from anystore_doe.model import RunEvent

REDRAWS_PER_SECOND = 5
SHOWN_SLOTS = 32
SHOWN_NAMES = 6


class Progress(Protocol):
    """What shows a sweep's progress; told in one thread."""

    def event(self, event: RunEvent) -> None:
        """Take in one event."""

    def note(self, text: str) -> None:
        """Show a line that stays."""


@contextmanager
def shown_progress(total: int, slots: int) -> Iterator[Progress]:
    """Show the progress of ``total`` runs in ``slots`` slots on stderr; log messages appear between."""
    board = Board(total, slots)
    if total and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        drawn = Drawn(board, console)
        with (
            Live(
                console=console,
                get_renderable=drawn.picture,
                refresh_per_second=REDRAWS_PER_SECOND,
                transient=True,
                redirect_stdout=False,
            ),
            _logged(drawn.note),
        ):
            yield drawn
    else:
        lines = Lines(board)
        with _logged(lines.note):
            yield lines


class _Handler(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(printable(f"{record.levelname.capitalize()}: {record.getMessage()}"))


@contextmanager
def _logged(note: Callable[[str], None]) -> Iterator[None]:
    """Show the package's log messages through ``note``."""
    logger, handler = logging.getLogger("anystore_doe"), _Handler(note)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Drawn:
    """A picture of the board that is drawn anew a few times a second."""

    def __init__(self, board: Board, console: Console) -> None:
        """Draw ``board`` on ``console``."""
        self._board, self._console = board, console

    def event(self, event: RunEvent) -> None:
        """Take in one event; failures stay as lines above the picture."""
        self._board.tell(event)
        if event.state == "failed":
            at = f" at {event.step}" if event.step else ""
            self.note(f"run {event.run_id} failed{at}: {event.message}", style="red")

    def note(self, text: str, style: str = "") -> None:
        """Write a line above the picture."""
        from rich.text import Text

        self._console.print(Text(one_line(text), style=style))

    def picture(self) -> RenderableType:
        """Return what is drawn now."""
        from rich.console import Group

        now = time.monotonic()
        with self._board.lock:
            return Group(self._slots(now), self._stages(), self._counts(now))

    def _slots(self, now: float) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        solving = {run.slot: run for run in self._board.at("solve")}
        measuring = self._board.at("measure")
        for slot in range(min(self._board.slots, SHOWN_SLOTS)):
            run = solving.get(slot)
            table.add_row(Text(f"slot {slot}", style="dim"), *_cells(run, "solving", now))
        for run in measuring[:2]:
            table.add_row(Text("metrics", style="dim"), *_cells(run, "measuring", now))
        if self._board.slots > SHOWN_SLOTS:
            more = sum(1 for slot in solving if slot is not None and slot >= SHOWN_SLOTS)
            table.add_row(Text("others", style="dim"), Text(f"{more} of {self._board.slots - SHOWN_SLOTS} solving"))
        return table

    def _stages(self) -> Any:
        from rich.text import Text

        board = self._board
        groups = (
            ("coming in", board.at("claim", "fetch", "unpack")),
            ("ready", board.at("render")),
            ("going out", board.at("push", "commit", "clean")),
        )
        text = "   ".join(f"{name}: {_names(runs)}" for name, runs in groups if runs)
        return Text(text, overflow="ellipsis", no_wrap=True)

    def _counts(self, now: float) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        board = self._board
        left = board.remaining_s(now)
        told = [f"{board.done}/{board.total}"]
        told += [f"{number} {word}" for word, number in board.ended.items() if number and word != "committed"]
        told.append(duration_words(now - board.began) + (f", about {duration_words(left)} left" if left else ""))
        for arrow, rate in (("in", board.came_in), ("out", board.went_out)):
            if rate.total:
                told.append(f"{arrow} {size_words(rate.total)} ({size_words(rate.per_second(now))}/s)")
        text = Text("  ".join(told), overflow="ellipsis", no_wrap=True)
        table = Table.grid(padding=(0, 2))
        table.add_row(ProgressBar(total=max(board.total, 1), completed=board.done, width=20), text)
        return table


def _cells(run: Underway | None, word: str, now: float) -> tuple[Any, Any]:
    from rich.text import Text

    if run is None:
        return Text("free", style="dim"), Text("")
    return Text(one_line(run.run_id), style="bold"), Text(f"{word} {duration_words(now - run.since)}")


def _names(runs: list[Underway]) -> str:
    names = ", ".join(one_line(run.run_id) for run in runs[:SHOWN_NAMES])
    return names if len(runs) <= SHOWN_NAMES else f"{names} and {len(runs) - SHOWN_NAMES} more"
