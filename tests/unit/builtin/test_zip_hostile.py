"""Crafted zips: each is refused for its reason, and nothing is written anywhere."""

import stat
from pathlib import Path

import pytest
from on_disk import snapshot
from zips import GOOD, E, deflated, zip64_end, zipped

from anystore_doe.builtin.zip.archive import ZipArchive
from anystore_doe.contract import Limits, Watch
from anystore_doe.errors import ArchiveError

SMALL = Limits(entries=20, total_bytes=1_000_000, keep_free_bytes=0)

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
