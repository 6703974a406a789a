"""The worker: lives an order's runs on this machine, with its own slots and lookahead."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.engine.attempt import AlreadyCommittedError, Attempt
from anystore_doe.engine.crew import Crew
from anystore_doe.engine.environment import common_environment, machinefile_text
from anystore_doe.engine.life import StoppedError, live_run
from anystore_doe.engine.outputs import remark
from anystore_doe.engine.slots import SlotPool
from anystore_doe.engine.workroot import runs_folder, worker_at_work
from anystore_doe.errors import AnystoreDoeError, LocalResourceError
from anystore_doe.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.engine.crew import Surroundings
    from anystore_doe.model import OrderedRun, WorkOrder

STOP_POLL_S = 0.1
"""How soon a stop is noticed: an event and the end of the work can not be waited for at once."""


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
    work_root, resources = Path(order.work_root), order.resources
    folder = _made(runs_folder(work_root, Path(order.scratch) if order.scratch else None))
    slots = SlotPool(count=resources.slots, cores_per_slot=resources.cores_per_slot, logger=around.logger)
    crew = Crew(
        order=order,
        around=around,
        slots=slots,
        runs_folder=folder,
        machinefile=_machinefile(_made(work_root), resources.cores_per_slot),
        common_env=common_environment(
            around.environ, order.recipe, credential_env=around.credential_env, blank_env=around.blank_env
        ),
        me=this_process(),
    )
    shift = _Shift(crew)
    threads = min(len(order.runs), resources.slots + resources.lookahead)
    with (
        worker_at_work(work_root),
        closing(slots),
        _stopping(stop, shift),
        ThreadPoolExecutor(threads, thread_name_prefix="anystore-doe-run") as pool,
    ):
        slots.start()  # beside the first stage-in
        for lived in [pool.submit(shift.work) for _ in range(threads)]:
            lived.result()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalResourceError(
            f"the folder {folder} can not be made: {error.strerror}", hint="--work-dir DIR or --scratch DIR"
        ) from error
    return folder


def _machinefile(work_root: Path, cores: int) -> Path:
    """Write the machine file of this machine's slots: one serves all runs, and machines may share a work root."""
    file = work_root / f"machinefile.{socket.gethostname()}"
    try:
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(machinefile_text(cores), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise LocalResourceError(f"the file {file} can not be written: {error.strerror}") from error
    return file


@contextmanager
def _stopping(stop: threading.Event, shift: _Shift) -> Iterator[None]:
    """While the worker is at work, pass a stop on to everything that blocks."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if stop.wait(STOP_POLL_S):
                shift.stop()
                return

    watcher = threading.Thread(target=watch, name="anystore-doe-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


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
            self._failed(attempt, error)
        except Exception as error:
            self._crew.around.logger.exception("run %s met a bug of ours", ordered.run.run_id)
            self._failed(attempt, self._crew.around.bug(error))
        else:
            attempt.end("committed", message=remark(len(attempt.files), attempt.links, adopted=attempt.adopted))

    def _failed(self, attempt: Attempt, error: AnystoreDoeError) -> None:
        attempt.end("failed", error)
        if self._crew.order.fail_fast:
            self._closed = True
