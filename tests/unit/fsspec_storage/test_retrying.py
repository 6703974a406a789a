"""What is tried again, how long is waited, and when it is enough."""

from __future__ import annotations

import asyncio

import pytest

from anystore_doe.errors import AccessDeniedError, StorageError
from anystore_doe.fsspec_storage.retrying import RetryPolicy, Tries, retried


def busy() -> StorageError:
    return StorageError("get", "u", "busy", retryable=True)


def test_what_is_not_retryable_is_raised_at_once():
    calls = []

    async def call() -> None:
        calls.append(1)
        raise AccessDeniedError("get", "u")

    with pytest.raises(AccessDeniedError):
        asyncio.run(retried(RetryPolicy(base_s=0), call))
    assert len(calls) == 1


def test_tries_are_counted_and_the_last_error_is_raised():
    calls = []

    async def call() -> None:
        calls.append(1)
        raise busy()

    with pytest.raises(StorageError, match="busy"):
        asyncio.run(retried(RetryPolicy(attempts=5, base_s=0), call))
    assert len(calls) == 5


def test_pauses_are_jittered_bounded_and_grow():
    policy = RetryPolicy(attempts=100, base_s=1, cap_s=8, deadline_s=1e9)
    firsts = {Tries(policy).failed(busy()) for _ in range(50)}
    assert len(firsts) > 10
    assert max(firsts) <= 2
    tries = Tries(policy)
    assert max(tries.failed(busy()) for _ in range(50)) > 2
    assert max(tries.failed(busy()) for _ in range(40)) <= 8


def test_what_the_store_asks_for_is_waited_but_not_longer_than_the_cap():
    for asked, expected in ((5.0, 5.0), (3600.0, 10.0)):
        policy = RetryPolicy(base_s=0, cap_s=10, asked_s=lambda _, asked=asked: asked)
        assert Tries(policy).failed(busy()) == expected


def test_a_pause_beyond_the_deadline_is_not_begun():
    policy = RetryPolicy(base_s=0, cap_s=100, deadline_s=5, asked_s=lambda _: 6.0)
    with pytest.raises(StorageError):
        Tries(policy).failed(busy())


def test_progress_starts_the_budget_anew():
    tries = Tries(RetryPolicy(attempts=2, base_s=0))
    for _ in range(10):
        tries.failed(busy())
        tries.progressed()
    tries.failed(busy())
    with pytest.raises(StorageError):
        tries.failed(busy())
