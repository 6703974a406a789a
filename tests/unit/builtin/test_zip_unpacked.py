"""Zips that are unusual and sound: what is unpacked, under which names and modes."""

import os
import stat
import struct
import zlib
from pathlib import Path

import pytest
from zips import E, deflated, zip64_end, zipped

from anystore_doe.builtin.zip.archive import ZipArchive
from anystore_doe.contract import Limits, Watch

LIMITS = Limits(keep_free_bytes=0)


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
