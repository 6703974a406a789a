"""``file://``: a fetch or a read is of one version, whole, or fails."""

import os
from pathlib import Path

import pytest
from on_disk import MIB, CancelAfter, key, names

from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch
from anystore_doe.errors import (
    CancelledTransferError,
    InputChangedError,
    LocalResourceError,
)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, 5, b"34"),
        (-4, None, b"6789"),
        (-40, 2, b"01"),
        (8, 99, b"89"),
        (5, 5, b""),
        (99, None, b""),
        (6, 2, b""),
    ],
)
def test_ranges(storage: FileStorage, tmp_path: Path, start: int, end: int | None, expected: bytes) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert storage.read(key(tmp_path / "x"), start, end) == expected


@pytest.mark.parametrize("in_kernel", [True, False])
def test_fetch_copies_and_reports_all_bytes(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_kernel: bool
) -> None:
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    data = os.urandom(2 * MIB + 7)
    (tmp_path / "x").write_bytes(data)
    seen: list[int] = []
    info = storage.fetch(key(tmp_path / "x"), tmp_path / "dest", watch=Watch(seen.append))
    assert (tmp_path / "dest").read_bytes() == data
    assert sum(seen) == info.size == len(data)
    assert max(seen) <= MIB
    assert names(tmp_path) == ["dest", "x"]


def test_a_copy_that_the_kernel_breaks_off_is_completed(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    real = os.copy_file_range

    def broken(source: int, dest: int, count: int, at: int, to: int) -> int:
        if at:
            raise OSError(18, "Invalid cross-device link")
        return real(source, dest, count, at, to)

    monkeypatch.setattr(os, "copy_file_range", broken)
    data = os.urandom(3 * MIB)
    (tmp_path / "x").write_bytes(data)
    storage.fetch(key(tmp_path / "x"), tmp_path / "dest", watch=watch)
    assert (tmp_path / "dest").read_bytes() == data


def test_fetch_follows_a_link_that_the_user_named(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "x").write_bytes(b"data")
    (tmp_path / "link").symlink_to("x")
    assert storage.fetch(key(tmp_path / "link"), tmp_path / "dest", watch=watch).size == 4
    assert (tmp_path / "dest").read_bytes() == b"data"


def test_fetch_of_another_version_names_both(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    target = key(tmp_path / "x")
    old = storage.push(b"old", target, watch=watch)
    new = storage.push(b"new", target, watch=watch)
    (tmp_path / "dest").write_bytes(b"kept")
    for call in (
        lambda: storage.fetch(target, tmp_path / "dest", pin=old.pin, watch=watch),
        lambda: storage.read(target, pin=old.pin),
    ):
        with pytest.raises(InputChangedError) as caught:
            call()
        assert str(old.pin) in str(caught.value)
        assert str(new.pin) in str(caught.value)
    assert (tmp_path / "dest").read_bytes() == b"kept"


@pytest.mark.parametrize("how", ["append", "truncate", "overwrite", "replace"])
def test_an_object_that_changes_while_it_is_fetched_is_not_taken(
    storage: FileStorage, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * (3 * MIB))

    def change(n: int) -> None:
        if how == "append":
            os.truncate(path, 5 * MIB)
        elif how == "truncate":
            os.truncate(path, MIB)
        elif how == "overwrite":
            fd = os.open(path, os.O_WRONLY)
            os.pwrite(fd, b"y", 0)
            os.utime(fd)
            os.close(fd)
        else:
            (tmp_path / "y").write_bytes(b"y" * (3 * MIB))
            (tmp_path / "y").replace(path)

    with pytest.raises(InputChangedError):
        storage.fetch(key(path), tmp_path / "dest", watch=Watch(change))
    assert names(tmp_path) == ["x"]


def test_a_cancelled_fetch_leaves_nothing(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * (4 * MIB))
    with pytest.raises(CancelledTransferError):
        storage.fetch(key(tmp_path / "x"), tmp_path / "dest", watch=CancelAfter(2 * MIB))
    assert names(tmp_path) == ["x"]


def test_a_dest_that_can_not_be_written_is_a_local_error(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(LocalResourceError, match="can not write"):
        storage.fetch(key(tmp_path / "x"), tmp_path / "no/such/dest", watch=watch)
