"""Orders that an executor can be tried on: the sweep's name says what their worker does, files say that it did.

A worker of the bench leaves ``<order_id>.began.<pid>.<n>`` in the order's work root when it begins, and
``<order_id>.over.<pid>.<n>`` when it ends of itself or because it was asked to.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anystore_doe.errors import ExecutorError
from anystore_doe.model import OrderedRun, Recipe, Resources, Run, WorkOrder
from anystore_doe.processes import start_ticks

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_S = 60.0
"""A worker that nobody ends gives up after this time."""

# As a worker does: one line of order on stdin; the end of stdin, or SIGTERM, is the end of the worker.
_WORKER = """
import hashlib, json, os, signal, sys, threading
line = sys.stdin.buffer.readline().rstrip(b"\\n")
order = json.loads(line)
def note(what, text=""):
    path = os.path.join(order["work_root"], "%s.%s.%d.0" % (order["order_id"], what, os.getpid()))
    with open(path + "~", "w") as file:
        file.write(text)
    os.replace(path + "~", path)
def end(code):
    note("over")
    os._exit(code)
signal.signal(signal.SIGTERM, lambda *_: end(143))
note("began", hashlib.sha256(line).hexdigest())
kind = order["sweep"]
if kind == "quick":
    end(0)
if kind == "failing":
    end(1)
if kind == "broken":
    print("broken on purpose", file=sys.stderr, flush=True)
    os._exit(70)
if kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("deaf")
threading.Timer(LONGEST_S, end, (0,)).start()
sys.stdin.buffer.read()
end(129)
""".replace("LONGEST_S", str(LONGEST_S))


@dataclass
class Bench:
    """Makes orders, lives them in this process when asked to, and looks at what their workers left.

    Attributes:
        root: Work root of all orders.
    """

    root: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def order(self, kind: str, *, runs: int = 1) -> WorkOrder:
        """Return a new order; ``kind`` is ``quick``, ``failing``, ``broken``, ``long`` or (process only) ``deaf``."""
        number = next(self._numbers)
        return WorkOrder(
            order_id=f"{kind}-{number}",
            argv=(sys.executable, "-I", "-S", "-c", _WORKER),
            sweep=kind,
            runs=tuple(_run(row) for row in range(1, runs + 1)),
            recipe=Recipe(command=("true",)),
            resources=Resources(slots=1),
            work_root=str(self.root),
        )

    def live(self, order: WorkOrder, stop: threading.Event) -> None:
        """Live an order in this process, as ``ExecutorContext.live`` does."""
        number = next(self._numbers)
        self._note(order, "began", number, order_digest(order))
        if order.sweep == "broken":
            msg = "broken on purpose"
            raise ExecutorError(msg)
        if order.sweep == "long":
            stop.wait(LONGEST_S)
        self._note(order, "over", number)

    def began(self, order: WorkOrder) -> list[Path]:
        """Return a file for each time that a worker began with ``order``; its text is the digest of what it got."""
        return sorted(self.root.glob(f"{order.order_id}.began.*[0-9]"))

    def alive(self, order: WorkOrder) -> bool:
        """Whether a worker of ``order`` began and has not ended."""
        over = {path.name.replace(".over.", ".began.") for path in self.root.glob(f"{order.order_id}.over.*[0-9]")}
        left = [path for path in self.began(order) if path.name not in over]
        return any(start_ticks(int(path.name.split(".")[-2])) is not None for path in left)

    def _note(self, order: WorkOrder, what: str, number: int, text: str = "") -> None:
        path = self.root / f"{order.order_id}.{what}.{os.getpid()}.{number}"
        part = path.with_name(path.name + "~")
        part.write_text(text)
        part.replace(path)


def order_digest(order: WorkOrder) -> str:
    """Return the digest of an order as it goes over a pipe."""
    return hashlib.sha256(order.as_line().rstrip(b"\n")).hexdigest()


def _run(row: int) -> OrderedRun:
    label = f"{row:04}"
    run = Run(run_id=label, row=row, line=row + 1, values={"x": label}, inputs=(), output=f"file:///nowhere/{label}")
    return OrderedRun(run=run, inputs=(), definition_digest=label)


def until(seconds: float) -> Iterator[None]:
    """Yield every few milliseconds for ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)
