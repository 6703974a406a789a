"""``file://``: object semantics on files."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.builtin.disk import whole_file
from anystore_doe.builtin.file import FileOptions, anystore_doe_storages, content, lock, split
from anystore_doe.builtin.file import storage as storage_module
from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    CancelledTransferError,
    DefinitionError,
    InputChangedError,
    IntegrityError,
    LocalResourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    UnsupportedError,
)

MIB = 2**20


@pytest.fixture(params=["unnamed", "named"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FileStorage:
    """Both ways of writing: with unnamed files, and where a file system has none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return FileStorage()


@pytest.fixture
def watch() -> Watch:
    return Watch()


def key(path: Path) -> str:
    return str(path)[1:]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class CancelAfter(Watch):
    """A watch that is cancelled once ``limit`` bytes went by."""

    def __init__(self, limit: int) -> None:
        super().__init__(self._seen)
        self.limit = limit
        self.sum = 0

    def _seen(self, n: int) -> None:
        self.sum += n
        if self.sum >= self.limit:
            self.cancel()


@pytest.mark.parametrize("url", ["file:///a/b c", "/a/b c", "file://localhost/a/b c", "/a//x/../b c/", "//a/b c"])
def test_split_gives_the_absolute_path_as_key(url: str) -> None:
    assert split(url) == ("file://", "a/b c")


def test_split_starts_a_relative_path_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split("data/case.zip") == ("file://", key(tmp_path / "data/case.zip"))
    assert split("../x") == ("file://", key(tmp_path.parent / "x"))


def test_split_is_literal() -> None:
    assert split("/a/%20?x=1#y*") == ("file://", "a/%20?x=1#y*")


def test_split_refuses_a_host_with_a_hint() -> None:
    with pytest.raises(StorageError, match="no host") as caught:
        split("file://server/share/x")
    assert "file:///server/share/x" in caught.value.hint


def test_the_url_of_a_key_is_the_whole_url(storage: FileStorage) -> None:
    assert storage.url_of("a/b") == "file:///a/b"


def test_the_hook_offers_file() -> None:
    (entry,) = anystore_doe_storages()
    assert entry.schemes == ("file",)
    assert entry.options is FileOptions
    assert isinstance(entry.open(None, FileOptions(), None), FileStorage)


def test_nonsense_as_durability_is_refused() -> None:
    with pytest.raises(DefinitionError, match="durability"):
        FileOptions(durability="maybe")


@pytest.mark.parametrize("bad", ["a/../b", "a/./b", "a//b", "/a", "../a", "a\0b", "a/\udcff\ud800"])
def test_keys_that_are_no_plain_path_are_refused(storage: FileStorage, bad: str, watch: Watch) -> None:
    for call in (
        storage.stat,
        storage.read,
        lambda k: storage.push(b"", k, watch=watch),
        lambda k: storage.delete([k]),
    ):
        with pytest.raises(StorageError):
            call(bad)


@pytest.mark.parametrize("what", ["missing", "folder", "folder/", "fifo", "file/below"])
def test_what_is_no_file_is_no_object(storage: FileStorage, tmp_path: Path, watch: Watch, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    target = f"{key(tmp_path)}/{what}"
    for call in (storage.stat, storage.read, lambda k: storage.fetch(k, tmp_path / "dest", watch=watch)):
        with pytest.raises(ObjectNotFoundError):
            call(target)
    assert storage.find(target) is None
    assert names(tmp_path) == ["fifo", "file", "folder"]


def test_push_and_read_back(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * MIB + 5))
    target = key(tmp_path / "new/folders/object")
    info = storage.push(source, target, watch=watch)
    assert info == storage.stat(target)
    assert info.size == 3 * MIB + 5
    assert storage.read(target, pin=info.pin) == source.read_bytes()
    assert names(tmp_path / "new/folders") == ["object"]


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


def test_walk_yields_regular_files_below_the_prefix(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    for name in ("a", "b/c", "b/d/e"):
        storage.push(name.encode(), key(tmp_path / "tree" / name), watch=watch)
    (tmp_path / "tree-2").mkdir()
    (tmp_path / "tree-2/no").write_bytes(b"")
    (tmp_path / "tree/empty").mkdir()
    (tmp_path / "tree/link").symlink_to("a")
    (tmp_path / "tree/loop").symlink_to(tmp_path)
    (tmp_path / "tree/.anystore-0123.part").write_bytes(b"left behind by a killed writer")
    os.mkfifo(tmp_path / "tree/fifo")
    found = sorted(storage.walk(key(tmp_path / "tree")), key=lambda info: info.key)
    root = key(tmp_path / "tree")
    assert [info.key for info in found] == [f"{root}/a", f"{root}/b/c", f"{root}/b/d/e"]
    assert [storage.stat(info.key) for info in found] == found


@pytest.mark.parametrize("prefix", ["missing", "file", "file/below"])
def test_walk_of_what_is_no_folder_yields_nothing(storage: FileStorage, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert list(storage.walk(f"{key(tmp_path)}/{prefix}")) == []


def test_a_file_name_that_is_not_utf8_is_named_as_such(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(StorageError, match=r"not valid UTF-8") as caught:
        list(storage.walk(key(tmp_path)))
    str(caught.value).encode()


def test_names_of_incomplete_files_are_kept_for_them(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    with pytest.raises(StorageError, match="kept"):
        storage.push(b"", key(tmp_path / whole_file.temporary_name()), watch=watch)


def test_delete_removes_files_and_nothing_else(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    storage.push(b"", key(tmp_path / "d/x"), watch=watch)
    (tmp_path / "link").symlink_to("d")
    storage.delete([key(tmp_path / name) for name in ("d/x", "d/x", "missing", "d", "link", "d/x/y")])
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == []


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


@given(st.text(max_size=60))
def test_any_key_gives_a_typed_error_or_stays_below_the_root(text: str) -> None:
    storage = FileStorage()
    try:
        assert storage.find(f"nonexistent-folder/{text}") is None
    except StorageError:
        pass
