"""What is under an output URL already: commit, attempt records, their files - and what is not ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.contract.storage import Watch
from anystore_doe.engine import records
from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    ObjectNotFoundError,
    StateError,
    StorageError,
    UnsupportedError,
)
from anystore_doe.model import OUR_FOLDER, AttemptRecord, Commit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract.storage import Place

FOREIGN_SHOWN = 3
"""How many foreign objects a refusal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What earlier attempts left under an output URL.

    Attributes:
        attempts: Highest attempt number, 0 when there was none.
        last: Record of that attempt.
        ours: Paths that attempt records list: outputs of earlier attempts. Where an attempt did not get to its
            end, an object of another size than it recorded is not what it pushed, and not among them.
        present: Every path under the output URL when it was listed, ours and foreign; empty where the store
            can not list.
    """

    attempts: int = 0
    last: AttemptRecord | None = None
    ours: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()

    @property
    def foreign(self) -> list[str]:
        """Paths that no record of ours explains, sorted; a zero-byte ``prefix/`` marker is not foreign."""
        return sorted(p for p in self.present - self.ours if not p.startswith(f"{OUR_FOLDER}/") and p)

    @property
    def leftovers(self) -> list[str]:
        """Paths that earlier attempts pushed and that are still there, sorted."""
        return sorted(self.present & self.ours)


def read_commit(place: Place) -> Commit | None:
    """Return the commit of the run whose output URL is ``place``, or ``None``.

    Raises:
        StateError: it is damaged, or of a newer schema.
    """
    try:
        body = place.storage.read(place.at(records.COMMIT))
    except ObjectNotFoundError:
        return None
    return records.decode(Commit, body, place, records.COMMIT)


def read_attempt(place: Place, number: int) -> AttemptRecord | None:
    """Return one attempt's record, or ``None`` when there is none or it is damaged (records are not synced)."""
    path = records.attempt_path(number)
    try:
        return records.decode(AttemptRecord, place.storage.read(place.at(path)), place, path)
    except ObjectNotFoundError:
        return None
    except StateError as error:
        if error.__cause__ is not None:
            return None
        raise


def read_history(place: Place) -> History:
    """List what is under an output URL and read all attempt records there.

    A store that can not list has no history: what an object there is can not be told.
    """
    if not place.storage.capabilities.list:
        return _blind_history(place)
    skip = len(place.key) + 1 if place.key else 0
    present = {info.key[skip:]: info.size for info in place.storage.walk(place.key)}
    numbers = sorted(n for n in map(records.attempt_number, present) if n is not None)
    attempts = [record for n in numbers if (record := read_attempt(place, n)) is not None]
    return History(
        attempts=numbers[-1] if numbers else 0,
        last=attempts[-1] if attempts else None,
        ours=frozenset(
            f.path
            for record in attempts
            for f in record.files
            if record.state == "done" or present.get(f.path, f.size) == f.size
        ),
        present=frozenset(p for p in present if p and not p.endswith("/")),
    )


def last_attempt(place: Place) -> tuple[int, AttemptRecord | None]:
    """Return number and record of the newest attempt, ``(0, None)`` when there was none."""
    if not place.storage.capabilities.list:
        blind = _blind_history(place)
        return blind.attempts, blind.last
    folder = place.at(records.ATTEMPTS)
    skip = len(folder) - len(records.ATTEMPTS)
    names = (info.key[skip:] for info in place.storage.walk(folder))
    number = max((n for n in map(records.attempt_number, names) if n is not None), default=0)
    return number, read_attempt(place, number) if number else None


def remove(place: Place, paths: Iterable[str]) -> tuple[str, ...]:
    """Delete what earlier attempts left; return the paths that this store, or our rights, do not let us delete."""
    doomed = list(paths)
    if not doomed:
        return ()
    try:
        place.storage.delete([place.at(path) for path in doomed])
    except (AccessDeniedError, UnsupportedError):
        there = {info.key for info in place.storage.walk(place.key)}
        return tuple(path for path in doomed if place.at(path) in there)
    return ()


def write_commit(place: Place, commit: Commit, *, durable: bool) -> None:
    """Write the commit, create-only: a run is done from here on.

    Raises:
        ObjectExistsError: the run was committed by somebody else (a lost reply to our own write is recognised
            by the nonce and is no error).
    """
    storage, key = place.storage, place.at(records.COMMIT)
    only = storage.capabilities.create_only
    try:
        storage.push(records.encode(commit), key, create_only=only, durable=durable, watch=Watch())
    except StorageError:  # "exists", or no answer: it may be there all the same
        if not _is_there(place, commit):
            raise


def _is_there(place: Place, commit: Commit) -> bool:
    try:
        there = read_commit(place)
    except AnystoreDoeError:
        return False
    return there is not None and there.nonce == commit.nonce


def write_attempt(place: Place, record: AttemptRecord, *, first: bool) -> None:
    """Write an attempt's record; the ``first`` time create-only, so that two attempts never share a number.

    Raises:
        ObjectExistsError: there is a record of another attempt with this number.
    """
    storage = place.storage
    path = records.attempt_path(record.attempt)
    only = first and storage.capabilities.create_only
    try:
        storage.push(records.encode(record), place.at(path), create_only=only, durable=False, watch=Watch())
    except FileExistsError:
        there = read_attempt(place, record.attempt)
        if there is None or there.nonce != record.nonce:
            raise
        if there != record:  # an earlier write of ours went through, and its reply was lost
            storage.push(records.encode(record), place.at(path), durable=False, watch=Watch())


def foreign_words(foreign: list[str]) -> str:
    """Return the refusal's words for foreign objects: how many, and the first few."""
    shown = ", ".join(foreign[:FOREIGN_SHOWN]) + (", ..." if len(foreign) > FOREIGN_SHOWN else "")
    return f"its output URL holds {len(foreign)} object(s) that are not ours: {shown}"


def _blind_history(place: Place) -> History:
    """Find the attempts of a store that can not list, by asking for one number after the other."""
    number, last = 0, None
    while (record := read_attempt(place, number + 1)) is not None:
        number, last = number + 1, record
    return History(attempts=number, last=last, ours=frozenset(f.path for f in last.files) if last else frozenset())
