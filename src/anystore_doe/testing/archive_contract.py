"""The suite that holds an archive format to its contract."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest

from anystore_doe.contract import Archive, ArchiveEntry, Limits, Watch
from anystore_doe.errors import AnystoreDoeError, ArchiveError, CancelledTransferError, LocalResourceError
from anystore_doe.testing.storage_box import cancelled, cancelling, some_bytes, together
from anystore_doe.testing.suite import Suite, difference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LIMITS = Limits(keep_free_bytes=0)
FILES: Mapping[str, bytes] = {
    "inputs.in": b"bore 0.1\n",
    "empty": b"",
    "mesh/part one.bin": some_bytes(200_000),
    "mesh/deep/er/café.txt": b"caf\xc3\xa9",
    ".hidden/..dots": b"dots",
    "a[1]*?.txt": b"literal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crafted:
    """A member as a hostile author would write it; ``target`` is where a link points."""

    name: str
    data: bytes = b"x"
    kind: Literal["file", "folder", "symlink", "hardlink", "fifo"] = "file"
    target: str = ""
    mode: int = 0o644


GOOD = Crafted(name="good.txt")
HOSTILE: Mapping[str, tuple[Crafted, ...]] = {
    "absolute": (Crafted(name="/tmp/kit-evil"),),  # noqa: S108  it must not be written
    "parent": (Crafted(name="../evil"),),
    "parent-inside": (Crafted(name="a/../../evil"),),
    "dot-dot-folder": (Crafted(name="../evil/", kind="folder", data=b""),),
    "empty-part": (Crafted(name="a//b"),),
    "backslash": (Crafted(name="..\\evil"),),
    "drive": (Crafted(name="C:/evil"),),
    "line-feed": (Crafted(name="a\nb"),),
    "escape": (Crafted(name="a\x1b[2Jb"),),
    "long-part": (Crafted(name="n" * 256),),
    "symlink": (Crafted(name="link", kind="symlink", target="/etc/passwd", data=b""),),
    "symlink-then-through-it": (
        Crafted(name="out", kind="symlink", target="..", data=b""),
        Crafted(name="out/evil"),
    ),
    "hardlink": (Crafted(name="link", kind="hardlink", target="good.txt", data=b""),),
    "fifo": (Crafted(name="pipe", kind="fifo", data=b""),),
    "twice": (Crafted(name="a"), Crafted(name="a", data=b"other")),
    "case": (Crafted(name="A.txt"), Crafted(name="a.txt")),
    "normal-forms": (Crafted(name="caf\u00e9"), Crafted(name="cafe\u0301")),
    "file-and-folder": (Crafted(name="a"), Crafted(name="a/b")),
    "folder-and-file": (Crafted(name="a/b"), Crafted(name="a")),
    "folder-case": (Crafted(name="Dir/a"), Crafted(name="dir/b")),
}


def tree(folder: Path) -> dict[str, bytes]:
    """Return the regular files below ``folder`` and what is in them."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class ArchiveContract(Suite):
    """Subclass it, name it ``Test...``, and give a fixture ``entry``::

        class TestMyFormat(ArchiveContract):
            @pytest.fixture
            def entry(self) -> ArchiveEntry:
                return next(e for e in my_package.anystore_doe_archives() if ".my" in e.suffixes)

    Override ``make`` where the format can not pack, and ``craft`` so that hostile members can be tried.

    Attributes:
        checks_bodies: Whether the format carries a checksum of what is in a member (a plain tar does not).
        big_bytes: Size of a big member.
    """

    checks_bodies: ClassVar[bool] = True
    big_bytes: ClassVar[int] = 8 * 2**20 + 1

    @pytest.fixture
    def entry(self) -> ArchiveEntry:
        """Give the offer under test."""
        msg = f"{type(self).__name__} must give a fixture `entry`"
        raise NotImplementedError(msg)

    def make(self, entry: ArchiveEntry, files: Mapping[str, bytes], file: Path) -> None:
        """Write a good archive of ``files`` to the new ``file``; by default the format's own ``pack`` does."""
        folder = file.with_name(file.name + "-source")
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        entry.open().pack(folder, file)

    def craft(self, members: Sequence[Crafted], file: Path) -> None:  # noqa: ARG002  for those who override it
        """Write an archive of exactly these members; skip what the format can not express."""
        pytest.skip("this suite can not craft archives of this format")

    @pytest.fixture
    def archive(self, entry: ArchiveEntry) -> Archive:
        """Give the opened format."""
        return entry.open()

    @pytest.fixture
    def file(self, entry: ArchiveEntry, tmp_path: Path) -> Path:
        """Give an archive of ``FILES``."""
        file = tmp_path / f"good{entry.suffixes[0]}"
        self.make(entry, FILES, file)
        return file

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Give an empty folder to unpack into, alone in its parent."""
        folder = tmp_path / "around" / "into"
        folder.mkdir(parents=True)
        return folder

    def refuses(self, archive: Archive, file: Path, folder: Path, limits: Limits = LIMITS) -> ArchiveError:
        """Assert that ``file`` is refused whole: nothing is written in ``folder`` nor beside it."""
        before = tree(folder.parent)
        with pytest.raises(ArchiveError) as refused:
            archive.unpack(file, folder, limits, watch=Watch())
        assert tree(folder.parent) == before
        assert refused.value.reason
        return refused.value

    def test_the_entry_says_what_the_format_is(self, entry: ArchiveEntry, file: Path) -> None:
        assert entry.suffixes
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in entry.suffixes)
        assert entry.summary
        head = file.read_bytes()
        assert any(head[at : at + len(magic)] == magic for at, magic in entry.magic)

    def test_what_goes_in_comes_out(self, archive: Archive, file: Path, folder: Path) -> None:
        members = archive.unpack(file, folder, LIMITS, watch=Watch())
        assert tree(folder) == FILES
        assert {m.path: m.size for m in members if not m.folder} == {name: len(data) for name, data in FILES.items()}

    def test_members_tells_what_unpack_brings_and_writes_nothing(
        self, archive: Archive, file: Path, folder: Path
    ) -> None:
        before = tree(file.parent)
        members = archive.members(file, LIMITS)
        assert tree(file.parent) == before
        assert members == archive.unpack(file, folder, LIMITS, watch=Watch())

    def test_a_big_member_comes_out_whole_and_the_watch_sees_it(
        self, entry: ArchiveEntry, archive: Archive, tmp_path: Path, folder: Path
    ) -> None:
        data, seen = some_bytes(self.big_bytes), list[int]()
        self.make(entry, {"big": data}, tmp_path / "big")
        archive.unpack(tmp_path / "big", folder, LIMITS, watch=Watch(seen.append))
        assert [path.name for path in folder.iterdir()] == ["big"]
        assert not difference((folder / "big").read_bytes(), data)
        assert sum(seen) >= len(data)

    def test_the_executable_bit_is_kept_and_no_other(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        crafted = [Crafted(name="run.sh", mode=0o755), Crafted(name="suid", mode=0o6777), Crafted(name="data")]
        self.craft(crafted, tmp_path / "modes")
        members = archive.unpack(tmp_path / "modes", folder, LIMITS, watch=Watch())
        assert {m.path: m.executable for m in members} == {"run.sh": True, "suid": True, "data": False}
        modes = {p.name: p.stat().st_mode & 0o7777 for p in folder.iterdir()}
        assert {name: bool(mode & 0o100) for name, mode in modes.items()} == {m.path: m.executable for m in members}
        assert [name for name, mode in modes.items() if mode & 0o6002] == []

    def test_an_empty_folder_is_a_member(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        self.craft([GOOD, Crafted(name="output/", kind="folder", data=b"")], tmp_path / "folders")
        members = archive.unpack(tmp_path / "folders", folder, LIMITS, watch=Watch())
        assert [(m.path, m.folder) for m in members] == [("good.txt", False), ("output", True)]
        assert (folder / "output").is_dir()

    def test_what_a_mac_adds_is_left_out(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        names = ("a", "__MACOSX/._a", ".DS_Store", "sub/b", "sub/.DS_Store")
        self.craft([Crafted(name=name) for name in names], tmp_path / "mac")
        members = archive.unpack(tmp_path / "mac", folder, LIMITS, watch=Watch())
        assert sorted(tree(folder)) == ["a", "sub/b"]
        assert [m.path for m in members if not m.folder] == ["a", "sub/b"]

    def test_files_that_were_there_stay(self, archive: Archive, file: Path, folder: Path) -> None:
        (folder / "mesh").mkdir()
        (folder / "mesh" / "mine").write_bytes(b"mine")
        archive.unpack(file, folder, LIMITS, watch=Watch())
        assert tree(folder) == {**FILES, "mesh/mine": b"mine"}

    @pytest.mark.parametrize("there", ["inputs.in", "mesh/part one.bin", "mesh"])
    def test_a_path_that_exists_is_never_written_over(
        self, archive: Archive, file: Path, folder: Path, there: str
    ) -> None:
        (folder / there).parent.mkdir(exist_ok=True)
        (folder / there).write_bytes(b"mine")
        self.refuses(archive, file, folder)

    @pytest.mark.parametrize("link", ["mesh", "inputs.in", ".hidden"])
    def test_nothing_is_written_through_a_link(self, archive: Archive, file: Path, folder: Path, link: str) -> None:
        outside = folder.parent / "outside"
        outside.mkdir()
        (folder / link).symlink_to(outside)
        self.refuses(archive, file, folder)
        assert list(outside.iterdir()) == []

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_hostile_member_makes_the_whole_archive_refused(
        self, archive: Archive, tmp_path: Path, folder: Path, name: str
    ) -> None:
        file = tmp_path / "hostile"
        self.craft([GOOD, *HOSTILE[name]], file)
        self.refuses(archive, file, folder)
        with pytest.raises(ArchiveError):
            archive.members(file, LIMITS)

    @pytest.mark.parametrize("limits", [Limits(entries=5), Limits(total_bytes=200_000)], ids=["entries", "bytes"])
    def test_more_than_the_limits_is_refused(self, archive: Archive, file: Path, folder: Path, limits: Limits) -> None:
        limits = replace(limits, keep_free_bytes=0)
        self.refuses(archive, file, folder, limits)
        with pytest.raises(ArchiveError):
            archive.members(file, limits)

    def test_a_bomb_is_refused(self, entry: ArchiveEntry, archive: Archive, tmp_path: Path, folder: Path) -> None:
        size = 2 * 2**20
        self.make(entry, {"zeros": bytes(size)}, tmp_path / "bomb")
        packed = (tmp_path / "bomb").stat().st_size
        if packed * 4 > size:
            pytest.skip("this format does not compress")
        self.refuses(archive, tmp_path / "bomb", folder, replace(LIMITS, ratio=2))

    def test_a_disk_that_is_too_small_is_known_beforehand(self, archive: Archive, file: Path, folder: Path) -> None:
        with pytest.raises(LocalResourceError):
            archive.unpack(file, folder, replace(LIMITS, keep_free_bytes=2**62), watch=Watch())
        assert tree(folder) == {}

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", some_bytes(5000)], ids=["empty", "stub", "noise"])
    def test_what_is_no_archive_is_refused(
        self, archive: Archive, tmp_path: Path, folder: Path, content: bytes
    ) -> None:
        (tmp_path / "noise").write_bytes(content)
        self.refuses(archive, tmp_path / "noise", folder)

    def test_a_file_that_is_not_there_is_an_error_of_ours(self, archive: Archive, tmp_path: Path, folder: Path) -> None:
        with pytest.raises((ArchiveError, LocalResourceError)):
            archive.members(tmp_path / "missing", LIMITS)
        with pytest.raises((ArchiveError, LocalResourceError)):
            archive.unpack(tmp_path / "missing", folder, LIMITS, watch=Watch())

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
    def test_a_truncated_archive_is_refused(self, archive: Archive, file: Path, folder: Path, part: float) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * part)])
        self.refuses(archive, file, folder)

    @pytest.mark.parametrize("at", range(8))
    def test_a_damaged_archive_is_refused_or_does_no_harm(
        self, archive: Archive, file: Path, folder: Path, at: int
    ) -> None:
        data = bytearray(file.read_bytes())
        position = (2 * at + 1) * len(data) // 16
        data[position] ^= 0x10
        file.write_bytes(data)
        try:
            archive.unpack(file, folder, LIMITS, watch=Watch())
        except ArchiveError:
            assert list(folder.iterdir()) == []
            return
        found = tree(folder)
        assert len(found) == len(FILES)
        if self.checks_bodies:
            assert found == FILES

    def test_a_cancelled_unpack_leaves_nothing(self, archive: Archive, file: Path, folder: Path) -> None:
        with pytest.raises(CancelledTransferError):
            archive.unpack(file, folder, LIMITS, watch=cancelled())
        assert list(folder.iterdir()) == []

    def test_an_unpack_cancelled_on_its_way_leaves_nothing(
        self, entry: ArchiveEntry, archive: Archive, tmp_path: Path, folder: Path
    ) -> None:
        self.make(entry, {"a": b"a", "big": some_bytes(self.big_bytes), "c": b"c"}, tmp_path / "big")
        with pytest.raises(CancelledTransferError):
            archive.unpack(tmp_path / "big", folder, LIMITS, watch=cancelling())
        assert list(folder.iterdir()) == []

    def test_threads_unpack_at_once(self, archive: Archive, file: Path, tmp_path: Path) -> None:
        folders = [tmp_path / f"into-{number}" for number in range(4)]
        for folder in folders:
            folder.mkdir()
        calls: list[Callable[[], object]] = [
            partial(archive.unpack, file, folder, LIMITS, watch=Watch()) for folder in folders
        ]
        together(*calls)
        assert [tree(folder) for folder in folders] == [FILES] * 4

    def test_pack_takes_regular_files_sorted_and_leaves_links_out(
        self, entry: ArchiveEntry, archive: Archive, tmp_path: Path, folder: Path
    ) -> None:
        source = tmp_path / "source"
        (source / "b").mkdir(parents=True)
        for name in ("c", "b/z", "b/a", "a"):
            (source / name).write_bytes(name.encode())
        (source / "a").chmod(0o755)
        (source / "link").symlink_to(source / "a")
        os.mkfifo(source / "pipe")
        file = tmp_path / f"packed{entry.suffixes[0]}"
        if not entry.can_pack:
            with pytest.raises(ArchiveError):
                archive.pack(source, file)
            assert not file.exists()
            return
        archive.pack(source, file)
        members = [m for m in archive.unpack(file, folder, LIMITS, watch=Watch()) if not m.folder]
        assert [m.path for m in members] == ["a", "b/a", "b/z", "c"]
        assert [m.path for m in members if m.executable] == ["a"]
        assert tree(folder) == {name: name.encode() for name in ("a", "b/a", "b/z", "c")}

    def test_pack_into_a_folder_that_is_not_there_leaves_no_part(
        self, entry: ArchiveEntry, archive: Archive, tmp_path: Path
    ) -> None:
        if not entry.can_pack:
            pytest.skip("this format can not pack")
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "a").write_bytes(b"a")
        with pytest.raises(AnystoreDoeError):
            archive.pack(tmp_path / "source", tmp_path / "missing" / "file")
        assert [p.name for p in tmp_path.iterdir()] == ["source"]
