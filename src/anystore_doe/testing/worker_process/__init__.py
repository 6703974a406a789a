"""An executor that starts every order in a process of its own, with next to no environment.

It proves that orders are plain data and that results come through the store: what the engine knows and did not put
into the order, the worker does not have. It is for tests, and for whoever wants a worker apart from the driver on
this machine. Linux only (pidfds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import ExecutorEntry, hookimpl
from anystore_doe.testing.worker_process.options import WorkerProcessOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Executor, ExecutorContext

__all__ = ["WorkerProcessOptions", "anystore_doe_executors", "open_worker_processes"]


def open_worker_processes(options: WorkerProcessOptions, context: ExecutorContext) -> Executor:
    """Open the executor; it starts nothing yet."""
    from anystore_doe.testing.worker_process.executor import WorkerProcessExecutor

    return WorkerProcessExecutor(options, context)


@hookimpl
def anystore_doe_executors() -> Iterable[ExecutorEntry]:
    """Offer ``worker-process``."""
    return [
        ExecutorEntry(
            name="worker-process",
            open=open_worker_processes,
            summary="every order in a process of its own on this machine (for tests of the far side)",
            options=WorkerProcessOptions,
        )
    ]
