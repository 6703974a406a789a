"""Signals while a sweep runs: the first asks it to stop, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stopping:
    """Whether, and by which signal, a sweep was asked to stop."""

    stop: threading.Event = field(default_factory=threading.Event)
    signal: int | None = None


@contextmanager
def stopped_by_signals(say: Callable[[str], None]) -> Iterator[Stopping]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into a request to stop; a second one ends this process.

    Ended that way it leaves nothing alive: supervisors end their solvers when their engine is gone. A signal that
    whoever started this process had ignored (``nohup``, a background job) stays ignored.
    """
    stopping = Stopping()

    def told(number: int, _frame: FrameType | None) -> None:
        if stopping.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        stopping.signal = number
        stopping.stop.set()
        name = signal.Signals(number).name
        say(f"{name}: ending the solvers, pushing what is solved; a second one ends this process at once")

    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, told) for number in heard}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
