"""Read a tar's bytes in order, out of the plain file or through a decompressor, and never trust their number.

Reasons (``ArchiveError.reason``) that are decided here: ``empty``, ``not-an-archive``, ``truncated``, ``damaged``,
``ratio``, ``trailing-data``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.inflating import DamagedError, Zlib, Zstd, bzip2, inflate, xz
from anystore_doe.builtin.tar.formats import MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore_doe.builtin.archiving.inflating import Inflater
    from anystore_doe.builtin.archiving.member_paths import Listing

_IN = 2**18
_CHUNK = 2**20

_BEGIN: dict[str, Callable[[], Inflater]] = {"gz": lambda: Zlib(31), "bz2": bzip2, "xz": xz, "zst": Zstd}


class Bytes:
    """The bytes of a tar, from its first to its last; every method goes on where the one before stopped."""

    def __init__(self, fd: int, compression: str, listing: Listing) -> None:
        """Begin at the start of ``fd``; ``compression`` is a key of :data:`MAGIC`, or ``""``."""
        self._listing = listing
        self._size = os.fstat(fd).st_size
        if not self._size:
            listing.refuse("empty", "the file has 0 bytes")
        self._chunks = _streams(fd, compression, listing) if compression else _pieces(fd, _CHUNK)
        self._compressed = bool(compression)
        self._got = 0
        self._chunk = b""
        self._at = 0

    def _next(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except DamagedError as error:
            self._listing.refuse("damaged", str(error))
        self._got += len(chunk)
        ratio = self._listing.limits.ratio
        if self._compressed and self._got > ratio * self._size:
            self._listing.refuse("ratio", f"its {self._size} bytes grow more than {ratio}-fold")
        return chunk

    def up_to(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes in chunks; fewer at the end."""
        while size:
            if self._at == len(self._chunk):
                self._chunk, self._at = self._next(), 0
                if not self._chunk:
                    return
            part = self._chunk[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            yield part

    def exactly(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes in chunks.

        Raises:
            ArchiveError: ``truncated``.
        """
        for chunk in self.up_to(size):
            size -= len(chunk)
            yield chunk
        if size:
            self._listing.refuse("truncated", f"it ends {size} bytes too early")


def _pieces(fd: int, length: int) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(fd, length, at):
        at += len(piece)
        yield piece


def _streams(fd: int, compression: str, listing: Listing) -> Iterator[bytes]:
    """Yield what comes out of one compressed stream after another; tools write several, and pad with zeros."""
    magic = MAGIC[compression]
    pieces = _pieces(fd, _IN)
    rest = next(pieces, b"")
    if not rest.startswith(magic) and not (compression == "zst" and _skippable(rest)):
        listing.refuse("not-an-archive", f"it begins with {rest[:6]!r}, not with {magic!r}")
    while rest:
        inflater = _BEGIN[compression]()
        yield from inflate(inflater, _chain(rest, pieces))
        if not inflater.ended:
            listing.refuse("truncated", "its compressed data breaks off", hint="compare its size with the original's")
        rest = inflater.unused
        while len(rest) < len(magic) and (more := next(pieces, b"")):
            rest += more
        if not rest.startswith(magic) and not (compression == "zst" and _skippable(rest)):
            _check_padding(rest, pieces, listing)
            return


def _skippable(head: bytes) -> bool:
    """Tell whether it is a skippable frame of zstd (RFC 8878, 3.1.2)."""
    return head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F


def _chain(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _check_padding(rest: bytes, pieces: Iterator[bytes], listing: Listing) -> None:
    for piece in _chain(rest, pieces):
        if piece.strip(b"\0"):
            listing.refuse("trailing-data", "something stands behind its compressed data")
