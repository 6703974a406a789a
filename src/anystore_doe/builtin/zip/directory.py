"""The first pass of a zip: read its directory, and refuse whatever two readers could understand differently.

Field names and numbers are those of PKWARE's APPNOTE.TXT 6.3.10 (section in brackets).

Reasons (``ArchiveError.reason``) that are decided here: ``empty``, ``not-an-archive``, ``truncated``,
``trailing-data``, ``prepended-data``, ``ambiguous``, ``multi-disk``, ``directory``, ``encrypted``,
``unsupported``, ``header-mismatch``, ``overlap``, ``link``, ``device``, ``undecodable``, and those of
:mod:`~anystore_doe.builtin.archiving.member_paths`.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from anystore_doe.builtin.zip.end import End, find_end

if TYPE_CHECKING:
    from anystore_doe.builtin.archiving.member_paths import Listing
    from anystore_doe.contract import Member

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
METHODS = {STORED, DEFLATED, BZIP2, LZMA}

_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")  # [4.3.12]
_LOCAL = struct.Struct("<4s2B4HL2L2H")  # [4.3.7]
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # [4.4.4] bits 0, 6 (strong), 13 (directory masked)
_DESCRIPTOR = 0x0008
_PATCHED = 0x0020
_UTF8 = 0x0800
_UNIX = {3, 19}  # [4.4.2.2] made on UNIX, or OS X
_MAX32 = 0xFFFFFFFF
_LARGEST_DIRECTORY = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Where the body of a member lies, and what it should become."""

    member: Member
    method: int
    flags: int
    crc: int
    packed: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """One entry of the central directory, as it stands there."""

    made_on: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    disk: int
    attributes: int
    offset: int
    raw_name: bytes
    extra: bytes

    @property
    def name(self) -> str:
        return self.raw_name.decode("utf-8", "backslashreplace")


def read_directory(fd: int, listing: Listing) -> list[Packed]:
    """Read the directory and the header of every member; return where the bodies of the kept files lie.

    Folders are in ``listing.members`` only.

    Raises:
        ArchiveError: see the reasons above.
    """
    end = find_end(fd, listing)
    if end.entries > listing.limits.entries:
        listing.refuse("too-many-entries", f"it has {end.entries} entries, over {listing.limits.entries}")
    if end.size > _LARGEST_DIRECTORY:
        listing.refuse("directory", f"its directory has {end.size} bytes")
    data = os.pread(fd, end.size, end.start)
    packed: list[Packed] = []
    ranges: list[tuple[int, int, str]] = []
    for record in _records(data, end, listing):
        _check_record(record, listing)
        start = _check_local(fd, record, end, listing)
        ranges.append((record.offset, start + record.packed, record.name))
        member = _add(record, listing)
        if member is not None and not member.folder:
            packed.append(
                Packed(
                    member=member,
                    method=record.method,
                    flags=record.flags,
                    crc=record.crc,
                    packed=record.packed,
                    start=start,
                )
            )
    _check_ranges(ranges, end, listing)
    return packed


def _records(data: bytes, end: End, listing: Listing) -> list[_Record]:
    records: list[_Record] = []
    at = 0
    for _ in range(end.entries):
        if data[at : at + 4] != b"PK\x01\x02" or at + _CENTRAL.size > len(data):
            listing.refuse("directory", f"entry {len(records) + 1} of {end.entries} of its directory is damaged")
        (_, _, made_on, _, _, flags, method, _, _, crc, packed, size, *rest) = _CENTRAL.unpack_from(data, at)
        name_size, extra_size, comment_size, disk, _, attributes, offset = rest
        at += _CENTRAL.size
        name = data[at : at + name_size]
        extra = data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if at > len(data):
            listing.refuse("directory", "the last entry of its directory is cut off")
        size, packed, offset = _zip64(extra, (size, packed, offset), name, listing)
        records.append(
            _Record(
                made_on=made_on,
                flags=flags,
                method=method,
                crc=crc,
                packed=packed,
                size=size,
                disk=disk,
                attributes=attributes,
                offset=offset,
                raw_name=name,
                extra=extra,
            )
        )
    if at != len(data):
        listing.refuse("directory", f"{len(data) - at} bytes of its directory belong to no entry")
    return records


def _field(extra: bytes, wanted: int) -> bytes | None:
    """Return the extra field with the header id ``wanted`` [4.5.1]; padding at the end is ignored."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == wanted and at + 4 + size <= len(extra):
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return None


def _zip64(extra: bytes, fields: tuple[int, ...], name: bytes, listing: Listing) -> list[int]:
    """Replace the fields that are 0xFFFFFFFF by those of the ZIP64 extra field, in their order [4.5.3]."""
    if _MAX32 not in fields:
        return list(fields)
    large = _field(extra, 1) or b""
    found = []
    for field in fields:
        if field != _MAX32:
            found.append(field)
            continue
        if len(large) < 8:
            listing.refuse("directory", f"the ZIP64 sizes of {name!r} are missing")
        found.append(int.from_bytes(large[:8], "little"))
        large = large[8:]
    return found


def _check_record(record: _Record, listing: Listing) -> None:
    if record.flags & _ENCRYPTED or record.method == 99:
        listing.refuse("encrypted", record.name, hint="pack it again without a password")
    if record.disk not in {0, 0xFFFF}:
        listing.refuse("multi-disk", f"{record.name!r} begins on disk {record.disk}")
    if record.method not in METHODS or record.flags & _PATCHED:
        listing.refuse(
            "unsupported",
            f"{record.name!r} uses compression method {record.method}",
            hint="pack it again with deflate, for example: zip -r case.zip case",
        )
    if record.method == STORED and record.packed != record.size:
        listing.refuse("header-mismatch", f"{record.name!r} is stored, but has {record.packed} and {record.size} bytes")


def _check_local(fd: int, record: _Record, end: End, listing: Listing) -> int:
    """Compare the header before the body with the directory; return where the body starts."""
    data = os.pread(fd, _LOCAL.size + len(record.raw_name), record.offset)
    if len(data) < _LOCAL.size or record.offset >= end.start:
        listing.refuse("truncated", f"{record.name!r} should begin at byte {record.offset}, and does not")
    (magic, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size) = _LOCAL.unpack_from(data)
    name = data[_LOCAL.size : _LOCAL.size + name_size]
    if magic != b"PK\x03\x04" or name_size != len(record.raw_name) or name != record.raw_name:
        listing.refuse("header-mismatch", f"the directory says {record.name!r}, and there is {name[:80]!r}")
    start: int = record.offset + _LOCAL.size + name_size + extra_size
    if _MAX32 in {size, packed}:
        extra = os.pread(fd, extra_size, start - extra_size)
        size, packed = _zip64(extra, (size, packed), name, listing)
    ours = (record.method, record.flags & (_UTF8 | _DESCRIPTOR), record.crc, record.packed, record.size)
    theirs = (method, flags & (_UTF8 | _DESCRIPTOR), crc, packed, size)
    if flags & _DESCRIPTOR and theirs[2:] == (0, 0, 0):
        theirs = theirs[:2] + ours[2:]  # they follow the body [4.3.9]
    if ours != theirs or flags & _ENCRYPTED:
        listing.refuse("header-mismatch", f"{record.name!r} is {ours} in the directory, and {theirs} before its body")
    return start


def _check_ranges(ranges: list[tuple[int, int, str]], end: End, listing: Listing) -> None:
    ranges = [*sorted(ranges), (end.start, end.start, "")]
    if ranges[0][0] != 0:
        listing.refuse("prepended-data", f"{ranges[0][0]} bytes stand before its first member")
    for (_, stop, name), (after, _, other) in pairwise(ranges):
        if stop > after and other:
            listing.refuse("overlap", f"{name!r} and {other!r} share bytes")
        if stop > after:
            listing.refuse("truncated", f"{name!r} reaches into the directory")


def _add(record: _Record, listing: Listing) -> Member | None:
    name = _decoded(record, listing)
    mode = record.attributes >> 16
    kind = stat.S_IFMT(mode)
    folder = name.endswith("/")
    if kind == stat.S_IFLNK:
        listing.refuse("link", f"{name!r} is a symbolic link", hint="pack what it points to: zip without -y")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        listing.refuse("device", f"{name!r} is no regular file and no folder")
    if kind and folder != (kind == stat.S_IFDIR):
        listing.refuse("file-folder-clash", f"{name!r} is a folder by its name or by its mode, but not by both")
    if folder and record.size:
        listing.refuse("file-folder-clash", f"{name!r} is a folder with {record.size} bytes")
    executable = record.made_on in _UNIX and bool(mode & stat.S_IXUSR)
    return listing.add(name, size=record.size, packed=record.packed, folder=folder, executable=executable)


def _decoded(record: _Record, listing: Listing) -> str:
    """Decode a name: UTF-8 where the flag or the Unicode field [4.6.9] says so or it is; else code page 437."""
    raw = record.raw_name
    field = _field(record.extra, 0x7075) or b""
    if not record.flags & _UTF8 and field[:1] == b"\x01" and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        raw = field[5:]
    elif not record.flags & _UTF8:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("cp437")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        listing.refuse("undecodable", f"a name says it is UTF-8, and is not: {raw[:80]!r}")
