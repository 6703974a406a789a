"""The mover of bytes: pinned parallel ranges in, parts out, with bounded memory; knows no cloud.

A provider says how to read a range of one version (:class:`Remote`) and how to write the parts of one object
(:class:`Upload`); what is here decides ranges, lanes, retries, checks, and that a destination appears whole or
not at all. Everything runs on the provider's event loop but for blocking file operations.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import stat
import zlib
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from anystore_doe.errors import ChecksumError, IntegrityError, LocalResourceError, StorageError, printable
from anystore_doe.fsspec_storage.bridge import all_of, off_loop
from anystore_doe.fsspec_storage.checksums import CRC32, Crc, file_md5
from anystore_doe.fsspec_storage.retrying import RetryPolicy, Tries, retried

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
    from pathlib import Path

    from anystore_doe.contract.storage import Watch

R = TypeVar("R")

MIB = 2**20
SMALL = 16 * MIB
"""Objects up to this many bytes go out in one request."""
LANES = 6
"""Most ranges of one object that are fetched at once."""
PUSH_LANES = 4
"""Most parts of one object that are pushed at once."""
LANE_BUFFER = 2 * MIB
"""What a fetching lane holds: a block that is written, and one that is filled."""
_BLOCK = MIB
_WHOLE_TRIES = 3
_PROGRESS = 64 * 1024


def part_size(size: int) -> int:
    """Return the bytes of a range or part of an object of ``size`` bytes: at least 16 MiB, at most 9,000 parts.

    S3 takes 10,000 parts; the rest is room for a size that grew. A multiple of 1 MiB: Google Cloud Storage takes parts
    of whole multiples of 256 KiB only.
    """
    return max(SMALL, -(-size // (9000 * MIB)) * MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One version of one object, and how to read it.

    Attributes:
        url: For messages.
        size: Bytes.
        read_range: ``read_range(start, end)`` yields the bytes of that range of *this* version, or raises
            :class:`~anystore_doe.errors.StorageError`: ``InputChangedError`` when the version is gone.
        checksums: As in :class:`~anystore_doe.model.ObjectInfo`; that of ``crc`` is compared, else the MD5.
        crc: What is computed of the bytes as they are written.
    """

    url: str
    size: int
    read_range: Callable[[int, int], AsyncGenerator[bytes, None]]
    checksums: Mapping[str, str] = field(default_factory=dict)
    crc: Crc = CRC32


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part as it was read from the source: 1-based ``number``, hex digests, and the store's ``receipt``."""

    number: int
    size: int
    crc32: int
    md5: str
    receipt: str = ""


class Upload(Protocol):
    """One object that is written in parts; every call raises :class:`~anystore_doe.errors.StorageError` only."""

    async def send(self, part: Part, body: io.BytesIO) -> str:
        """Send one part, once, and return the store's receipt for it; ``body`` stands at its start."""

    async def abort(self) -> None:
        """Make the store forget all parts; called when the upload can not be completed."""


@contextlib.contextmanager
def local_side(doing: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the local side into a :class:`~anystore_doe.errors.LocalResourceError`."""
    try:
        yield
    except (StorageError, LocalResourceError):
        raise
    except OSError as error:
        why = error.strerror or type(error).__name__
        hint = "make room there, or choose another disk with --scratch" if error.errno in (28, 122) else ""
        raise LocalResourceError(f"{doing} {printable(str(path))}: {why}", hint=hint) from error


class _Fetch:
    """One object on its way into a part file."""

    def __init__(self, remote: Remote, file: int, policy: RetryPolicy, watch: Watch) -> None:
        self._remote = remote
        self._file = file
        self._policy = policy
        self._watch = watch
        self._crcs: dict[int, tuple[int, int]] = {}

    async def all_ranges(self, lanes: int) -> int:
        """Fetch every range over ``lanes`` lanes and return the CRC of the whole."""
        size = self._remote.size
        step = part_size(size)
        ranges = iter([(start, min(start + step, size)) for start in range(0, size, step)])

        async def lane() -> None:
            for start, end in ranges:
                self._crcs[start] = (await self._one_range(start, end), end - start)

        await all_of([lane() for _ in range(max(1, min(lanes, -(-size // step))))])
        return self._remote.crc.joined(piece for _, piece in sorted(self._crcs.items()))

    async def _one_range(self, start: int, end: int) -> int:
        """Fetch one range, going on where a cut body ended, and return its CRC."""
        import asyncio

        tries = Tries(self._policy)
        at, crc, mark = start, 0, start
        while True:
            try:
                async with aclosing(self._blocks(at, end)) as blocks:
                    async for block in blocks:
                        crc = await off_loop(self._write, block, at, crc)
                        at += len(block)
                if at == end:
                    return crc
                raise StorageError(
                    "fetch", self._remote.url, f"the body ended {end - at} bytes too early", retryable=True
                )
            except StorageError as error:
                if at - mark >= _PROGRESS:
                    tries.progressed()
                    mark = at
                pause = tries.failed(error)
            await asyncio.sleep(pause)

    async def _blocks(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the range in blocks of about 1 MiB; what came before an error is yielded before it is raised."""
        pending = bytearray()
        failure: StorageError | None = None
        left = end - start
        async with aclosing(self._remote.read_range(start, end)) as chunks:
            try:
                async for chunk in chunks:
                    self._watch.advance(len(chunk))
                    left -= len(chunk)
                    if left < 0:
                        raise StorageError("fetch", self._remote.url, "the body is longer than the range asked for")
                    pending += chunk
                    if len(pending) >= _BLOCK:
                        yield bytes(pending)
                        pending.clear()
            except StorageError as error:
                failure = error
        if pending and (failure is None or failure.retryable):
            yield bytes(pending)
        if failure is not None:
            raise failure

    def _write(self, block: bytes, at: int, crc: int) -> int:
        written = 0
        while written < len(block):
            written += os.pwrite(self._file, memoryview(block)[written:], at + written)
        return self._remote.crc.extend(block, crc)


def _difference(remote: Remote, crc: int, part: Path, watch: Watch) -> str:
    """Compare what was written with what the store says; return what differs, or ``""``."""
    name = remote.crc.name
    if name in remote.checksums:
        found, expected = f"{crc:08x}", remote.checksums[name]
    elif "md5" in remote.checksums:
        found, expected, name = file_md5(part, lambda _: watch.check(remote.url)), remote.checksums["md5"], "md5"
    else:
        return ""
    return "" if found == expected else f"{name} is {found}, the store says {expected}"


async def fetch(remote: Remote, dest: Path, *, lanes: int, policy: RetryPolicy, watch: Watch) -> str:
    """Copy ``remote`` into ``dest``, which appears whole and verified or not at all; return its CRC as hex.

    Bytes go into a part file beside ``dest``, are compared with the store's checksum where there is one (twice
    more fetched when they differ: a flipped bit passes TCP's own sum), and are renamed. The caller holds a lease
    of ``lanes`` times :data:`LANE_BUFFER` bytes.

    Raises:
        ChecksumError: the bytes differ from the store's checksum, every time.
        InputChangedError: the version is gone.
        LocalResourceError: the disk is full, or the folder is not there.
    """
    part = dest.parent / f".{secrets.token_hex(8)}.part"
    with local_side("write", dest):
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            try:
                crc = await _verified(remote, file, part, lanes, policy, watch)
            finally:
                os.close(file)
            watch.check(remote.url)
            part.replace(dest)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return f"{crc:08x}"


async def _verified(remote: Remote, file: int, part: Path, lanes: int, policy: RetryPolicy, watch: Watch) -> int:
    """Fill the part file until its bytes are what the store says; return their CRC."""
    difference = ""
    for _ in range(_WHOLE_TRIES):
        crc = await _Fetch(remote, file, policy, watch).all_ranges(lanes)
        size = os.fstat(file).st_size
        if size != remote.size:
            raise ChecksumError("fetch", remote.url, f"{size} bytes arrived, the store says {remote.size}")
        difference = await off_loop(_difference, remote, crc, part, watch)
        if not difference:
            return crc
    raise ChecksumError("fetch", remote.url, f"{difference} (fetched {_WHOLE_TRIES} times)")


def described(number: int, body: bytes) -> tuple[Part, bytes]:
    """Return ``body`` and its description as part ``number``."""
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Part(number=number, size=len(body), crc32=zlib.crc32(body), md5=md5), body


class Source:
    """A regular local file that is pushed; that it does not change meanwhile is checked around every read."""

    def __init__(self, path: Path, url: str) -> None:
        """Open ``path``; ``url`` is where to, for messages.

        Raises:
            LocalResourceError: it can not be opened, or is a link.
            IntegrityError: it is no regular file.
        """
        self._url = url
        self._path = path
        with local_side("read", path):
            self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        self._born = os.fstat(self._file)
        if not stat.S_ISREG(self._born.st_mode):
            self.close()
            raise IntegrityError("push", url, f"{printable(str(path))} is no regular file")

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self._born.st_size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def unchanged(self) -> None:
        """Check that nobody wrote to the file since it was opened.

        Raises:
            IntegrityError: somebody did.
        """
        now = os.fstat(self._file)
        if (now.st_size, now.st_mtime_ns) != (self._born.st_size, self._born.st_mtime_ns):
            raise IntegrityError("push", self._url, f"{printable(str(self._path))} changed while it was pushed")

    def read(self, number: int, start: int, size: int) -> tuple[Part, bytes]:
        """Read ``size`` bytes at ``start``, as part ``number``.

        Raises:
            IntegrityError: the file changed.
        """
        self.unchanged()
        with local_side("read", self._path):
            pieces = []
            at = start
            while at < start + size and (piece := os.pread(self._file, start + size - at, at)):
                pieces.append(piece)
                at += len(piece)
        self.unchanged()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(body) != size:
            raise IntegrityError("push", self._url, f"{printable(str(self._path))} shrank while it was pushed")
        return described(number, body)


class BytesSource:
    """Bytes that are pushed as they are."""

    def __init__(self, body: bytes) -> None:
        """Keep ``body``."""
        self._body = body

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._body)

    def read(self, number: int, start: int, size: int) -> tuple[Part, bytes]:
        """Return ``size`` bytes at ``start``, as part ``number``."""
        return described(number, self._body[start : start + size])

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


async def push_parts(
    source: Source,
    upload: Upload,
    *,
    lanes: int,
    policy: RetryPolicy,
    watch: Watch,
    finish: Callable[[list[Part]], Coroutine[object, object, R]],
) -> R:
    """Send all parts over ``lanes`` lanes, then ``finish(parts in order)``; abort the upload if anything fails.

    The caller holds a lease of ``lanes`` times :func:`part_size` bytes.

    Raises:
        IntegrityError: the source changed meanwhile.
        StorageError: a part could not be sent; the upload was aborted.
    """
    step = part_size(source.size)
    todo = iter(list(enumerate(range(0, source.size, step), start=1)))
    parts: list[Part] = []

    async def one(number: int, start: int) -> Part:  # a function, so that a part's body is gone before the next is read
        part, data = await off_loop(source.read, number, start, min(step, source.size - start))
        body = io.BytesIO(data)
        del data  # the stream owns the bytes alone: an HTTP library that asks for its buffer gets no copy

        async def send() -> str:
            watch.check()
            body.seek(0)
            return await upload.send(part, body)

        return replace(part, receipt=await retried(policy, send))

    async def lane() -> None:
        for number, start in todo:
            parts.append(await one(number, start))
            watch.advance(min(step, source.size - start))

    try:
        await all_of([lane() for _ in range(lanes)])
        source.unchanged()
        watch.check()
        return await finish(sorted(parts, key=lambda part: part.number))
    except BaseException:  # also a cancellation: an open upload costs money and nobody sees it
        await _to_the_end(upload.abort())
        raise


async def _to_the_end(coroutine: Coroutine[object, object, None]) -> None:
    """Await ``coroutine`` whatever is cancelled meanwhile; its failure must not hide the one that led here."""
    import asyncio

    task = asyncio.ensure_future(coroutine)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError, StorageError):
            await asyncio.shield(task)
    if not task.cancelled():
        task.exception()
