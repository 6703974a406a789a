"""One retry budget for every request: what is tried again, when, and when it is enough."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from anystore_doe.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anystore_doe.contract.storage import Watch

T = TypeVar("T")

_POLL_S = 0.2


def _never(_: StorageError) -> float | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long something is tried again.

    The pause after the n-th failure in a row is drawn evenly from 0 to ``min(cap_s, base_s * 2**n)`` ("full
    jitter", AWS Architecture Blog, "Exponential Backoff And Jitter", 2015), or what the store asked for, if longer.

    Attributes:
        attempts: Most tries without progress, the first included.
        base_s: Bound of the first pause.
        cap_s: Bound of any pause; also of what a store may ask for.
        deadline_s: After so long without progress nothing is tried again.
        asked_s: Reads from an error what pause the store asks for (``Retry-After``), ``None`` when it does not.
    """

    attempts: int = 8
    base_s: float = 0.4
    cap_s: float = 20.0
    deadline_s: float = 180.0
    asked_s: Callable[[StorageError], float | None] = _never


class Tries:
    """The tries of one operation; :meth:`failed` says how long to pause, or that it is enough."""

    def __init__(self, policy: RetryPolicy) -> None:
        """Start the clock."""
        self._policy = policy
        self._failures = 0
        self._since = time.monotonic()

    @property
    def failures(self) -> int:
        """Failures since the last progress."""
        return self._failures

    def progressed(self) -> None:
        """Note that bytes came through: the budget starts anew."""
        self._failures = 0
        self._since = time.monotonic()

    def failed(self, error: StorageError) -> float:
        """Return the seconds to pause before the next try.

        Raises:
            StorageError: ``error`` itself, when it is not retryable or the budget is used up.
        """
        self._failures += 1
        if not error.retryable or self._failures >= self._policy.attempts:
            raise error
        pause = random.uniform(0, min(self._policy.cap_s, self._policy.base_s * 2**self._failures))  # noqa: S311  jitter, no secret
        asked = self._policy.asked_s(error)
        if asked is not None:
            pause = max(pause, min(asked, self._policy.cap_s))
        if time.monotonic() + pause - self._since > self._policy.deadline_s:
            raise error
        return pause


async def retried(policy: RetryPolicy, call: Callable[[], Awaitable[T]]) -> T:
    """Await ``call()`` until it goes through; see :class:`RetryPolicy`.

    Raises:
        StorageError: the last error, when it is not retryable or the budget is used up.
    """
    tries = Tries(policy)
    while True:
        try:
            return await call()
        except StorageError as error:
            pause = tries.failed(error)
        await asyncio.sleep(pause)


def again(policy: RetryPolicy, call: Callable[[], T], *, watch: Watch, url: str) -> T:
    """Call until it goes through, as :func:`retried` does for coroutines.

    Raises:
        CancelledTransferError: the watch was cancelled in a pause.
        StorageError: the last error, when it is not retryable or the budget is used up.
    """
    tries = Tries(policy)
    while True:
        try:
            return call()
        except StorageError as error:
            until = time.monotonic() + tries.failed(error)
        while (left := until - time.monotonic()) > 0:
            watch.check(url)
            time.sleep(min(left, _POLL_S))
