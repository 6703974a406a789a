"""Write a zip that is the same for the same files (APPNOTE.TXT 6.3.10)."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.packing import Source, new_archive, sources
from anystore_doe.builtin.disk.whole_file import write_all

if TYPE_CHECKING:
    from pathlib import Path

_MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF
_LARGE = _MAX32 - 2**20
"""From this size on a member gets ZIP64 sizes: what does not shrink grows by less than 1 MiB per 4 GiB."""
_UTF8 = 0x0800
_DEFLATED = 8
_DATE = 0x21  # 1 January 1980, the first day that a zip knows
_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    name: bytes
    flags: int
    large: bool
    crc: int
    packed: int
    size: int
    offset: int
    mode: int

    def local(self) -> bytes:
        sizes = (_MAX32, _MAX32) if self.large else (self.packed, self.size)
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.packed) if self.large else b""
        head = struct.pack(
            "<4s5H3L2H",
            b"PK\x03\x04",
            45 if self.large else 20,
            self.flags,
            _DEFLATED,
            0,
            _DATE,
            self.crc,
            *sizes,
            len(self.name),
            len(extra),
        )
        return head + self.name + extra

    def central(self) -> bytes:
        sizes = (_MAX32, _MAX32) if self.large else (self.packed, self.size)
        large = struct.pack("<2Q", self.size, self.packed) if self.large else b""
        offset = self.offset
        if offset >= _MAX32:
            large += struct.pack("<Q", offset)
            offset = _MAX32
        extra = struct.pack("<2H", 1, len(large)) + large if large else b""
        head = struct.pack(
            "<4s2B5H3L5H2L",
            b"PK\x01\x02",
            45,
            3,
            45 if extra else 20,
            self.flags,
            _DEFLATED,
            0,
            _DATE,
            self.crc,
            *sizes,
            len(self.name),
            len(extra),
            0,
            0,
            0,
            self.mode << 16,
            offset,
        )
        return head + self.name + extra


def pack_zip(folder: Path, file: Path) -> None:
    """Pack the files below ``folder`` into the new archive ``file``.

    Raises:
        ArchiveError: a name could not be unpacked again, ``file`` exists, or a file became shorter.
        LocalResourceError: the disk is full, or something can not be read.
    """
    with new_archive(file) as fd:
        written = [_write(fd, file.name, source) for source in sources(folder, file)]
        start = os.lseek(fd, 0, os.SEEK_CUR)
        for one in written:
            write_all(fd, one.central())
        size = os.lseek(fd, 0, os.SEEK_CUR) - start
        write_all(fd, _end(len(written), size, start))


def _write(fd: int, archive: str, source: Source) -> _Written:
    from isal import isal_zlib

    name = source.path.encode()
    offset = os.lseek(fd, 0, os.SEEK_CUR)
    crc = packed = 0
    large = source.size >= _LARGE
    mode = stat.S_IFREG | (0o755 if source.executable else 0o644)
    flags = 0 if source.path.isascii() else _UTF8
    room = _Written(name=name, flags=flags, large=large, crc=0, packed=0, size=0, offset=offset, mode=mode)
    write_all(fd, room.local())
    deflate = isal_zlib.compressobj(_LEVEL, _DEFLATED, -15)
    for chunk in source.chunks(archive):
        crc = isal_zlib.crc32(chunk, crc)
        packed += _put(fd, deflate.compress(chunk))
    packed += _put(fd, deflate.flush())
    done = _Written(
        name=name, flags=flags, large=large, crc=crc, packed=packed, size=source.size, offset=offset, mode=mode
    )
    os.pwrite(fd, done.local(), offset)
    return done


def _put(fd: int, data: bytes) -> int:
    write_all(fd, data)
    return len(data)


def _end(entries: int, size: int, start: int) -> bytes:
    """Return the end record, behind that of ZIP64 where a number needs it."""
    small = (min(entries, _MAX16), min(entries, _MAX16), min(size, _MAX32), min(start, _MAX32))
    large = b""
    if entries >= _MAX16 or size >= _MAX32 or start >= _MAX32:
        large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
        large += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    return large + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *small, 0)
