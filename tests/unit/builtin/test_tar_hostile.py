"""Crafted tars: each is refused for its reason, and nothing is written anywhere."""

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from on_disk import snapshot

from anystore_doe.builtin.tar import anystore_doe_archives
from anystore_doe.builtin.tar.archive import TarArchive
from anystore_doe.contract import Limits, Watch
from anystore_doe.errors import ArchiveError, LocalResourceError

LIMITS = Limits(keep_free_bytes=0)
SMALL = Limits(entries=20, total_bytes=1_000_000, ratio=500, keep_free_bytes=0)
END = bytes(1024)

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def header(
    name: bytes,
    *,
    size: int = 0,
    kind: bytes = b"0",
    mode: int = 0o644,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    size_field: bytes | None = None,
    checksum: int | None = None,
) -> bytes:
    size_field = b"%011o\0" % size if size_field is None else size_field
    block = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name,
        b"%07o\0" % mode,
        b"0000000\0",
        b"0000000\0",
        size_field,
        b"00000000000\0",
        b" " * 8,
        kind,
        link,
        magic,
        b"",
        b"",
        b"",
        b"",
        prefix,
    )
    total = sum(block) if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


def entry(name: bytes, data: bytes = b"some data", **more: object) -> bytes:
    return header(name, size=len(data), **more) + data + bytes(-len(data) % 512)


def pax(kind: bytes = b"x", **values: str) -> bytes:
    lines = b""
    for key, value in values.items():
        line = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(line) + 1
        while len(str(length)) + len(line) != length:
            length = len(str(length)) + len(line)
        lines += str(length).encode() + line
    return entry(b"pax", lines, kind=kind)


def tarred(*parts: bytes) -> bytes:
    return b"".join(parts) + END


GOOD = tarred(
    header(b"./", kind=b"5"),
    header(b"d/", kind=b"5"),
    entry(b"d/a"),
    pax(path="d/" + "é" * 60),
    entry(b"short"),
    entry(b"run.sh", mode=0o755),
)

REFUSED: dict[str, tuple[str, bytes]] = {
    "dot-dot": ("path-traversal", tarred(entry(b"../a"))),
    "dot-dot in the prefix": ("path-traversal", tarred(entry(b"a", prefix=b".."))),
    "dot-dot in a pax path": ("path-traversal", tarred(pax(path="../a"), entry(b"a"))),
    "dot-dot in a GNU name": ("path-traversal", tarred(entry(b"././@LongLink", b"../a\0", kind=b"L"), entry(b"a"))),
    "dot-dot behind dots": ("path-traversal", tarred(entry(b"././../a"))),
    "absolute": ("absolute", tarred(entry(b"/etc/passwd"))),
    "absolute behind dots": ("absolute", tarred(entry(b".//etc/passwd"))),
    "absolute by prefix": ("absolute", tarred(entry(b"a", prefix=b"/etc"))),
    "empty part": ("path-part", tarred(entry(b"a//b"))),
    "empty name": ("path-part", tarred(entry(b""))),
    "backslash": ("backslash", tarred(entry(b"a\\b"))),
    "drive": ("drive", tarred(entry(b"c:a"))),
    "newline": ("control-character", tarred(entry(b"a\nb"))),
    "NUL in a pax path": ("control-character", tarred(pax(path="a\0b"), entry(b"a"))),
    "not UTF-8": ("undecodable", tarred(entry(b"a\xff"))),
    "long path": ("too-long", tarred(pax(path="/".join(["a" * 200] * 21)), entry(b"a"))),
    "long part": ("too-long", tarred(pax(path="a" * 256), entry(b"a"))),
    "twice": ("collision", tarred(entry(b"a"), entry(b"./a"))),
    "case": ("collision", tarred(entry(b"README"), entry(b"readme"))),
    "file and folder": ("file-folder-clash", tarred(entry(b"a"), entry(b"a/b"))),
    "folder with data": ("file-folder-clash", tarred(entry(b"a/", kind=b"5"))),
    "symbolic link": ("link", tarred(header(b"a", kind=b"2", link=b"/etc/passwd"))),
    "link then file through it": ("link", tarred(header(b"d", kind=b"2", link=b"/tmp"), entry(b"d/a"))),
    "hard link": ("link", tarred(entry(b"a"), header(b"b", kind=b"1", link=b"a"))),
    "hard link outside": ("link", tarred(header(b"b", kind=b"1", link=b"../a"))),
    "character device": ("device", tarred(header(b"a", kind=b"3"))),
    "block device": ("device", tarred(header(b"a", kind=b"4"))),
    "fifo": ("device", tarred(header(b"a", kind=b"6"))),
    "GNU sparse": ("unsupported", tarred(header(b"a", kind=b"S"))),
    "pax sparse": ("unsupported", tarred(pax(GNU__sparse__major="1"), entry(b"a"))),
    "volume label": ("unsupported", tarred(header(b"a", kind=b"V"))),
    "unknown type": ("unsupported", tarred(header(b"a", kind=b"Z"))),
    "one path for all": ("unsupported", tarred(pax(b"g", path="a"), entry(b"b"))),
    "too large": ("too-large", tarred(header(b"a", size=2_000_000))),
    "too large in base 256": ("too-large", tarred(header(b"a", size_field=b"\x80" + bytes(3) + b"\x7f" + bytes(7)))),
    "too large in pax": ("too-large", tarred(pax(size="9" * 18), entry(b"a"))),
    "negative size": ("header", tarred(header(b"a", size_field=b"\xff" * 12))),
    "size in words": ("header", tarred(entry(b"b"), header(b"a", size_field=b"0000000xyz0\0"))),
    "pax size in words": ("header", tarred(pax(size="-5"), entry(b"a"))),
    "pax length too large": ("header", tarred(entry(b"pax", b"99 path=a\n", kind=b"x"), entry(b"a"))),
    "pax length too small": ("header", tarred(entry(b"pax", b"2 path=a\n", kind=b"x"), entry(b"a"))),
    "pax without =": ("header", tarred(entry(b"pax", b"7 path\n", kind=b"x"), entry(b"a"))),
    "pax of 2 MiB": ("header", tarred(entry(b"pax", bytes(2**21), kind=b"x"), entry(b"a"))),
    "wrong checksum": ("header", tarred(entry(b"a"), entry(b"b", checksum=7))),
    "too many": ("too-many-entries", tarred(*(entry(b"%d" % i) for i in range(21)))),
    "too many headers": ("too-many-entries", tarred(*([pax(comment="x")] * 61), entry(b"a"))),
    "header without member": ("truncated", tarred(pax(path="a"))),
    "cut in a body": ("truncated", entry(b"a")[:600]),
    "cut in a header": ("truncated", entry(b"a") + entry(b"b")[:300]),
    "no end mark": ("truncated", entry(b"a")),
    "second archive behind the end": ("trailing-data", tarred(entry(b"a")) + tarred(entry(b"b"))),
    "empty file": ("empty", b""),
    "text": ("not-an-archive", b"run_id,rpm\n1,1500\n" * 200),
    "one byte": ("not-an-archive", b"x"),
}

REFUSED_COMPRESSED: dict[str, tuple[str, str, bytes]] = {
    "gzip bomb": ("gz", "ratio", gzip.compress(tarred(pax(comment="x")) + bytes(5_000_000), 9)),
    "bzip2 bomb": ("bz2", "ratio", bz2.compress(tarred(entry(b"a")) + bytes(20_000_000))),
    "xz bomb": ("xz", "ratio", lzma.compress(tarred(entry(b"a")) + bytes(20_000_000))),
    "zstd bomb": ("zst", "ratio", PACK["zst"](tarred(entry(b"a")) + bytes(20_000_000))),
    "gzip that is text": ("gz", "not-an-archive", b"hello world"),
    "gzip that is a tar": ("gz", "not-an-archive", GOOD),
    "xz that is gzip": ("xz", "not-an-archive", gzip.compress(GOOD)),
    "bzip2 that is not": ("bz2", "not-an-archive", b"\0" * 100),
    "zstd that is not": ("zst", "not-an-archive", b"\0" * 100),
    "gzip of text": ("gz", "not-an-archive", gzip.compress(b"run_id,rpm\n1,1500\n" * 200)),
    "gzip with something behind": ("gz", "trailing-data", gzip.compress(GOOD) + b"\0\0more"),
    "gzip garbage": ("gz", "damaged", b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 50),
    "gzip header": ("gz", "damaged", b"\x1f\x8b\xff" + b"\xff" * 50),
    "gzip checksum": ("gz", "damaged", gzip.compress(GOOD)[:-8] + b"XXXX" + gzip.compress(GOOD)[-4:]),
    "gzip length": ("gz", "damaged", gzip.compress(GOOD)[:-4] + b"XXXX"),
    "bzip2 garbage": ("bz2", "damaged", b"BZh9" + b"\xff" * 50),
    "xz garbage": ("xz", "damaged", b"\xfd7zXZ\0" + b"\xff" * 50),
    "zstd garbage": ("zst", "damaged", b"\x28\xb5\x2f\xfd" + b"\xff" * 50),
    "zstd checksum": ("zst", "damaged", PACK["zst"](GOOD)[:-4] + b"XXXX"),
    "zstd window": ("zst", "damaged", b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x01\0\0a"),
    "second gzip stream cut": ("gz", "truncated", gzip.compress(GOOD) + gzip.compress(END)[:-9]),
}
for kind, pack in PACK.items():
    if kind:
        REFUSED_COMPRESSED[f"{kind} cut"] = (
            kind,
            "truncated",
            pack(tarred(entry(b"a", random.Random(1).randbytes(3000))))[:2000],
        )
        REFUSED_COMPRESSED[f"{kind} without its last byte"] = (kind, "truncated", pack(GOOD)[:-1])
        REFUSED_COMPRESSED[f"{kind} with a link"] = (kind, "link", pack(REFUSED["symbolic link"][1]))
        REFUSED_COMPRESSED[f"{kind} empty"] = (kind, "empty", b"")


def check_refused(place: Path, compression: str, reason: str, data: bytes) -> None:
    file = place.parent / "case.tar"
    file.write_bytes(data)
    before = snapshot(place.parent)
    archive = TarArchive(compression)
    for call in (
        lambda: archive.members(file, SMALL),
        lambda: archive.unpack(file, place, SMALL, watch=Watch()),
    ):
        with pytest.raises(ArchiveError) as caught:
            call()
        assert caught.value.reason == reason
        assert str(caught.value).isprintable()
    assert snapshot(place.parent) == before


@pytest.mark.parametrize(("reason", "data"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_tar_is_refused_before_a_byte_is_written(place: Path, reason: str, data: bytes) -> None:
    check_refused(place, "", reason, data)


@pytest.mark.parametrize(("compression", "reason", "data"), REFUSED_COMPRESSED.values(), ids=REFUSED_COMPRESSED.keys())
def test_a_hostile_compressed_tar_is_refused(place: Path, compression: str, reason: str, data: bytes) -> None:
    check_refused(place, compression, reason, data)


def unpacked(data: bytes, place: Path, compression: str = "") -> dict[str, bytes]:
    file = place.parent / "case.tar"
    file.write_bytes(data)
    members = TarArchive(compression).unpack(file, place, LIMITS, watch=Watch())
    assert members == TarArchive(compression).members(file, LIMITS)
    return {m.path: b"" if m.folder else (place / m.path).read_bytes() for m in members}


@pytest.mark.parametrize("compression", PACK)
def test_every_compression_is_unpacked(place: Path, compression: str) -> None:
    found = unpacked(PACK[compression](GOOD), place, compression)
    assert found == {"d": b"", "d/a": b"some data", "d/" + "é" * 60: b"some data", "run.sh": b"some data"}
    assert (place / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (place / "d/a").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
def test_several_streams_and_padding_are_one_archive(place: Path, compression: str) -> None:
    pack = PACK[compression]
    data = pack(GOOD[:700]) + pack(GOOD[700:]) + bytes(1000)
    assert unpacked(data, place, compression)["d/a"] == b"some data"


def test_a_skippable_zstd_frame_is_skipped(place: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    assert unpacked(skippable + PACK["zst"](GOOD), place, "zst")["d/a"] == b"some data"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_the_standard_library_writes_is_unpacked(place: Path, form: int) -> None:
    names = ["a", "x" * 90 + "/" + "y" * 90, *(["é/" + "z" * 250] if form != tarfile.USTAR_FORMAT else [])]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    assert unpacked(out.getvalue(), place) == dict.fromkeys(names, b"abc")


def test_an_old_tar_is_unpacked(place: Path) -> None:
    data = tarred(header(b"d/", kind=b"\0", magic=b""), entry(b"d/a", kind=b"\0", magic=b""))
    assert unpacked(data, place) == {"d": b"", "d/a": b"some data"}


def test_an_empty_tar_has_no_members(place: Path) -> None:
    assert unpacked(END, place) == {}


def test_what_a_mac_adds_is_left_out(place: Path) -> None:
    assert unpacked(tarred(entry(b"a"), entry(b"__MACOSX/._a"), entry(b"./.DS_Store")), place) == {"a": b"some data"}


def test_the_comment_of_a_git_archive_is_harmless(place: Path) -> None:
    assert unpacked(tarred(pax(b"g", comment="0123abcd"), entry(b"a")), place) == {"a": b"some data"}


def test_an_archive_that_changes_between_the_passes_leaves_nothing(place: Path) -> None:
    file = place.parent / "case.tar"
    data = bytes(3 * 2**20)
    file.write_bytes(tarred(entry(b"a", data), entry(b"b")))
    other = tarred(entry(b"a", data), entry(b"c"))
    before = sorted(p.name for p in place.iterdir())
    with pytest.raises(ArchiveError) as caught:
        TarArchive().unpack(file, place, LIMITS, watch=Watch(lambda n: file.write_bytes(other) and None))
    assert caught.value.reason in {"changed", "header"}
    assert sorted(p.name for p in place.iterdir()) == before


def test_the_magic_of_every_entry_is_that_of_its_files() -> None:
    for offered in anystore_doe_archives():
        compression = {"": "", ".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst"}[offered.suffixes[0][4:]]
        data = PACK[compression](GOOD)
        assert any(data[at : at + len(magic)] == magic for at, magic in offered.magic)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(PACK)),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(GOOD)),
    st.booleans(),
)
def test_a_mutated_tar_gives_a_typed_error_or_a_clean_result(
    compression: str, inside: bool, edits: list[tuple[int, int]], cut: int, cutting: bool
) -> None:
    data = bytearray(GOOD if inside else PACK[compression](GOOD))
    for at, value in edits:
        data[at % len(data)] = value
    if cutting:
        del data[cut:]
    if inside:
        data = bytearray(PACK[compression](bytes(data)))
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        folder = outside / "folder"
        folder.mkdir()
        file = outside / "case.tar"
        file.write_bytes(data)
        try:
            members = TarArchive(compression).unpack(file, folder, SMALL, watch=Watch())
        except (ArchiveError, LocalResourceError):
            members = []
        paths = {str(p.relative_to(folder)) for p in folder.rglob("*")}
        assert {m.path for m in members} <= paths
        assert not any(".part" in p for p in paths)
        assert bool(paths) == bool(members)
        assert {p.name for p in outside.iterdir()} == {"folder", "case.tar"}
