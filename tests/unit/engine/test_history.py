"""What earlier attempts left under an output URL."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.file import anystore_doe_storages
from anystore_doe.contract import Capabilities, Place, StorageContext, Watch
from anystore_doe.engine import history, records
from anystore_doe.errors import ObjectExistsError, StateError
from anystore_doe.model import AttemptRecord, Commit, FileRecord

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (entry,) = anystore_doe_storages()
    root, key = entry.split(str(tmp_path / "out"))
    return Place(storage=entry.open(root, entry.options(), StorageContext(logger=logging.getLogger("test"))), key=key)


def record(number: int, *paths: str, nonce: str = "n") -> AttemptRecord:
    files = tuple(FileRecord(path=path, size=1, checksum="sha256:0") for path in paths)
    return AttemptRecord(
        run_id="1", attempt=number, nonce=nonce, state="pushing", host="h", started_at=0.0, files=files
    )


def commit(nonce: str = "n") -> Commit:
    return Commit(
        run_id="1",
        nonce=nonce,
        attempt=1,
        fingerprint="f",
        values={},
        inputs=(),
        record_digest="",
        files=0,
        bytes_in=0,
        bytes_out=0,
        exit_code=0,
        committed_at=0.0,
    )


def put(place: Place, path: str, body: bytes = b"x") -> None:
    place.storage.push(body, place.at(path), watch=Watch())


def test_nothing_there_is_no_history(place: Place) -> None:
    past = history.read_history(place)
    assert (past.attempts, past.last, past.foreign, past.leftovers) == (0, None, [], [])
    assert history.last_attempt(place) == (0, None)
    assert history.read_commit(place) is None


def test_leftovers_are_told_from_foreign_objects_by_the_records(place: Place) -> None:
    history.write_attempt(place, record(1, "a.out", "never-pushed.out"), first=True)
    history.write_attempt(place, record(2, "b.out"), first=True)
    for path in ("a.out", "b.out", "mine.txt", "_anystore/attempts/1.stdout.log"):
        put(place, path)
    past = history.read_history(place)
    assert past.attempts == 2
    assert past.leftovers == ["a.out", "b.out"]
    assert past.foreign == ["mine.txt"]
    assert history.last_attempt(place)[0] == 2


def test_a_damaged_record_counts_as_an_attempt_and_explains_nothing(place: Place) -> None:
    put(place, records.attempt_path(3), b"\0" * 20)
    put(place, "a.out")
    past = history.read_history(place)
    assert (past.attempts, past.foreign) == (3, ["a.out"])


def test_two_attempts_never_share_a_number(place: Place) -> None:
    history.write_attempt(place, record(1, nonce="mine"), first=True)
    history.write_attempt(place, record(1, nonce="mine"), first=True)  # its reply was lost
    with pytest.raises(ObjectExistsError):
        history.write_attempt(place, record(1, nonce="another"), first=True)


def test_a_commit_is_written_once(place: Place) -> None:
    history.write_commit(place, commit("mine"), durable=True)
    history.write_commit(place, commit("mine"), durable=True)  # its reply was lost
    with pytest.raises(ObjectExistsError):
        history.write_commit(place, commit("another"), durable=True)
    found = history.read_commit(place)
    assert found is not None
    assert found.nonce == "mine"


def test_a_damaged_commit_is_never_taken_for_none(place: Place) -> None:
    put(place, records.COMMIT, b"{")
    with pytest.raises(StateError, match="is damaged"):
        history.read_commit(place)


def test_removal_returns_what_may_not_be_deleted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place, "a.out")
    assert history.remove(place, ["a.out", "gone.out"]) == ()
    put(place, "a.out")
    denied = Place(storage=place.storage, key=place.key)
    monkeypatch.setattr(type(place.storage), "delete", refuse)
    assert history.remove(denied, ["a.out", "gone.out"]) == ("a.out",)


def refuse(self: object, keys: list[str]) -> None:
    from anystore_doe.errors import AccessDeniedError

    raise AccessDeniedError("delete", keys[0])


def test_attempts_are_found_on_a_store_that_can_not_list(place: Place) -> None:
    history.write_attempt(place, record(1), first=True)
    history.write_attempt(place, record(2, "a.out"), first=True)
    place.storage.capabilities = Capabilities(write=True, ranges=True)
    assert history.last_attempt(place)[0] == 2
    assert history.read_history(place).ours == {"a.out"}


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("_anystore/attempts/12.json", 12),
        ("_anystore/attempts/12.stdout.log", None),
        ("_anystore/attempts/x.json", None),
        ("_anystore/commit.json", None),
        ("attempts/1.json", None),
    ],
)
def test_only_records_have_numbers(path: str, number: int | None) -> None:
    assert records.attempt_number(path) == number
