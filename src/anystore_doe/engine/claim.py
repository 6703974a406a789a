"""Claims: who is at a run. One small object per run, created atomically, never deleted, changed by compare-and-set."""

from __future__ import annotations

import dataclasses
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.contract.storage import Watch
from anystore_doe.engine import records
from anystore_doe.errors import (
    BusyError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StateError,
)
from anystore_doe.model import Claim
from anystore_doe.processes import ProcessIdentity, is_gone, this_process

if TYPE_CHECKING:
    from anystore_doe.contract.storage import Place
    from anystore_doe.model import ObjectInfo, Run

TRIES = 5
"""How often a claim that changes under our hands is looked at again before its run is left to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldClaim:
    """A claim that is ours until :func:`release`.

    Attributes:
        pin: The version that we wrote; ``None`` where the store has no pins.
        new: There was no claim before: nobody of us was ever at this run.
    """

    place: Place
    claim: Claim
    pin: str | None
    new: bool


def take(place: Place, run: Run, me: ProcessIdentity) -> HeldClaim:
    """Claim the run whose output URL is ``place``.

    A released claim, and one whose owner was a process of this host that is gone, is taken over by
    compare-and-set; a damaged one (a power cut: claims are not synced) too.

    Raises:
        BusyError: somebody else is at it.
        StorageError: the store can not be written.
    """
    claim = Claim(nonce=secrets.token_hex(16), state="held", since_at=time.time(), **dataclasses.asdict(me))
    body = records.encode(claim)
    new = True
    for _ in range(TRIES):
        info = _create(place, body)
        if info is not None:
            return HeldClaim(place=place, claim=claim, pin=info.pin, new=new)
        found = _look(place)
        if found is None:
            continue  # gone between two looks
        other, pin = found
        if other is not None and other.nonce == claim.nonce:  # our write went through, its reply was lost
            return HeldClaim(place=place, claim=claim, pin=pin, new=new)
        new = False
        if other is not None and other.state == "held" and not is_gone(owner_of(other), me):
            raise _busy(place, run, other)
        try:
            info = _replace(place, body, pin, Watch())
        except (PreconditionFailedError, ObjectNotFoundError):
            continue  # somebody was faster
        return HeldClaim(place=place, claim=claim, pin=info.pin, new=False)
    raise BusyError(f"run {run.run_id}: its claim at {place.url} changes hands all the time")


def release(held: HeldClaim, watch: Watch) -> None:
    """Say in the store that nobody is at the run any more; a claim that is no longer ours is left alone.

    Raises:
        CancelledTransferError: the watch was cancelled.
        StorageError: the store can not be written.
    """
    body = records.encode(dataclasses.replace(held.claim, state="released"))
    try:
        _replace(held.place, body, held.pin, watch)
    except (PreconditionFailedError, ObjectNotFoundError):
        return


def read_claim(place: Place) -> Claim | None:
    """Return the claim of a run, or ``None`` when there is none or it is damaged."""
    found = _look(place)
    return found[0] if found else None


def is_held(claim: Claim) -> bool:
    """Whether somebody is at the run: not where the claim is released, or of a process of this host that is gone."""
    return claim.state == "held" and not is_gone(owner_of(claim), this_process())


def owner_of(claim: Claim) -> ProcessIdentity:
    """Return who made a claim."""
    return ProcessIdentity(
        host=claim.host,
        boot_id=claim.boot_id,
        pid_namespace=claim.pid_namespace,
        pid=claim.pid,
        pid_started=claim.pid_started,
    )


def _create(place: Place, body: bytes) -> ObjectInfo | None:
    """Create the claim; ``None``: there is one already."""
    storage, key = place.storage, place.at(records.CLAIM)
    if not storage.capabilities.create_only and storage.find(key) is not None:
        return None
    try:
        return storage.push(body, key, create_only=storage.capabilities.create_only, durable=False, watch=Watch())
    except ObjectExistsError:
        return None


def _look(place: Place) -> tuple[Claim | None, str | None] | None:
    """Return claim (``None``: damaged) and pin of one version, or ``None`` when there is no claim."""
    storage, key = place.storage, place.at(records.CLAIM)
    try:
        pin = storage.stat(key).pin
        body = storage.read(key, pin=pin if storage.capabilities.pinned_reads else None)
        return records.decode(Claim, body, place, records.CLAIM), pin
    except ObjectNotFoundError:
        return None
    except StateError as error:
        if error.__cause__ is not None:  # not JSON, or no claim; a newer schema has no cause
            return None, pin
        raise


def _replace(place: Place, body: bytes, pin: str | None, watch: Watch) -> ObjectInfo:
    storage = place.storage
    replacing = pin if storage.capabilities.compare_and_set else None
    return storage.push(body, place.at(records.CLAIM), replacing=replacing, durable=False, watch=watch)


def _busy(place: Place, run: Run, other: Claim) -> BusyError:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(other.since_at))
    url = place.storage.url_of(place.at(records.CLAIM))
    return BusyError(
        f"run {run.run_id} is held by process {other.pid} on {other.host} since {since} ({url})",
        hint="wait for it; if that machine is gone for good, delete that object and run again",
    )
