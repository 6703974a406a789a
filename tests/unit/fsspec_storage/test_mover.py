"""The mover of bytes over an object that a test plays: ranges, checks, whole or not at all, bounded lanes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import ChecksumError, IntegrityError, LocalResourceError, StorageError
from anystore_doe.fsspec_storage import mover
from anystore_doe.fsspec_storage.checksums import Crc
from anystore_doe.fsspec_storage.mover import MIB, Part, Remote, Source, part_size
from anystore_doe.fsspec_storage.retrying import RetryPolicy

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncGenerator
    from pathlib import Path

QUICK = RetryPolicy(attempts=3, base_s=0)


class Object:
    """One version of an object, served in chunks; counts what is asked at once."""

    def __init__(self, data: bytes, *, extra: bytes = b"", chunk: int = 300_000) -> None:
        self.data, self.extra, self.chunk = data, extra, chunk
        self.open = self.most_open = 0
        self.asked: list[tuple[int, int]] = []

    async def read_range(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        self.asked.append((start, end))
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            body = self.data[start:end] + self.extra
            for at in range(0, len(body), self.chunk):
                await asyncio.sleep(0)
                yield body[at : at + self.chunk]
        finally:
            self.open -= 1

    def remote(self, **checksums: str) -> Remote:
        return Remote(url="x://o", size=len(self.data), read_range=self.read_range, checksums=checksums)


def fetch(remote: Remote, dest: Path, *, lanes: int = 3) -> str:
    return asyncio.run(mover.fetch(remote, dest, lanes=lanes, policy=QUICK, watch=Watch()))


def test_parts_are_at_least_16_mib_and_at_most_9000():
    assert part_size(0) == part_size(100 * 2**30) == 16 * MIB
    for size in (150 * 2**30, 5 * 2**40):
        assert -(-size // part_size(size)) <= 9000
        assert part_size(size) % MIB == 0


def test_ranges_cover_the_object_once_over_bounded_lanes(tmp_path):
    data = os.urandom(70 * MIB + 3)
    played = Object(data, chunk=MIB)
    crc = fetch(played.remote(crc32=f"{zlib.crc32(data):08x}"), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == data
    assert crc == f"{zlib.crc32(data):08x}"
    assert sorted(played.asked) == [(s, min(s + 16 * MIB, len(data))) for s in range(0, len(data), 16 * MIB)]
    assert played.most_open == 3
    assert played.open == 0


@pytest.mark.parametrize("name", ["crc32", "md5"])
def test_a_wrong_checksum_leaves_the_old_file_and_no_part(tmp_path, name):
    played = Object(b"data")
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(ChecksumError, match=f"{name} is"):
        fetch(played.remote(**{name: "0" * 8}), tmp_path / "f")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"
    assert len(played.asked) == 3


def test_a_provider_brings_the_crc_that_its_store_has(tmp_path):
    data = os.urandom(20 * MIB)
    adler = Crc(name="adler", polynomial=0, extend=lambda data, crc: crc + len(data))  # joined, it is of the last piece
    played = Object(data, chunk=MIB)
    fetch(replace(played.remote(adler=f"{4 * MIB:08x}"), crc=adler), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == data
    with pytest.raises(ChecksumError, match="adler is"):
        fetch(replace(played.remote(adler="00000000", md5="not looked at"), crc=adler), tmp_path / "f")


def test_an_md5_is_compared(tmp_path):
    fetch(Object(b"data").remote(md5=hashlib.md5(b"data").hexdigest()), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"data"


def test_a_body_longer_than_the_range_is_refused(tmp_path):
    with pytest.raises(StorageError, match="longer than the range"):
        fetch(Object(b"data", extra=b"more").remote(), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_this_machines_trouble_and_leaves_no_part(tmp_path):
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limit[1]))
    try:
        with pytest.raises(LocalResourceError, match="File too large"):
            fetch(Object(bytes(2 * MIB)).remote(), tmp_path / "f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


class Played:
    """An upload that keeps its parts."""

    def __init__(self, *, fail_at: int = 0) -> None:
        self.parts: dict[int, bytes] = {}
        self.fail_at, self.aborted = fail_at, 0

    async def send(self, part: Part, body: io.BytesIO) -> str:
        await asyncio.sleep(0)
        if part.number == self.fail_at:
            raise StorageError("push", "x://o", "refused")
        self.parts[part.number] = body.read()
        return f"receipt {part.number}"

    async def abort(self) -> None:
        await asyncio.sleep(0)
        self.aborted += 1


def push(source: Source, upload: Played) -> list[Part]:
    async def finish(parts: list[Part]) -> list[Part]:
        return parts

    return asyncio.run(mover.push_parts(source, upload, lanes=2, policy=QUICK, watch=Watch(), finish=finish))


@pytest.fixture
def source(tmp_path) -> Source:
    (tmp_path / "s").write_bytes(os.urandom(40 * MIB + 1))
    source = Source(tmp_path / "s", "x://o")
    yield source
    source.close()


def test_parts_are_described_and_in_order(source, tmp_path):
    upload = Played()
    parts = push(source, upload)
    assert b"".join(upload.parts[part.number] for part in parts) == (tmp_path / "s").read_bytes()
    assert [part.receipt for part in parts] == ["receipt 1", "receipt 2", "receipt 3"]
    assert [part.crc32 for part in parts] == [zlib.crc32(upload.parts[n]) for n in (1, 2, 3)]
    assert upload.aborted == 0


def test_a_failed_part_aborts_the_upload_once(source):
    upload = Played(fail_at=2)
    with pytest.raises(StorageError, match="refused"):
        push(source, upload)
    assert upload.aborted == 1


def test_a_source_that_shrinks_is_noticed(source, tmp_path):
    os.truncate(tmp_path / "s", 20 * MIB)
    upload = Played()
    with pytest.raises(IntegrityError, match="changed while it was pushed"):
        push(source, upload)
    assert upload.aborted == 1


def test_a_cancelled_push_aborts_before_it_ends(source):
    upload = Played()

    async def cancelled() -> None:
        async def never(_: list[Part]) -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(
            mover.push_parts(source, upload, lanes=2, policy=QUICK, watch=Watch(), finish=never)
        )
        while len(upload.parts) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert upload.aborted == 1

    asyncio.run(cancelled())
