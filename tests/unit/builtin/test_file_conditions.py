"""``file://``: of many that write at once, create-only and replacing let one win."""

import threading
from pathlib import Path

import pytest
from on_disk import key, names

from anystore_doe.builtin.file import lock
from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch
from anystore_doe.errors import (
    InputChangedError,
    ObjectExistsError,
    PreconditionFailedError,
    StorageError,
    UnsupportedError,
)


def test_create_only_keeps_what_is_there(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    target = tmp_path / "x"
    storage.push(b"first", key(target), create_only=True, watch=watch)
    with pytest.raises(ObjectExistsError):
        storage.push(b"second", key(target), create_only=True, watch=watch)
    assert target.read_bytes() == b"first"
    assert names(tmp_path) == ["x"]


def test_one_of_many_creators_wins(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def create(i: int) -> None:
        start.wait()
        try:
            storage.push(b"%d" % i, key(tmp_path / "d/x"), create_only=True, durable=False, watch=watch)
        except ObjectExistsError:
            return
        won.append(i)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "d/x").read_bytes() == b"%d" % won[0]
    assert names(tmp_path / "d") == ["x"]


def test_replacing_takes_only_the_pinned_version(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    target = key(tmp_path / "x")
    one = storage.push(b"1", target, watch=watch)
    two = storage.push(b"2", target, replacing=one.pin, watch=watch)
    with pytest.raises(PreconditionFailedError, match=str(one.pin)):
        storage.push(b"3", target, replacing=one.pin, watch=watch)
    assert storage.read(target, pin=two.pin) == b"2"
    storage.delete([target])
    with pytest.raises(PreconditionFailedError):
        storage.push(b"3", target, replacing=two.pin, watch=watch)
    assert names(tmp_path) == []


def test_pins_of_versions_written_in_a_row_all_differ(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    target = key(tmp_path / "x")
    pins = [storage.push(b"same size", target, durable=False, watch=watch).pin for _ in range(200)]
    assert len(set(pins)) == 200


def test_concurrent_counters_lose_no_step(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    target = key(tmp_path / "x")
    storage.push(b"000000", target, watch=watch)

    def count() -> None:
        done = 0
        while done < 50:
            pin = storage.stat(target).pin
            try:
                value = int(storage.read(target, pin=pin))
                storage.push(b"%06d" % (value + 1), target, replacing=pin, durable=False, watch=watch)
            except (PreconditionFailedError, InputChangedError):
                continue
            done += 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.read(target) == b"000200"
    assert names(tmp_path) == ["x"]


def test_without_flock_replacing_is_unsupported_and_the_rest_works(
    storage: FileStorage, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    target = key(tmp_path / "x")
    pin = storage.push(b"1", target, watch=watch).pin
    storage.push(b"2", target, watch=watch)
    with pytest.raises(UnsupportedError, match="flock"):
        storage.push(b"3", target, replacing=storage.stat(target).pin, watch=watch)
    assert storage.read(target) == b"2"
    assert storage.stat(target).pin != pin
    storage.delete([target])
    assert names(tmp_path) == []


def test_a_lock_that_is_never_given_back_is_an_error(
    storage: FileStorage, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.0)
    target = key(tmp_path / "x")
    storage.push(b"1", target, watch=watch)
    with lock.held("/" + target), pytest.raises(StorageError, match="lock") as caught:
        storage.push(b"2", target, watch=watch)
    assert caught.value.retryable
    assert storage.read(target) == b"1"
