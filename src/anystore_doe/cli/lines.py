"""Progress as plain lines: one for each run that begins to solve, and one for each end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from anystore_doe.report.text import duration_words, one_line

if TYPE_CHECKING:
    from anystore_doe.cli.board import Board
    from anystore_doe.model import RunEvent

_HINT = "\nHint: "
"""What comes before a hint in an event's message; hints are shown at the end, once."""


class Lines:
    """Writes lines to stderr."""

    def __init__(self, board: Board) -> None:
        """Say what ``board`` is told."""
        self._board = board
        self._digits = len(str(board.total))

    def event(self, event: RunEvent) -> None:
        """Write a line when a run's state changed."""
        self._board.tell(event)
        name = one_line(event.run_id)
        if event.state == "started" and event.step == "solve":
            slot = "" if event.slot is None else f" in slot {event.slot}"
            self.note(f"{name} solving{slot}")
        elif event.state in self._board.ended:
            text = f"{name} {event.state}"
            if event.state in {"failed", "stopped"} and event.step:
                text += f" at {event.step}"
            if event.message and event.state != "stopped":
                text += f": {one_line(event.message.partition(_HINT)[0])}"
            self.note(f"{text}{self._left() if event.state == 'committed' else ''}")

    def note(self, text: str) -> None:
        """Write a line."""
        done = f"{self._board.done:{self._digits}}/{self._board.total}"
        click.echo(f"{time.strftime('%H:%M:%S')} [{done}] {text}", err=True)

    def _left(self) -> str:
        left = self._board.remaining_s(time.monotonic())
        return f", about {duration_words(left)} left" if left else ""
