"""Conditional writes to object stores: what must hold, and a refusal that may be of one's own lost write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.errors import ObjectExistsError, PreconditionFailedError, StorageError
from anystore_doe.fsspec_storage.retrying import RetryPolicy, Tries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anystore_doe.model import ObjectInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold for a write: nothing, no object (``create_only``), or exactly the version ``replacing``."""

    create_only: bool = False
    replacing: str | None = None

    def __bool__(self) -> bool:
        """Whether there is a condition at all."""
        return self.create_only or self.replacing is not None

    def broken(self, url: str, *, missing: bool = False) -> StorageError:
        """Return the error of a write whose condition does not hold; ``missing``: nothing is there to be replaced."""
        if self.create_only:
            return ObjectExistsError("push", url)
        if missing:
            return PreconditionFailedError("push", url, "there is no object to be replaced")
        return PreconditionFailedError("push", url)


async def until_known(
    policy: RetryPolicy,
    once: Callable[[], Awaitable[ObjectInfo]],
    *,
    written: Callable[[], Awaitable[ObjectInfo | None]],
    refusal: Callable[[StorageError], StorageError | None],
    is_lost: Callable[[StorageError], bool],
) -> ObjectInfo:
    """Repeat a conditional write; a refusal after a lost reply may be of our own write: then look.

    Args:
        policy: How often it is tried again.
        once: Sends it, once.
        written: Describes what is there now if it is what we write. It is believed only after a lost reply: without
            one, the object was there before us, whatever it holds.
        refusal: What to raise when an error says that the condition does not hold; ``None``: it says something else.
        is_lost: Whether the write may have been carried out although its error came.
    """
    tries, lost = Tries(policy), False
    while True:
        try:
            return await once()
        except StorageError as error:
            refused = refusal(error)
            if refused is not None:
                ours = await written() if lost else None
                if ours is not None:
                    return ours
                raise refused from error
            lost = lost or is_lost(error)
            pause = tries.failed(error)
        await asyncio.sleep(pause)
