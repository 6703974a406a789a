"""From our threads to the event loop that a file system owns, and back, without leaving work behind.

``fsspec.asyn.sync`` gives up waiting on an interrupt while its coroutine goes on, and returns ``None`` for a
cancelled one. Here a call that is left by an exception, or whose watch is cancelled, is cancelled on the loop
*and waited for*: when :func:`run` has returned, nothing of the call is running any more.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anystore_doe.errors import CancelledTransferError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from anystore_doe.contract.storage import Watch

T = TypeVar("T")

_POLL_S = 0.2


class _Call(Generic[T]):
    """One coroutine on a foreign loop; ``finished`` is set when its task is over, however it ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.finished = threading.Event()
        self._loop = loop
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self._unwanted = False
        loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(lambda _: self.finished.set())

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def cancel(self) -> None:
        if not self._unwanted:
            self._unwanted = True
            self._loop.call_soon_threadsafe(self._stop)

    def result(self) -> T:
        if self._task is None:
            raise RuntimeError("the call was never started")
        return self._task.result()


def run(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    *,
    url: str,
    watch: Watch | None = None,
) -> T:
    """Run ``coroutine`` on ``loop``, which runs in another thread, and return its result.

    Args:
        loop: A running loop that is not this thread's.
        coroutine: Not yet awaited.
        url: What it is about, for messages.
        watch: Ends the call when it is cancelled.

    Raises:
        CancelledTransferError: the watch was cancelled.
        StorageError: the loop is closed, or somebody else cancelled the call.
    """
    if loop.is_closed():
        coroutine.close()
        raise StorageError("reach", url, "its event loop is closed")
    call = _Call(loop, coroutine)
    try:
        while not call.finished.wait(_POLL_S):
            if watch is not None and watch.cancelled:
                call.cancel()
    except BaseException:  # Ctrl-C in the waiting thread: the work must not go on unseen
        call.cancel()
        call.finished.wait()
        raise
    try:
        return call.result()
    except asyncio.CancelledError as error:
        if watch is not None and watch.cancelled:
            raise CancelledTransferError("transfer", url) from error
        raise StorageError("transfer", url, "was cancelled from elsewhere") from error


async def off_loop(function: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking function in a thread of the loop's pool, and never leave before it is over.

    A cancelled ``asyncio.to_thread`` returns at once while its thread still writes: into a file descriptor that
    is closed by then, or belongs to another file.
    """
    future = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()  # seen; the cancellation is what counts
        raise


async def all_of(coroutines: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Run ``coroutines`` at once and return their results in order.

    The first failure cancels the others, waits until they are over, and is raised as it is (a ``TaskGroup`` would
    wrap it).
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    failed = next((task for task in tasks if task in done and not task.cancelled() and task.exception()), None)
    if failed is not None:
        failed.result()
    return [task.result() for task in tasks]
