"""Claims, on files."""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.file import anystore_doe_storages
from anystore_doe.contract import Place, StorageContext, Watch
from anystore_doe.engine import claim, records
from anystore_doe.errors import BusyError, StateError
from anystore_doe.model import Run
from anystore_doe.processes import this_process

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.processes import ProcessIdentity


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (entry,) = anystore_doe_storages()
    root, key = entry.split(str(tmp_path / "out"))
    return Place(storage=entry.open(root, entry.options(), StorageContext(logger=logging.getLogger("test"))), key=key)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(run_id="0001", row=1, line=2, values={}, inputs=(), output=str(tmp_path / "out"))


@pytest.fixture
def me() -> ProcessIdentity:
    return this_process()


def put(place: Place, body: bytes) -> None:
    place.storage.push(body, place.at(records.CLAIM), watch=Watch())


def test_a_first_claim_is_new_and_says_who(place: Place, run: Run, me: ProcessIdentity) -> None:
    held = claim.take(place, run, me)
    there = claim.read_claim(place)
    assert held.new
    assert there == held.claim
    assert there is not None
    assert (there.pid, there.pid_started, there.state) == (me.pid, me.pid_started, "held")


def test_a_held_claim_names_its_owner_to_the_second(place: Place, run: Run, me: ProcessIdentity) -> None:
    claim.take(place, run, me)
    with pytest.raises(BusyError, match=rf"run 0001 is held by process {me.pid} on {me.host} since 20") as caught:
        claim.take(place, run, me)
    assert caught.value.exit_code == 7
    assert "claim.json" in caught.value.message


def test_a_released_claim_is_taken_and_is_not_new(place: Place, run: Run, me: ProcessIdentity) -> None:
    first = claim.take(place, run, me)
    claim.release(first, Watch())
    second = claim.take(place, run, me)
    assert not second.new
    assert second.claim.nonce != first.claim.nonce


def test_a_claim_of_a_process_that_is_gone_is_taken_over_at_once(place: Place, run: Run, me: ProcessIdentity) -> None:
    claim.take(place, run, dataclasses.replace(me, pid_started=me.pid_started - 1))
    assert claim.take(place, run, me).claim.pid_started == me.pid_started


@pytest.mark.parametrize("field", ["boot_id", "pid_namespace"])
def test_a_claim_from_elsewhere_is_never_taken_for_gone(
    place: Place, run: Run, me: ProcessIdentity, field: str
) -> None:
    elsewhere = dataclasses.replace(me, pid_started=1, **{field: "another"})
    claim.take(place, run, elsewhere)
    with pytest.raises(BusyError):
        claim.take(place, run, me)


@pytest.mark.parametrize("body", [b"", b"\0" * 50, b'{"nonce": 5}', b"[1]"])
def test_a_damaged_claim_is_replaced(place: Place, run: Run, me: ProcessIdentity, body: bytes) -> None:
    put(place, body)
    assert not claim.take(place, run, me).new


def test_a_claim_of_a_newer_schema_is_not_touched(place: Place, run: Run, me: ProcessIdentity) -> None:
    put(place, b'{"schema": 99, "whatever": 1}')
    with pytest.raises(StateError, match="schema 99"):
        claim.take(place, run, me)


def test_a_claim_that_was_taken_over_is_not_released_by_its_old_owner(
    place: Place, run: Run, me: ProcessIdentity
) -> None:
    old = claim.take(place, run, dataclasses.replace(me, pid_started=me.pid_started - 1))
    new = claim.take(place, run, me)
    claim.release(old, Watch())
    there = claim.read_claim(place)
    assert there == new.claim


def test_of_twenty_that_claim_at_once_one_wins(place: Place, run: Run, me: ProcessIdentity) -> None:
    def attempt(_: int) -> bool:
        try:
            claim.take(place, run, me)
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1
