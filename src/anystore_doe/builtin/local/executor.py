"""The local executor: lives its one order in this process, in a thread."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from anystore_doe.contract import Executor
from anystore_doe.errors import AnystoreDoeError, InternalError
from anystore_doe.model import WorkerEnd

if TYPE_CHECKING:
    from collections.abc import Collection

    from anystore_doe.contract import ExecutorContext
    from anystore_doe.model import WorkOrder


class LocalExecutor(Executor):
    """Lives orders in this process through ``context.live``, one thread each."""

    max_orders = 1

    def __init__(self, context: ExecutorContext) -> None:
        """Start nothing yet."""
        self._context = context
        self._ends: queue.SimpleQueue[WorkerEnd] = queue.SimpleQueue()
        self._going: dict[str, tuple[threading.Thread, threading.Event]] = {}

    def submit(self, order: WorkOrder) -> None:
        """See the contract."""
        stop = threading.Event()
        thread = threading.Thread(target=self._live, args=(order, stop), name=f"anystore-doe-{order.order_id}")
        self._going[order.order_id] = (thread, stop)
        thread.start()

    def _live(self, order: WorkOrder, stop: threading.Event) -> None:
        """Live the order; whatever its worker raises ends this worker, not the engine."""
        end = WorkerEnd(order_id=order.order_id, how="ended")
        try:
            self._context.live(order, stop)
        except AnystoreDoeError as error:
            end = WorkerEnd(order_id=order.order_id, how="lost", detail=error.message, error_class=error.exit_code)
        except Exception as error:
            self._context.logger.exception("worker %s met a bug of ours", order.order_id)
            words = f"a bug of ours: {type(error).__name__}: {error}"
            end = WorkerEnd(order_id=order.order_id, how="lost", detail=words, error_class=InternalError.exit_code)
        if stop.is_set() and end.how == "ended":
            end = WorkerEnd(order_id=order.order_id, how="cancelled")
        self._ends.put(end)

    def completed(self, timeout_s: float) -> list[WorkerEnd]:
        """See the contract."""
        ends: list[WorkerEnd] = []
        try:
            ends.append(self._ends.get(timeout=max(timeout_s, 0.001)))
            while True:
                ends.append(self._ends.get_nowait())
        except queue.Empty:
            pass
        for end in ends:
            thread, _ = self._going.pop(end.order_id)
            thread.join()
        return ends

    def cancel(self, order_ids: Collection[str]) -> None:
        """See the contract."""
        for order_id in order_ids:
            if order_id in self._going:
                self._going[order_id][1].set()

    def close(self) -> None:
        """See the contract."""
        for _, stop in self._going.values():
            stop.set()
        for thread, _ in list(self._going.values()):
            thread.join()
        self._going.clear()
