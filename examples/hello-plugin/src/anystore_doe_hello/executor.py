"""The executor ``hello``: starts the worker of every order as a process of this machine."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
from typing import TYPE_CHECKING

from anystore_doe.contract import Executor
from anystore_doe.errors import ExecutorError, printable
from anystore_doe.model import WorkerEnd

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from anystore_doe.contract import ExecutorContext
    from anystore_doe.model import WorkOrder
    from anystore_doe_hello import HelloExecutorOptions

LAST_WORDS_BYTES = 2000


class HelloExecutor(Executor):
    """Keeps workers alive. What became of their runs is in the store, and none of its business."""

    def __init__(self, options: HelloExecutorOptions, context: ExecutorContext) -> None:
        if options.workers < 1:
            raise ExecutorError(
                f"workers is {options.workers}, and at least 1 is needed", hint="[executor] workers = 1"
            )
        self.max_orders = options.workers
        self._grace_s = options.grace_s
        self._context = context
        self._ends: queue.SimpleQueue[WorkerEnd] = queue.SimpleQueue()
        self._workers: dict[str, Worker] = {}

    def submit(self, order: WorkOrder) -> None:
        log = self._context.work_root / "workers" / f"{order.order_id}.log"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._workers[order.order_id] = Worker(order, log, self._context, self._ends)
        except OSError as error:
            raise ExecutorError(f"the worker of {order.order_id} can not be started: {error}") from error

    def completed(self, timeout_s: float) -> list[WorkerEnd]:
        ends: list[WorkerEnd] = []
        with contextlib.suppress(queue.Empty):
            ends.append(self._ends.get(timeout=max(timeout_s, 0.001)))
            while True:
                ends.append(self._ends.get_nowait())
        for end in ends:
            self._workers.pop(end.order_id).thread.join()
        return ends

    def cancel(self, order_ids: Collection[str]) -> None:
        for order_id in order_ids:
            if order_id in self._workers:
                self._workers[order_id].cancel(self._grace_s)

    def close(self) -> None:
        self.cancel(list(self._workers))
        for worker in self._workers.values():
            worker.thread.join()
        self._workers.clear()


class Worker:
    """One process that lives one order. The end of its stdin tells it that we are gone, so that is kept open."""

    def __init__(
        self, order: WorkOrder, log: Path, context: ExecutorContext, ends: queue.SimpleQueue[WorkerEnd]
    ) -> None:
        self._order, self._log, self._ends = order, log, ends
        self._cancelled = False
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                order.argv,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=context.worker_env,
                start_new_session=True,  # Ctrl-C goes to the driver, which then cancels in good order
            )
        self.thread = threading.Thread(target=self._live, name=f"hello-{order.order_id}", daemon=True)
        self.thread.start()

    def _live(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(self._order.as_line())
            stdin.flush()
            self._process.wait()
        self._ends.put(self._end(self._process.wait()))

    def _end(self, code: int) -> WorkerEnd:
        order_id = self._order.order_id
        if self._cancelled:
            return WorkerEnd(order_id=order_id, how="cancelled")
        if code in {0, 1}:  # 1: some of its runs failed
            return WorkerEnd(order_id=order_id, how="ended")
        words = printable(self._log.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")).strip()
        return WorkerEnd(order_id=order_id, how="lost", detail=f"exit code {code}: {words}", error_class=max(code, 1))

    def cancel(self, grace_s: float) -> None:
        """Ask the worker to end, and end it when it does not."""
        if not self._cancelled:
            self._cancelled = True
            self._process.terminate()
            killer = threading.Timer(grace_s, self._process.kill)
            killer.daemon = True
            killer.start()
