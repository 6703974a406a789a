"""``file://``: a push is there whole, synced and only of what was asked for, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from on_disk import MIB, CancelAfter, key, names

from anystore_doe.builtin.file import FileOptions, content
from anystore_doe.builtin.file import storage as storage_module
from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    CancelledTransferError,
    IntegrityError,
    LocalResourceError,
    ObjectExistsError,
    StorageError,
)


def test_push_and_read_back(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * MIB + 5))
    target = key(tmp_path / "new/folders/object")
    info = storage.push(source, target, watch=watch)
    assert info == storage.stat(target)
    assert info.size == 3 * MIB + 5
    assert storage.read(target, pin=info.pin) == source.read_bytes()
    assert names(tmp_path / "new/folders") == ["object"]


def test_a_push_over_a_dangling_link_replaces_the_link(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ObjectExistsError):
        storage.push(b"1", key(tmp_path / "x"), create_only=True, watch=watch)
    storage.push(b"1", key(tmp_path / "x"), watch=watch)
    assert names(tmp_path) == ["x"]
    assert not (tmp_path / "x").is_symlink()


def test_a_push_onto_a_folder_fails(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError):
        storage.push(b"1", key(tmp_path / "x"), watch=watch)
    assert names(tmp_path) == ["x"]


def test_a_link_is_not_pushed(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError, match="link"):
        storage.push(tmp_path / "link", key(tmp_path / "out"), watch=watch)
    assert names(tmp_path) == ["link", "secret"]


def test_a_source_that_changes_while_it_is_read_is_not_pushed(storage: FileStorage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 * MIB))

    def grow(n: int) -> None:
        with source.open("ab") as file:
            file.write(b"more")

    with pytest.raises(IntegrityError, match="changed"):
        storage.push(source, key(tmp_path / "out"), watch=Watch(grow))
    assert names(tmp_path) == ["source"]


def test_a_cancelled_push_leaves_what_was_there(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * (4 * MIB))
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(CancelledTransferError):
        storage.push(tmp_path / "source", key(tmp_path / "out"), watch=CancelAfter(2 * MIB))
    assert (tmp_path / "out").read_bytes() == b"old"
    assert names(tmp_path) == ["out", "source"]


@pytest.mark.parametrize("number", [28, 122, 24])
def test_a_full_machine_is_a_local_error(
    storage: FileStorage, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(fd: int, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(content, "write_all", full)
    with pytest.raises(LocalResourceError):
        storage.push(b"x", key(tmp_path / "x"), watch=watch)
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_access_denied(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(AccessDeniedError) as caught:
            storage.push(b"x", key(tmp_path / "x"), watch=watch)
        assert caught.value.hint.startswith("ls -ld ")
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_file_system_is_access_denied(
    storage: FileStorage, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: str, *, unnamed: bool) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(storage_module, "NewFile", read_only)
    with pytest.raises(AccessDeniedError):
        storage.push(b"x", key(tmp_path / "x"), watch=watch)


@pytest.mark.parametrize(("options", "durable"), [("full", True), ("full", False), ("none", True)])
def test_what_is_synced(
    tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, options: str, durable: bool
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        name = str(Path(f"/proc/self/fd/{fd}").readlink())
        synced.append("file" if Path(name).is_file() or "deleted" in name else name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    storage = FileStorage(FileOptions(durability=options))
    for name in ("s1", "s2", "s3"):
        (tmp_path / name).write_bytes(b"")
    items = [
        (tmp_path / "s1", key(tmp_path / "o/a/1")),
        (tmp_path / "s2", key(tmp_path / "o/a/2")),
        (tmp_path / "s3", key(tmp_path / "o/3")),
    ]
    storage.push_many(items, create_only=True, durable=durable, watch=watch)
    if options == "none" or not durable:
        assert synced == []
        return
    assert synced.count("file") == 3
    for folder in (tmp_path / "o/a", tmp_path / "o", tmp_path):
        assert synced.count(str(folder)) == 1
    synced.clear()
    storage.push(b"commit", key(tmp_path / "o/4"), create_only=True, watch=watch)
    assert synced == ["file", str(tmp_path / "o")]


def test_a_killed_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    """With unnamed files there is nothing to leave: the file has no name until it is whole."""
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no unnamed files")
    code = (
        "import os, sys; from anystore_doe.builtin.disk import whole_file; "
        "part = whole_file.NewFile(sys.argv[1], unnamed=True); whole_file.write_all(part.fd, b'half'); "
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False).returncode == -9
    assert names(tmp_path) == []
