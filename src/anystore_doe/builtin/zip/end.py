"""Find the end record of a zip, which says where its directory is (APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16)."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore_doe.builtin.archiving.member_paths import Listing

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where the directory starts, its size in bytes, and its number of entries."""

    start: int
    size: int
    entries: int


def find_end(fd: int, listing: Listing) -> End:
    """Find the one end record; its comment has to end where the file ends, and the directory where it begins.

    Raises:
        ArchiveError: ``empty``, ``not-an-archive``, ``truncated``, ``trailing-data``, ``prepended-data``,
            ``ambiguous``, ``multi-disk``, ``directory``.
    """
    length = os.fstat(fd).st_size
    tail_at = max(0, length - _END.size - _LONGEST_COMMENT)
    tail = os.pread(fd, length - tail_at, tail_at)
    at = tail_at + _end_in(tail, os.pread(fd, 4, 0), listing)
    fields: tuple[int, ...] = _END.unpack_from(tail, at - tail_at)[1:7]
    locator = os.pread(fd, _LOCATOR.size, at - _LOCATOR.size) if at >= _LOCATOR.size else b""
    if locator[:4] == b"PK\x06\x07":
        at, fields = _end64(fd, at - _LOCATOR.size, locator, fields, listing)
    disk, start_disk, here, entries, size, start = fields
    if disk or start_disk or here != entries:
        listing.refuse("multi-disk", f"it is part {disk + 1} of several")
    if start + size != at:
        reason = "prepended-data" if start + size < at else "truncated"
        listing.refuse(reason, f"its directory should end at byte {start + size}, and ends at {at}")
    return End(start=start, size=size, entries=entries)


def _end_in(tail: bytes, head: bytes, listing: Listing) -> int:
    if not tail:
        listing.refuse("empty", "the file has 0 bytes")
    signatures: list[int] = []
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        signatures.append(at)
        at = tail.rfind(b"PK\x05\x06", 0, at)
    stops = {at: at + _END.size + int.from_bytes(tail[at + 20 : at + 22], "little") for at in signatures}
    ends = [at for at, stop in stops.items() if stop == len(tail)]
    if len(ends) > 1:
        listing.refuse("ambiguous", "it has more than one end record")
    if ends:
        return ends[0]
    if any(stop < len(tail) for stop in stops.values()):
        listing.refuse("trailing-data", "its end record does not end where the file ends")
    if head[:2] == b"PK":
        listing.refuse("truncated", "it has no end record", hint="compare its size with the original's")
    return listing.refuse("not-an-archive", f"it begins with {head!r}, and has no end record")


def _end64(fd: int, at: int, locator: bytes, fields: tuple[int, ...], listing: Listing) -> tuple[int, tuple[int, ...]]:
    """Read the ZIP64 end record that ends at ``at``; every field of the old one is its, or says "see there"."""
    _, disk, start, disks = _LOCATOR.unpack(locator)
    data = os.pread(fd, _END64.size, start)
    if disk or disks > 1:
        listing.refuse("multi-disk", f"it is one of {disks} parts")
    if len(data) < _END64.size or data[:4] != b"PK\x06\x06":
        listing.refuse("directory", f"its ZIP64 end record is not at byte {start}")
    _, size, _, _, *large = _END64.unpack(data)
    if start + 12 + size != at:
        listing.refuse("directory", "its ZIP64 end record is not where it should be")
    for field, big, nowhere in zip(fields, large, (0xFFFF,) * 4 + (0xFFFFFFFF,) * 2, strict=True):
        if field not in {big, nowhere}:
            listing.refuse("directory", "its two end records differ")
    return start, tuple(large)
