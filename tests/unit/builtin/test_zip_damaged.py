"""Zips with damaged bodies or bytes changed at random: a typed error, and nothing is left."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from on_disk import snapshot
from zips import GOOD, E, deflated, zipped

from anystore_doe.builtin.zip.archive import ZipArchive
from anystore_doe.contract import Limits, Watch
from anystore_doe.errors import ArchiveError, LocalResourceError

LIMITS = Limits(keep_free_bytes=0)

SMALL = Limits(entries=20, total_bytes=1_000_000, keep_free_bytes=0)

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
