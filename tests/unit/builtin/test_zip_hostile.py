"""Crafted zips: each is refused for its reason, and nothing is written anywhere."""

import bz2
import lzma
import os
import stat
import struct
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore_doe.builtin.zip.archive import ZipArchive
from anystore_doe.contract import Limits, Watch
from anystore_doe.errors import ArchiveError, LocalResourceError

LIMITS = Limits(keep_free_bytes=0)


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def lzma_body(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**16, "lc": 3, "lp": 0, "pb": 2}]
    stream = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
    return (
        b"\x09\x04\x05\x00"
        + bytes([3 + 9 * (0 + 5 * 2)])
        + struct.pack("<L", 2**16)
        + stream.compress(data)
        + stream.flush()
    )


PACK = {0: bytes, 8: deflated, 12: bz2.compress, 14: lzma_body}


@dataclass(kw_only=True)
class E:
    """One entry; ``central`` and ``local`` override what is written there."""

    name: bytes = b"a.txt"
    data: bytes = b"some data"
    method: int = 8
    flags: int = 0
    mode: int = stat.S_IFREG | 0o644
    body: bytes | None = None
    central: dict[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)
    at: int | None = None
    descriptor: bool = False


def fields(e: E, body: bytes) -> dict[str, Any]:
    return {
        "name": e.name,
        "flags": e.flags | (8 if e.descriptor else 0) | (2 if e.method == 14 else 0),
        "method": e.method,
        "crc": zlib.crc32(e.data),
        "packed": len(body),
        "size": len(e.data),
        "extra": b"",
        "comment": b"",
        "disk": 0,
        "attributes": e.mode << 16,
    }


def zipped(*entries: E, prefix: bytes = b"", suffix: bytes = b"", gap: bytes = b"", **end: Any) -> bytes:
    out, central = prefix, b""
    for e in entries:
        body = (PACK.get(e.method, bytes)(e.data)) if e.body is None else e.body
        base = fields(e, body)
        f = base | ({"crc": 0, "packed": 0, "size": 0} if e.descriptor else {}) | e.local
        offset = len(out) if e.at is None else e.at
        if e.at is None:
            out += struct.pack(
                "<4s5H3L2H",
                f.get("magic", b"PK\x03\x04"),
                20,
                f["flags"],
                f["method"],
                0,
                33,
                f["crc"],
                f["packed"],
                f["size"],
                len(f["name"]),
                len(f["extra"]),
            )
            out += f["name"] + f["extra"] + body
            if e.descriptor:
                out += struct.pack("<4s3L", b"PK\x07\x08", base["crc"], base["packed"], base["size"])
        f = base | e.central
        central += struct.pack(
            "<4s2B5H3L5H2L",
            f.get("magic", b"PK\x01\x02"),
            20,
            f.get("system", 3),
            20,
            f["flags"],
            f["method"],
            0,
            33,
            f["crc"],
            f["packed"],
            f["size"],
            len(f["name"]),
            len(f["extra"]),
            len(f["comment"]),
            f["disk"],
            0,
            f["attributes"],
            f.get("offset", offset),
        )
        central += f["name"] + f["extra"] + f["comment"]
    out += gap
    n = len(entries)
    e0 = {
        "disk": 0,
        "start_disk": 0,
        "here": n,
        "entries": n,
        "size": len(central),
        "start": len(out),
        "comment": b"",
    } | end
    large = e0.get("large", b"")
    return (
        out
        + central
        + large
        + struct.pack(
            "<4s4H2LH",
            b"PK\x05\x06",
            e0["disk"],
            e0["start_disk"],
            e0["here"],
            e0["entries"],
            e0["size"],
            e0["start"],
            len(e0["comment"]),
        )
        + e0["comment"]
        + suffix
    )


def zip64_end(entries: int, size: int, start: int, **other: int) -> bytes:
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", other.get("length", 44), 45, 45, 0, 0, entries, entries, size, start
    )
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, other.get("at", start + size), other.get("disks", 1))


GOOD = zipped(E(name=b"d/", data=b"", method=0, mode=stat.S_IFDIR | 0o755), E(name=b"d/a"), E(name=b"b", method=0))
ZEROS = bytes(200_000)

REFUSED: dict[str, tuple[str, bytes]] = {
    "dot-dot": ("path-traversal", zipped(E(name=b"../a"))),
    "dot-dot inside": ("path-traversal", zipped(E(name=b"d/../../a"))),
    "dot-dot behind a good one": ("path-traversal", zipped(E(), E(name=b"x/.."))),
    "dot-dot folder": ("path-traversal", zipped(E(name=b"../", data=b"", mode=stat.S_IFDIR | 0o755))),
    "dot-dot in __MACOSX": ("path-traversal", zipped(E(name=b"__MACOSX/../../a"))),
    "absolute": ("absolute", zipped(E(name=b"/etc/passwd"))),
    "two slashes first": ("absolute", zipped(E(name=b"//host/share"))),
    "dot": ("path-part", zipped(E(name=b"./a"))),
    "empty part": ("path-part", zipped(E(name=b"d//a"))),
    "empty name": ("path-part", zipped(E(name=b""))),
    "only a slash": ("absolute", zipped(E(name=b"//", data=b"", mode=0))),
    "long part": ("too-long", zipped(E(name=b"a" * 256))),
    "long part in UTF-8": ("too-long", zipped(E(name="é".encode() * 128, flags=0x800))),
    "long path": ("too-long", zipped(E(name=b"/".join([b"a" * 200] * 21)))),
    "deep path": ("too-long", zipped(E(name=b"a/" * 200 + b"a"))),
    "backslash": ("backslash", zipped(E(name=b"d\\a"))),
    "backslash dot-dot": ("backslash", zipped(E(name=b"..\\a"))),
    "drive": ("drive", zipped(E(name=b"C:a"))),
    "NUL": ("control-character", zipped(E(name=b"a\0.txt"))),
    "newline": ("control-character", zipped(E(name=b"a\nb"))),
    "escape": ("control-character", zipped(E(name=b"a\x1b[2Jb"))),
    "C1 control": ("control-character", zipped(E(name="a\x9bb".encode(), flags=0x800))),
    "right to left": ("control-character", zipped(E(name="a\u202egnp.exe".encode(), flags=0x800))),
    "not UTF-8": ("undecodable", zipped(E(name=b"a\xff", flags=0x800))),
    "twice": ("collision", zipped(E(), E())),
    "case": ("collision", zipped(E(name=b"README"), E(name=b"readme"))),
    "case of a parent": ("collision", zipped(E(name=b"Dir/a"), E(name=b"dir/b"))),
    "sharp s": ("collision", zipped(E(name="ß".encode(), flags=0x800), E(name=b"SS"))),
    "NFC and NFD": ("collision", zipped(E(name="é".encode(), flags=0x800), E(name="e\u0301".encode(), flags=0x800))),
    "file and folder": ("file-folder-clash", zipped(E(name=b"a"), E(name=b"a/b"))),
    "folder and file": ("file-folder-clash", zipped(E(name=b"a/b"), E(name=b"a"))),
    "folder by mode": ("file-folder-clash", zipped(E(name=b"a", data=b"", mode=stat.S_IFDIR | 0o755))),
    "folder by name": ("file-folder-clash", zipped(E(name=b"a/"))),
    "folder with data": ("file-folder-clash", zipped(E(name=b"a/", mode=stat.S_IFDIR | 0o755))),
    "symbolic link": ("link", zipped(E(data=b"/etc/passwd", method=0, mode=stat.S_IFLNK | 0o777))),
    "link then file through it": (
        "link",
        zipped(E(name=b"d", data=b"/tmp", mode=stat.S_IFLNK | 0o777), E(name=b"d/a")),
    ),
    "link made on DOS": ("link", zipped(E(mode=stat.S_IFLNK | 0o777, central={"system": 0}))),
    "device": ("device", zipped(E(data=b"", mode=stat.S_IFCHR | 0o666))),
    "fifo": ("device", zipped(E(data=b"", mode=stat.S_IFIFO | 0o666))),
    "encrypted": ("encrypted", zipped(E(flags=1))),
    "AES": ("encrypted", zipped(E(method=99))),
    "masked directory": ("encrypted", zipped(E(flags=0x2000))),
    "encrypted only locally": ("header-mismatch", zipped(E(local={"flags": 1}))),
    "Deflate64": ("unsupported", zipped(E(method=9))),
    "patched data": ("unsupported", zipped(E(flags=0x20))),
    "other name locally": ("header-mismatch", zipped(E(local={"name": b"b.txt"}))),
    "longer name locally": ("header-mismatch", zipped(E(local={"name": b"a.txt/../../b"}))),
    "other size locally": ("header-mismatch", zipped(E(local={"size": 5}))),
    "other packed size locally": ("header-mismatch", zipped(E(local={"packed": 5}))),
    "other method locally": ("header-mismatch", zipped(E(local={"method": 0}))),
    "other CRC locally": ("header-mismatch", zipped(E(local={"crc": 5}))),
    "other encoding locally": ("header-mismatch", zipped(E(local={"flags": 0x800}))),
    "other size beside a descriptor": ("header-mismatch", zipped(E(descriptor=True, local={"size": 5}))),
    "no local header": ("header-mismatch", zipped(E(local={"magic": b"XXXX"}))),
    "stored with two sizes": ("header-mismatch", zipped(E(method=0, central={"size": 5}, local={"size": 5}))),
    "offset behind the end": ("truncated", zipped(E(central={"offset": 10**6}))),
    "body in the directory": (
        "truncated",
        zipped(E(method=0, body=b"123", data=b"123" * 20, central={"packed": 60}, local={"packed": 60})),
    ),
    "two entries share a body": ("header-mismatch", zipped(E(name=b"a"), E(name=b"b", at=0))),
    "overlapping bodies": (
        "overlap",
        zipped(
            E(
                name=b"a",
                data=ZEROS,
                body=deflated(ZEROS) + b"x" * 60,
                central={"packed": 10_000},
                local={"packed": 10_000},
            ),
            E(name=b"b", data=ZEROS),
        ),
    ),
    "bomb": ("ratio", zipped(E(central={"size": 2**31}, local={"size": 2**31}))),
    "too large": ("too-large", zipped(*(E(name=b"%d" % i, data=ZEROS) for i in range(6)))),
    "too many": ("too-many-entries", zipped(*(E(name=b"%d" % i) for i in range(21)))),
    "too many claimed": ("too-many-entries", zipped(E(), here=60_000, entries=60_000)),
    "fewer claimed": ("directory", zipped(E(name=b"a"), E(name=b"b"), here=1, entries=1)),
    "more claimed": ("directory", zipped(E(name=b"a"), here=2, entries=2)),
    "damaged directory": ("directory", zipped(E(central={"magic": b"PK\1\7"}))),
    "ZIP64 size missing": ("directory", zipped(E(central={"size": 0xFFFFFFFF}))),
    "entry on another disk": ("multi-disk", zipped(E(central={"disk": 1}))),
    "part of several": ("multi-disk", zipped(E(), disk=1, start_disk=1)),
    "entries on several disks": ("multi-disk", zipped(E(), here=0)),
    "empty file": ("empty", b""),
    "text": ("not-an-archive", b"run_id,rpm\n1,1500\n" * 20),
    "one byte": ("not-an-archive", b"P"),
    "half": ("truncated", GOOD[: len(GOOD) // 2]),
    "without its last byte": ("truncated", zipped(E(), comment=b"hello")[:-1]),
    "start shifted": ("truncated", zipped(E(), start=10**6)),
    "data behind": ("trailing-data", GOOD + b"more"),
    "data before": ("prepended-data", b"#!/bin/sh\n" + GOOD),
    "data before nothing": ("prepended-data", zipped(prefix=b"some data")),
    "data before, offsets right": ("prepended-data", zipped(E(), prefix=b"#!/bin/sh\n")),
    "two ends": ("ambiguous", zipped(E(), comment=zipped())),
    "zip behind a zip": ("prepended-data", GOOD + GOOD),
    "ZIP64 end elsewhere": ("directory", zipped(E(), large=zip64_end(1, 51, 46, at=0))),
    "ZIP64 end differs": ("directory", zipped(E(), large=zip64_end(2, 51, 46))),
    "ZIP64 parts": ("multi-disk", zipped(E(), large=zip64_end(1, 51, 46, disks=2))),
}

DAMAGED: dict[str, tuple[str, bytes]] = {
    "checksum": ("checksum", zipped(E(central={"crc": 5}, local={"crc": 5}))),
    "stored checksum": ("checksum", zipped(E(method=0, body=b"Some data"))),
    "garbage": ("damaged", zipped(E(body=b"\xff" * 11))),
    "bzip2 garbage": ("damaged", zipped(E(method=12, body=b"\xff" * 11))),
    "LZMA garbage": ("damaged", zipped(E(method=14, body=b"\x09\x04\x05\x00\xff" + b"\xff" * 11))),
    "LZMA header": ("damaged", zipped(E(method=14, body=b"\x09\x04\x06\x00\x5d\0\0\1\0"))),
    "deflate that does not end": ("damaged", zipped(E(body=deflated(b"some data")[:-1]))),
    "deflate that ends early": ("damaged", zipped(E(body=deflated(b"some data") + b"xx"))),
    "more than declared": (
        "size-mismatch",
        zipped(E(data=b"some data and more", central={"size": 9}, local={"size": 9})),
    ),
    "much more than declared": (
        "size-mismatch",
        zipped(E(data=bytes(5_000_000), central={"size": 9}, local={"size": 9})),
    ),
    "less than declared": ("size-mismatch", zipped(E(central={"size": 10}, local={"size": 10}))),
    "second member bad": ("checksum", zipped(E(name=b"d/a"), E(name=b"d/b", central={"crc": 5}, local={"crc": 5}))),
}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file in it, in which archives are unpacked."""
    folder = tmp_path / "outside/folder"
    folder.mkdir(parents=True)
    (folder / "kept").write_bytes(b"kept")
    return folder


SMALL = Limits(entries=20, total_bytes=1_000_000, keep_free_bytes=0)


@pytest.mark.parametrize(("reason", "data"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_zip_is_refused_before_a_byte_is_written(place: Path, reason: str, data: bytes) -> None:
    file = place.parent / "case.zip"
    file.write_bytes(data)
    before = snapshot(place.parent)
    limits = Limits(entries=20, total_bytes=2**32, keep_free_bytes=0) if reason == "ratio" else SMALL
    for call in (
        lambda: ZipArchive().members(file, limits),
        lambda: ZipArchive().unpack(file, place, limits, watch=Watch()),
    ):
        with pytest.raises(ArchiveError) as caught:
            call()
        assert caught.value.reason == reason
        assert "case.zip" in str(caught.value)
        assert str(caught.value).isprintable()
    assert snapshot(place.parent) == before


@pytest.mark.parametrize(("reason", "data"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_body_leaves_nothing(place: Path, reason: str, data: bytes) -> None:
    file = place.parent / "case.zip"
    file.write_bytes(data)
    before = snapshot(place.parent)
    assert ZipArchive().members(file, LIMITS)
    with pytest.raises(ArchiveError) as caught:
        ZipArchive().unpack(file, place, LIMITS, watch=Watch())
    assert caught.value.reason == reason
    assert snapshot(place.parent) == before


def unpacked(data: bytes, place: Path) -> dict[str, bytes]:
    file = place.parent / "case.zip"
    file.write_bytes(data)
    members = ZipArchive().unpack(file, place, LIMITS, watch=Watch())
    assert members == ZipArchive().members(file, LIMITS)
    return {m.path: b"" if m.folder else (place / m.path).read_bytes() for m in members}


@pytest.mark.parametrize("method", [0, 8, 12, 14])
@pytest.mark.parametrize("descriptor", [False, True])
def test_every_method_is_unpacked(place: Path, method: int, descriptor: bool) -> None:
    data = os.urandom(40_000) * 75
    assert unpacked(zipped(E(data=data, method=method, descriptor=descriptor)), place) == {"a.txt": data}


def test_an_empty_zip_has_no_members(place: Path) -> None:
    assert unpacked(zipped(), place) == {}


def test_folders_and_execute_bits_are_kept_and_nothing_else(place: Path) -> None:
    data = zipped(
        E(name=b"d/", data=b"", method=0, mode=stat.S_IFDIR | 0o700),
        E(name=b"run.sh", mode=stat.S_IFREG | 0o4755),
        E(name=b"x", mode=stat.S_IFREG | 0o666),
    )
    assert unpacked(data, place).keys() == {"d", "run.sh", "x"}
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((place / "run.sh").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((place / "x").stat().st_mode) == 0o666 & ~mask
    assert (place / "d").is_dir()


def test_what_a_mac_adds_is_left_out(place: Path) -> None:
    data = zipped(E(name=b"c/a"), E(name=b"__MACOSX/c/._a"), E(name=b"c/.DS_Store"))
    assert unpacked(data, place) == {"c/a": b"some data"}


@pytest.mark.parametrize(
    ("name", "flags", "extra", "path"),
    [
        ("é".encode(), 0x800, b"", "é"),
        ("é".encode(), 0, b"", "é"),
        ("é".encode("cp437"), 0, b"", "é"),
        (b"?", 0, struct.pack("<2HBL", 0x7075, 7, 1, zlib.crc32(b"?")) + "é".encode(), "é"),
        (b"a", 0, struct.pack("<2HBL", 0x7075, 7, 1, 5) + "é".encode(), "a"),
    ],
)
def test_names_are_decoded_as_the_archive_says(place: Path, name: bytes, flags: int, extra: bytes, path: str) -> None:
    assert unpacked(zipped(E(name=name, flags=flags, central={"extra": extra})), place) == {path: b"some data"}


def test_zip64_sizes_are_understood(place: Path) -> None:
    body = deflated(b"some data")
    extra = struct.pack("<2H2Q", 1, 16, 9, len(body))
    huge = {"packed": 0xFFFFFFFF, "size": 0xFFFFFFFF, "extra": extra}
    plain = zipped(E(central=huge, local=huge))
    end = plain.rfind(b"PK\x05\x06")
    start, size = struct.unpack_from("<L", plain, end + 16)[0], struct.unpack_from("<L", plain, end + 12)[0]
    large = zip64_end(1, size, start)
    data = zipped(
        E(central=huge, local=huge), large=large, here=0xFFFF, entries=0xFFFF, size=0xFFFFFFFF, start=0xFFFFFFFF
    )
    assert unpacked(data, place) == {"a.txt": b"some data"}


def test_a_gap_between_members_is_harmless(place: Path) -> None:
    assert unpacked(zipped(E(), gap=b"an older member that was deleted"), place) == {"a.txt": b"some data"}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(GOOD)),
    st.integers(0, 3),
)
def test_a_mutated_zip_gives_a_typed_error_or_a_clean_result(edits: list[tuple[int, int]], cut: int, how: int) -> None:
    data = bytearray(GOOD)
    for at, value in edits:
        data[at] = value
    if how == 0:
        del data[cut:]
    elif how == 1:
        data[cut:cut] = data[: cut // 2]
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        folder = outside / "folder"
        folder.mkdir()
        file = outside / "case.zip"
        file.write_bytes(data)
        try:
            members = ZipArchive().unpack(file, folder, SMALL, watch=Watch())
        except (ArchiveError, LocalResourceError):
            members = []
        paths = {str(p.relative_to(folder)) for p in folder.rglob("*")}
        assert {m.path for m in members} <= paths
        assert not any(".part" in p for p in paths)
        assert bool(paths) == bool(members)
        assert {p.name for p in outside.iterdir()} == {"folder", "case.zip"}
