"""Where every run that is under way is, as the engine's events tell it. No drawing here."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore_doe.model import RunEvent

RATE_WINDOW_S = 5.0
ENDS = ("committed", "failed", "skipped", "stopped")


@dataclass(slots=True)
class Underway:
    """One run that was begun: its step, since when (monotonic seconds), and its slot while solving."""

    run_id: str
    step: str
    since: float
    slot: int | None = None


class Rate:
    """Bytes, and bytes per second over the last few seconds."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.total = 0
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, size: int, now: float) -> None:
        """Count ``size`` more bytes."""
        self.total += size
        if self._recent and now - self._recent[-1][0] < 0.1:
            self._recent[-1] = (self._recent[-1][0], self._recent[-1][1] + size)
        else:
            self._recent.append((now, size))

    def per_second(self, now: float) -> float:
        """Return the rate over the window that ends now."""
        while self._recent and now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()
        return sum(size for _, size in self._recent) / RATE_WINDOW_S


class Board:
    """The state of a sweep; told by one thread, read by another. Holds only runs that are under way."""

    def __init__(self, total: int, slots: int) -> None:
        """Begin with ``total`` runs to do, in ``slots`` slots."""
        self.lock = threading.Lock()
        self.total, self.slots = total, slots
        self.underway: dict[str, Underway] = {}
        self.ended = dict.fromkeys(ENDS, 0)
        self.came_in, self.went_out = Rate(), Rate()
        self.began = time.monotonic()

    def tell(self, event: RunEvent) -> None:
        """Take in one event."""
        now = time.monotonic()
        with self.lock:
            if event.state in self.ended:
                self.ended[event.state] += 1
                self.underway.pop(event.run_id, None)
            elif event.state == "started":
                self.underway[event.run_id] = Underway(event.run_id, event.step, now, event.slot)
            elif event.bytes:
                (self.went_out if event.step in {"push", "commit"} else self.came_in).add(event.bytes, now)

    def at(self, *steps: str) -> list[Underway]:
        """Return the runs that are at one of these steps, longest first."""
        return sorted((run for run in self.underway.values() if run.step in steps), key=lambda run: run.since)

    @property
    def done(self) -> int:
        """How many runs have ended, however."""
        return sum(self.ended.values())

    def remaining_s(self, now: float) -> float | None:
        """Estimate the seconds that are left from the pace so far; ``None`` before the first run has ended."""
        if not self.done:
            return None
        return (now - self.began) / self.done * (self.total - self.done)
