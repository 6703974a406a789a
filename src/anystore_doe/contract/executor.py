"""What an executor promises: it keeps workers alive somewhere, and knows nothing of runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    import threading
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from anystore_doe.model import WorkerEnd, WorkOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorContext:
    """What the engine lends an executor.

    Attributes:
        live: ``live(order, stop)`` lives an order in this process and returns when its worker ended; set
            ``stop`` and it ends its solvers and returns soon. Blocking: call it in a thread.
        work_root: Absolute path of the sweep's work root on this machine.
        worker_env: The environment a worker process on this machine starts with, credentials included; an
            executor that crosses machines passes none of it on by itself.
        logger: For the executor's messages; never for secrets.
    """

    live: Callable[[WorkOrder, threading.Event], None]
    work_root: Path
    worker_env: Mapping[str, str]
    logger: logging.Logger


class Executor(ABC):
    """Starts a worker for each order and says how workers ended.

    The engine calls it from one thread. An order may be started twice (a requeue, a lost node): claim and
    create-only commit make that harmless. Outcomes of runs are read from the store, never from here.
    Only :class:`~anystore_doe.errors.ExecutorError` gets out.
    """

    max_orders: int = 1
    """Orders that may be submitted and not ended at once, at least 1; the engine splits a sweep accordingly."""

    @abstractmethod
    def submit(self, order: WorkOrder) -> None:
        """Start a worker for ``order``, now or when there is room; return at once.

        Raises:
            ExecutorError: the engine behind refused; nothing was started.
        """

    @abstractmethod
    def completed(self, timeout_s: float) -> list[WorkerEnd]:
        """Return workers that ended since the last call, each once; wait up to ``timeout_s`` for the first."""

    @abstractmethod
    def cancel(self, order_ids: Collection[str]) -> None:
        """Ask the workers of these orders to end; they still appear in :meth:`completed`. Unknown ids are ignored."""

    @abstractmethod
    def close(self) -> None:
        """End what is left and wait for it; no worker of this executor lives afterwards. Twice is no error."""
