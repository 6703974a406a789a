"""Turn the packed body of one zip member into its bytes, a chunk at a time, and check them.

Reasons (``ArchiveError.reason``) that are decided here: ``damaged``, ``truncated``, ``checksum``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.inflating import DamagedError, Zlib, bzip2, inflate, raw_lzma
from anystore_doe.builtin.zip.directory import BZIP2, DEFLATED, LZMA, STORED
from anystore_doe.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.builtin.archiving.inflating import Inflater
    from anystore_doe.builtin.zip.directory import Packed

_IN = 2**18
_LZMA_HEAD = 9
_LZMA_ENDS_ITSELF = 0x0002


def body(fd: int, archive: str, packed: Packed) -> Iterator[bytes]:
    """Yield the member's bytes; after the last one its checksum was found good.

    Raises:
        ArchiveError: the body is damaged. The caller counts the bytes.
    """
    from isal import isal_zlib

    crc = 0
    try:
        for chunk in _chunks(fd, packed):
            crc = isal_zlib.crc32(chunk, crc)
            yield chunk
    except DamagedError as error:
        raise ArchiveError(archive, "damaged", f"{packed.member.path!r}: {error}") from error
    if crc != packed.crc:
        raise ArchiveError(
            archive, "checksum", f"{packed.member.path!r} has CRC {crc:08x}, and {packed.crc:08x} in the directory"
        )


def _chunks(fd: int, packed: Packed) -> Iterator[bytes]:
    if packed.method == STORED:
        yield from _pieces(fd, packed.start, packed.packed)
        return
    start, length = packed.start, packed.packed
    if packed.method == LZMA:
        start, length = start + _LZMA_HEAD, length - _LZMA_HEAD
    inflater = _inflater(fd, packed)
    pieces = _pieces(fd, start, length)
    yield from inflate(inflater, pieces)
    ends_itself = packed.method != LZMA or packed.flags & _LZMA_ENDS_ITSELF
    if inflater.unused or next(pieces, b""):
        raise DamagedError("its data ends before its packed size")
    if ends_itself and not inflater.ended:
        raise DamagedError("its data does not end within its packed size")


def _inflater(fd: int, packed: Packed) -> Inflater:
    if packed.method == DEFLATED:
        return Zlib(-15)
    if packed.method == BZIP2:
        return bzip2()
    head = os.pread(fd, _LZMA_HEAD, packed.start)  # version (2 bytes), size of the properties, properties
    if packed.packed < _LZMA_HEAD or head[2:4] != b"\x05\x00":
        raise DamagedError("bad LZMA header")
    return raw_lzma(head[4:], packed.member.size)


def _pieces(fd: int, start: int, length: int) -> Iterator[bytes]:
    while length:
        piece = os.pread(fd, min(_IN, length), start)
        if not piece:
            raise DamagedError("the file ends within it")
        start += len(piece)
        length -= len(piece)
        yield piece
