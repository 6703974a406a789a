"""What all archive formats share: packing, unpacking, moving into a folder, limits, cancelling."""

import contextlib
import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.builtin import tar
from anystore_doe.builtin import zip as zip_room
from anystore_doe.builtin.archiving import unpacking
from anystore_doe.builtin.archiving.member_paths import Listing
from anystore_doe.contract import Archive, ArchiveEntry, Limits, Watch
from anystore_doe.errors import ArchiveError, CancelledTransferError, LocalResourceError

LIMITS = Limits(keep_free_bytes=0)
ENTRIES = [*zip_room.anystore_doe_archives(), *tar.anystore_doe_archives()]


@pytest.fixture(params=ENTRIES, ids=[entry.suffixes[0] for entry in ENTRIES])
def entry(request: pytest.FixtureRequest) -> ArchiveEntry:
    return request.param


@pytest.fixture
def archive(entry: ArchiveEntry) -> Archive:
    return entry.open()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    files = {
        "a.txt": b"a" * 5000,
        "empty": b"",
        "d/e/f": random.Random(1).randbytes(300_000),
        "é ü/ß": b"x",
        "d/g": b"g",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_what_is_packed_comes_out_again(archive: Archive, entry: ArchiveEntry, source: Path, tmp_path: Path) -> None:
    file = tmp_path / "x"
    archive.pack(source, file)
    seen: list[int] = []
    folder = target(tmp_path)
    members = archive.unpack(file, folder, LIMITS, watch=Watch(seen.append))
    assert content(folder) == content(source)
    assert members == archive.members(file, LIMITS)
    assert [m.path for m in members] == sorted(content(source))
    assert {m.path for m in members if m.executable} == {"run.sh"}
    assert os.access(folder / "run.sh", os.X_OK)
    assert not os.access(folder / "a.txt", os.X_OK) or not (folder / "a.txt").stat().st_mode & stat.S_IXUSR
    assert sum(seen) == sum(m.size for m in members)
    head = file.read_bytes()[:1000]
    assert any(head[at : at + len(magic)] == magic for at, magic in entry.magic)


def test_packing_twice_gives_the_same_bytes(archive: Archive, source: Path, tmp_path: Path) -> None:
    archive.pack(source, tmp_path / "x")
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    archive.pack(source, tmp_path / "y")
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_links_devices_and_the_archive_itself_are_not_packed(archive: Archive, source: Path, tmp_path: Path) -> None:
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder-link").symlink_to(tmp_path)
    os.mkfifo(source / "fifo")
    archive.pack(source, source / "itself")
    names = {m.path for m in archive.members(source / "itself", LIMITS)}
    assert names == {"a.txt", "empty", "d/e/f", "é ü/ß", "d/g", "run.sh"}


def test_packing_never_replaces_a_file(archive: Archive, source: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"kept")
    with pytest.raises(ArchiveError) as caught:
        archive.pack(source, tmp_path / "x")
    assert caught.value.reason == "exists"
    assert (tmp_path / "x").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("name", "reason"), [("a\nb", "control-character"), ("a\\b", "backslash"), ("A.TXT", "collision")]
)
def test_what_could_not_be_unpacked_is_not_packed(
    archive: Archive, source: Path, tmp_path: Path, name: str, reason: str
) -> None:
    (source / name).write_bytes(b"")
    with pytest.raises(ArchiveError) as caught:
        archive.pack(source, tmp_path / "x")
    assert caught.value.reason == reason
    assert not (tmp_path / "x").exists()


def test_an_archive_goes_beside_what_is_there(archive: Archive, source: Path, tmp_path: Path) -> None:
    archive.pack(source, tmp_path / "x")
    folder = target(tmp_path)
    (folder / "d/e").mkdir(parents=True)
    (folder / "d/e/other").write_bytes(b"other")
    archive.unpack(tmp_path / "x", folder, LIMITS, watch=Watch())
    assert content(folder) == content(source) | {"d/e/other": b"other"}


@pytest.mark.parametrize("taken", ["a.txt", "d/e/f", "d", "a.txt/x", "d/g -> nowhere", "d -> ../elsewhere"])
def test_a_member_whose_place_is_taken_refuses_the_archive(
    archive: Archive, source: Path, tmp_path: Path, taken: str
) -> None:
    archive.pack(source, tmp_path / "x")
    folder = target(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    name, _, link = taken.partition(" -> ")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if link:
        (folder / name).symlink_to(link)
    else:
        (folder / name).write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArchiveError) as caught:
        archive.unpack(tmp_path / "x", folder, LIMITS, watch=Watch())
    assert caught.value.reason == "exists"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_is_taken_meanwhile_moves_everything_back(
    archive: Archive, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack(source, tmp_path / "x")
    folder = target(tmp_path)
    (folder / "d").mkdir()
    real = unpacking.Mover._move_file

    def late(mover: unpacking.Mover, name: str, here: int, there: int, prefix: str) -> None:
        if name == "run.sh":
            (folder / "run.sh").write_bytes(b"mine")
        real(mover, name, here, there, prefix)

    monkeypatch.setattr(unpacking.Mover, "_move_file", late)
    with pytest.raises(ArchiveError, match="meanwhile") as caught:
        archive.unpack(tmp_path / "x", folder, LIMITS, watch=Watch())
    assert caught.value.reason == "exists"
    assert content(folder) == {"run.sh": b"mine"}
    assert sorted(p.name for p in folder.iterdir()) == ["d", "run.sh"]


def test_file_systems_without_hard_links_work(
    archive: Archive, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack(source, tmp_path / "x")

    def link(*args: object, **more: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    folder = target(tmp_path)
    archive.unpack(tmp_path / "x", folder, LIMITS, watch=Watch())
    assert content(folder) == content(source)


def test_a_cancelled_unpack_leaves_nothing(archive: Archive, source: Path, tmp_path: Path) -> None:
    archive.pack(source, tmp_path / "x")
    folder = target(tmp_path)
    (folder / "kept").write_bytes(b"")
    watch = Watch(lambda n: watch.cancel() if n > 4000 else None)
    with pytest.raises(CancelledTransferError):
        archive.unpack(tmp_path / "x", folder, LIMITS, watch=watch)
    assert [p.name for p in folder.iterdir()] == ["kept"]


def test_a_disk_that_is_too_small_is_known_beforehand(archive: Archive, source: Path, tmp_path: Path) -> None:
    archive.pack(source, tmp_path / "x")
    folder = target(tmp_path)
    with pytest.raises(LocalResourceError, match=r"\d+ bytes are needed and \d+ are free") as caught:
        archive.unpack(tmp_path / "x", folder, Limits(keep_free_bytes=2**60), watch=Watch())
    assert "--scratch" in caught.value.hint
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(
    archive: Archive, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack(source, tmp_path / "x")

    def full(fd: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "write_all", full)
    folder = target(tmp_path)
    with pytest.raises(LocalResourceError, match="no space left"):
        archive.unpack(tmp_path / "x", folder, LIMITS, watch=Watch())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "reason"), [(Limits(entries=2), "too-many-entries"), (Limits(total_bytes=9), "too-large")]
)
def test_limits_hold(archive: Archive, source: Path, tmp_path: Path, limits: Limits, reason: str) -> None:
    archive.pack(source, tmp_path / "x")
    with pytest.raises(ArchiveError) as caught:
        archive.members(tmp_path / "x", limits)
    assert caught.value.reason == reason


def test_an_archive_that_is_not_there_is_a_local_error(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(LocalResourceError, match="read"):
        archive.members(tmp_path / "missing.zip", LIMITS)


def test_no_link_in_the_way_is_followed_while_writing(tmp_path: Path) -> None:
    """Even when somebody plants a link between two members."""
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    try:
        with unpacking.Tree(fd) as tree:
            tree.folder(["a", "b"])
            tree.folder([])
            (root / "a/b").rmdir()
            (root / "a/b").symlink_to(outside)
            with pytest.raises(OSError, match=r"directory|symbolic"):
                tree.folder(["a", "b"])
    finally:
        os.close(fd)


def test_memory_does_not_grow_with_a_member(archive: Archive, entry: ArchiveEntry, tmp_path: Path) -> None:
    """A member of 200 MB passes with less than 100 MB more memory."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/large").touch()
    os.truncate(tmp_path / "source/large", 200_000_000)
    archive.pack(tmp_path / "source", tmp_path / "x")
    folder = target(tmp_path)
    code = f"""
import sys
from pathlib import Path
from anystore_doe.builtin import tar, zip
from anystore_doe.contract import Limits, Watch
entries = [*zip.anystore_doe_archives(), *tar.anystore_doe_archives()]
archive = next(entry for entry in entries if {entry.suffixes[0]!r} in entry.suffixes).open()
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
before = peak()
archive.unpack(Path(sys.argv[1]), Path(sys.argv[2]), Limits(ratio=10**6, keep_free_bytes=0), watch=Watch())
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x", folder], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100_000_000
    assert (folder / "large").stat().st_size == 200_000_000


def test_listing_formats_imports_no_heavy_library() -> None:
    code = (
        "import sys; from anystore_doe.builtin import zip, tar; "
        "assert len([*zip.anystore_doe_archives(), *tar.anystore_doe_archives()]) == 6; "
        "heavy = ('isal', 'zstandard', 'zipfile', 'tarfile', 'zlib', 'anystore_doe.builtin.archiving'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@given(st.lists(st.tuples(st.text(max_size=30), st.booleans()), max_size=8))
def test_every_listed_path_is_safe(names: list[tuple[str, bool]]) -> None:
    listing = Listing("x", LIMITS)
    with contextlib.suppress(ArchiveError):
        for name, folder in names:
            listing.add(name, size=1, folder=folder)
    paths = [m.path for m in listing.members]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))
        assert "\\" not in path
        assert "\0" not in path
