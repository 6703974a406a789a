"""The executor ``worker-process``: starts an order's worker, hands the order over, and reaps it."""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import signal
import subprocess
import threading
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from anystore_doe.contract import Executor
from anystore_doe.errors import ExecutorError, printable
from anystore_doe.model import WorkerEnd

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from anystore_doe.contract import ExecutorContext
    from anystore_doe.model import WorkOrder
    from anystore_doe.testing.worker_process.options import WorkerProcessOptions

PASSED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE")
CREDENTIALS = ("AWS_*", "GOOGLE_*", "CLOUDSDK_*", "AZURE_*", "STORAGE_EMULATOR_HOST")
"""``fnmatch`` patterns of the variables that a worker is given because stores ask for them."""

TAIL_BYTES = 2048


class _Worker:
    """One process that lives one order; its stdin is kept open while it lives: the end of it says that we are gone."""

    def __init__(self, order: WorkOrder, log: Path, environ: Mapping[str, str], cwd: Path) -> None:
        self.order_id = order.order_id
        self.kill_at_s: float | None = None
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                order.argv,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=cwd,
                start_new_session=True,
            )
        self.pidfd = os.pidfd_open(self._process.pid)
        assert self._process.stdin is not None  # it was asked for
        self._stdin: BinaryIO = self._process.stdin  # type: ignore[assignment]  # a pipe of bytes
        self._writer = threading.Thread(
            target=self._write, args=(order.as_line(),), name="anystore-doe-order", daemon=True
        )
        self._writer.start()

    def _write(self, line: bytes) -> None:
        """Hand the order over; a worker that ended before it read all of it is seen by its exit code."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()

    def cancel(self, grace_s: float) -> None:
        """Ask it to end; the first time counts."""
        if self.kill_at_s is None:
            self.kill_at_s = time.monotonic() + grace_s
            self._signal(signal.SIGTERM)

    def kill_when_late(self) -> None:
        """End it when it was asked to and did not in time."""
        if self.kill_at_s is not None and time.monotonic() >= self.kill_at_s:
            self.kill_at_s = math.inf
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def end(self) -> WorkerEnd:
        """Reap the process, which has ended, and say how it did."""
        code = self._process.wait()
        os.close(self.pidfd)
        self._writer.join()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        if self.kill_at_s is not None:
            return WorkerEnd(order_id=self.order_id, how="cancelled", detail=f"exit code {code}")
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        words = f"{how}; see {self._log}{self._last_words()}"
        if code in {0, 1}:
            return WorkerEnd(order_id=self.order_id, how="ended", detail=words)
        return WorkerEnd(order_id=self.order_id, how="lost", detail=words, error_class=max(code, 1))

    def _last_words(self) -> str:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
            words = printable(file.read().decode(errors="replace")).strip()
        return f"\n{words}" if words else ""


class WorkerProcessExecutor(Executor):
    """Starts each order's ``argv`` as a process, the order as one JSON line on its stdin.

    The worker's stdin ends when this process does, however that ends: a worker takes it as the end of its engine.
    What it prints goes to ``workers/<order_id>.log`` in the work root.
    """

    def __init__(self, options: WorkerProcessOptions, context: ExecutorContext) -> None:
        """Start nothing yet.

        Raises:
            ExecutorError: this system has no pidfds, or there is to be less than one worker.
        """
        if not hasattr(os, "pidfd_open"):
            msg = "worker processes need Linux (pidfd_open)"
            raise ExecutorError(msg, hint="--executor local")
        if options.workers < 1:
            msg = f"workers is {options.workers}, and at least 1 is needed"
            raise ExecutorError(msg, hint="[executor] workers = 1")
        self.max_orders = options.workers
        self._grace_s = options.grace_s
        self._pass_env = tuple(name.strip() for name in options.pass_env.split(",") if name.strip())
        self._context = context
        self._workers: list[_Worker] = []

    def submit(self, order: WorkOrder) -> None:
        """See the contract."""
        logs = self._context.work_root / "workers"
        log = logs / (re.sub(r"[^\w.-]", "_", order.order_id, flags=re.ASCII)[:100] + ".log")
        try:
            logs.mkdir(parents=True, exist_ok=True)
            worker = _Worker(order, log, self._environment(order), self._context.work_root)
        except (OSError, ValueError, IndexError) as error:
            msg = f"the worker of {order.order_id} can not be started: {error}"
            raise ExecutorError(msg) from error
        self._workers.append(worker)

    def completed(self, timeout_s: float) -> list[WorkerEnd]:
        """See the contract."""
        until_s = time.monotonic() + timeout_s
        while True:
            ends = self._ended(self._patience_s(until_s))
            if ends or not self._workers or time.monotonic() >= until_s:
                return ends

    def cancel(self, order_ids: Collection[str]) -> None:
        """See the contract."""
        for worker in self._workers:
            if worker.order_id in order_ids:
                worker.cancel(self._grace_s)

    def close(self) -> None:
        """See the contract."""
        self.cancel([worker.order_id for worker in self._workers])
        while self._workers:
            self.completed(1.0)

    def _patience_s(self, until_s: float) -> float:
        """Return how long to wait for a worker: no longer than until one is to be killed."""
        deadlines = [worker.kill_at_s for worker in self._workers if worker.kill_at_s is not None]
        return max(0.0, min([until_s, *deadlines]) - time.monotonic())

    def _ended(self, timeout_s: float) -> list[WorkerEnd]:
        for worker in self._workers:
            worker.kill_when_late()
        waiting = select.poll()
        for worker in self._workers:
            waiting.register(worker.pidfd, select.POLLIN)
        ready = {fd for fd, _ in waiting.poll(timeout_s * 1000)} if self._workers else set()
        ended = [worker for worker in self._workers if worker.pidfd in ready]
        self._workers = [worker for worker in self._workers if worker.pidfd not in ready]
        return [worker.end() for worker in ended]

    def _environment(self, order: WorkOrder) -> dict[str, str]:
        """Return what a worker starts with: enough to find programs and to open stores, and what the user named."""
        patterns: Sequence[str] = (*PASSED, *CREDENTIALS, *self._pass_env, *order.recipe.pass_env)
        given = self._context.worker_env
        return {name: value for name, value in given.items() if any(fnmatchcase(name, p) for p in patterns)}
