"""Calls into a loop of another thread: waited for, cancelled, and never left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import CancelledTransferError, StorageError
from anystore_doe.fsspec_storage.bridge import all_of, off_loop, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_results_and_errors_come_back(loop):
    async def answer(value: int) -> int:
        if value < 0:
            raise KeyError(value)
        return value

    assert run(loop, answer(7), url="u") == 7
    with pytest.raises(KeyError):
        run(loop, answer(-1), url="u")


def test_a_cancelled_watch_ends_the_call_and_waits_for_its_end(loop):
    watch, ended = Watch(), threading.Event()

    async def endless() -> None:
        watch.cancel()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.set()

    with pytest.raises(CancelledTransferError, match="u"):
        run(loop, endless(), url="u", watch=watch)
    assert ended.is_set()


def test_an_interrupt_in_the_waiting_thread_leaves_nothing_running(loop, monkeypatch):
    ended, begun = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    class Interrupted(Watch):
        @property
        def cancelled(self) -> bool:
            if begun.is_set():
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        run(loop, endless(), url="u", watch=Interrupted())
    assert ended.is_set()


def test_a_closed_loop_is_an_error_of_ours():
    loop = asyncio.new_event_loop()
    loop.close()

    async def nothing() -> None:
        return None

    with pytest.raises(StorageError, match="closed"):
        run(loop, nothing(), url="u")


def test_a_blocking_call_is_over_before_its_canceller_goes_on(loop):
    watch, release, over = Watch(), threading.Event(), []

    def blocking() -> None:
        watch.cancel()
        release.wait(0.5)
        over.append(time.monotonic())

    async def call() -> None:
        await off_loop(blocking)

    with pytest.raises(CancelledTransferError):
        run(loop, call(), url="u", watch=watch)
    assert len(over) == 1


def test_the_first_failure_cancels_the_others_and_waits_for_them(loop):
    ended: list[int] = []

    async def one(n: int) -> int:
        try:
            await asyncio.sleep(0 if n == 1 else 60)
            raise ValueError(n)
        finally:
            ended.append(n)

    async def gathered() -> list[int]:
        return await all_of([one(n) for n in range(3)])

    with pytest.raises(ValueError, match="1"):
        run(loop, gathered(), url="u")
    assert sorted(ended) == [0, 1, 2]


def test_results_keep_their_order(loop):
    async def one(n: int) -> int:
        await asyncio.sleep((3 - n) / 100)
        return n

    async def gathered() -> list[int]:
        return await all_of([one(n) for n in range(3)])

    assert run(loop, gathered(), url="u") == [0, 1, 2]
