"""The executor ``local``. Light to import: the executor is loaded when a sweep is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import ExecutorEntry, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Executor, ExecutorContext, NoOptions

__all__ = ["anystore_doe_executors", "open_local"]


def open_local(_options: NoOptions, context: ExecutorContext) -> Executor:
    """Open the executor; it starts nothing yet."""
    from anystore_doe.builtin.local.executor import LocalExecutor

    return LocalExecutor(context)


@hookimpl
def anystore_doe_executors() -> Iterable[ExecutorEntry]:
    """Offer ``local``."""
    return [
        ExecutorEntry(name="local", open=open_local, summary="solvers as processes of this machine, in pinned slots")
    ]
