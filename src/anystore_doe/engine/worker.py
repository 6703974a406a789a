"""The worker: lives an order's runs on this machine, with its own slots and lookahead."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.engine.attempt import AlreadyCommittedError, Attempt
from anystore_doe.engine.crew import Crew
from anystore_doe.engine.life import StoppedError, live_run
from anystore_doe.engine.processes import this_process
from anystore_doe.engine.slots import SlotPool
from anystore_doe.errors import AnystoreDoeError, LocalResourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.engine.crew import Surroundings
    from anystore_doe.model import OrderedRun, WorkOrder


def live_order(order: WorkOrder, stop: threading.Event, around: Surroundings) -> None:
    """Live all runs of ``order`` and return; how each ended is in the store, and was told to ``around.notify``.

    Runs are begun in the order's order by ``slots + lookahead`` threads; each takes its run by claim.

    Args:
        order: What to live.
        stop: Set it, and running solvers are ended, transfers are cancelled, no run is begun.
        around: Storage, archives, environment and observers.

    Raises:
        LocalResourceError: the work root can not be written.
    """
    runs_folder = Path(order.scratch or order.work_root) / "runs"
    try:
        runs_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalResourceError(f"the folder for work folders can not be made: {error}") from error
    resources = order.resources
    slots = SlotPool(count=resources.slots, cores_per_slot=resources.cores_per_slot, logger=around.logger)
    slots.start()  # beside the first stage-in
    crew = Crew(order=order, around=around, slots=slots, runs_folder=runs_folder, me=this_process())
    shift = _Shift(crew)
    ended = threading.Event()
    watcher = threading.Thread(target=_stop_when_told, args=(stop, ended, shift), name="anystore-doe-stop", daemon=True)
    watcher.start()
    threads = min(len(order.runs), resources.slots + resources.lookahead)
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="anystore-doe-run") as pool:
            wait([pool.submit(shift.work) for _ in range(threads)])
    finally:
        ended.set()
        stop_waiting = stop.is_set()
        slots.close()
        if not stop_waiting:
            watcher.join(timeout=1)


def _stop_when_told(stop: threading.Event, ended: threading.Event, shift: _Shift) -> None:
    """Wait for the first of two events; pass a stop on to everything that blocks."""
    while not ended.is_set():
        if stop.wait(timeout=0.1):
            shift.stop()
            return


class _Shift:
    """The runs that are still to be taken, shared by the threads of one worker."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._lock = threading.Lock()
        self._left: Iterator[OrderedRun] = iter(crew.order.runs)
        self._closed = False

    def stop(self) -> None:
        """Take no further run, end what is under way."""
        self._closed = True
        self._crew.stopper.stop()
        self._crew.slots.cancel()

    def work(self) -> None:
        """Live one run after the other until there is none left."""
        while (ordered := self._next()) is not None:
            self._live(ordered)

    def _next(self) -> OrderedRun | None:
        with self._lock:
            return None if self._closed else next(self._left, None)

    def _live(self, ordered: OrderedRun) -> None:
        """Live one run and tell how it ended; no run's end ends its thread."""
        attempt = Attempt(ordered, self._crew)
        try:
            live_run(attempt)
        except StoppedError as error:
            attempt.end("stopped", error)
        except AlreadyCommittedError as error:
            attempt.end("skipped", error)
        except AnystoreDoeError as error:
            attempt.end("failed", error)
            self._closed = self._closed or self._crew.order.fail_fast
        else:
            attempt.end("committed", message="" if attempt.files else "no outputs were left")
