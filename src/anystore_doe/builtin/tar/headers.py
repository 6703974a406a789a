"""The first pass of a tar, and the walk of the second: headers, and the bytes between them.

Formats: ustar and pax (POSIX.1-2017, "pax"), GNU and old V7 tar (GNU tar manual, "Basic Tar Format").

Reasons (``ArchiveError.reason``) that are decided here: ``not-an-archive``, ``truncated``, ``trailing-data``,
``header``, ``link``, ``device``, ``unsupported``, ``undecodable``, ``changed``, and those of
:mod:`~anystore_doe.builtin.archiving.member_paths`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anystore_doe.builtin.archiving.member_paths import Listing
    from anystore_doe.builtin.tar.streams import Bytes
    from anystore_doe.contract import Member

BLOCK = 512
_ZEROS = bytes(BLOCK)
_LARGEST_EXTENSION = 2**20
_REGULAR = {b"0", b"\0", b"7"}
_LINKS = {b"1": "a hard link", b"2": "a symbolic link"}
_DEVICES = {b"3": "a character device", b"4": "a block device", b"6": "a fifo"}
_EXTENSIONS = {b"x", b"g", b"L", b"K"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    name: bytes
    mode: int
    size: int
    kind: bytes


def walk(data: Bytes, listing: Listing) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield every member that is kept with its bytes; what the caller leaves unread is skipped.

    Raises:
        ArchiveError: see the reasons above.
    """
    pax: dict[str, str] = {}
    entries = 0
    while (header := _header(data, listing, first=not entries)) is not None:
        entries += 1
        if entries > 3 * listing.limits.entries:
            listing.refuse("too-many-entries", f"it has more than {entries - 1} headers")
        if header.kind in _EXTENSIONS:
            pax.update(_extension(data, header, listing))
            continue
        name = pax.get("path") or _text(header.name, listing)
        size = _number(pax["size"], listing) if "size" in pax else header.size
        sparse = any(key.startswith("GNU.sparse.") for key in pax)
        pax = {}
        body = data.exactly(size)
        member = _member(name, header, size, listing, sparse=sparse)
        if member is not None:
            yield member, body
        _skip(body)
        _skip(data.exactly(-size % BLOCK))
    if pax:
        listing.refuse("truncated", "it ends behind an extended header")
    _check_rest(data, listing)


def _skip(chunks: Iterator[bytes]) -> None:
    for _ in chunks:
        pass


def _header(data: Bytes, listing: Listing, *, first: bool) -> _Header | None:
    """Read a header; ``None`` is the block of zeros that ends an archive."""
    block = b"".join(data.up_to(BLOCK))
    if block == _ZEROS:
        return None
    if len(block) < BLOCK:
        reason = "not-an-archive" if first else "truncated"
        listing.refuse(reason, "it has no end mark", hint="compare its size with the original's")
    # The sum is over the header with blanks for the sum itself; old tars summed signed characters.
    ours = sum(block[:148]) + sum(block[156:]) + 8 * 32
    signed = ours - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if _octal(block[148:156], listing, first=first) not in {ours, signed}:
        listing.refuse("not-an-archive" if first else "header", "the checksum of a header is wrong")
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _Header(
        name=prefix + b"/" + name if prefix else name,
        mode=_octal(block[100:108], listing),
        size=_octal(block[124:136], listing),
        kind=block[156:157],
    )


def _octal(field: bytes, listing: Listing, *, first: bool = False) -> int:
    """Decode a number: octal digits, or GNU's base 256 with the top bit set; never negative."""
    if field[0] & 0x80:
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        listing.refuse("header", "a header holds a negative number")
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        listing.refuse("not-an-archive" if first else "header", f"a header holds {digits!r} for a number")
    return int(digits or b"0", 8)


def _number(text: str, listing: Listing) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        listing.refuse("header", f"an extended header says that a size is {text[:40]!r}")
    return int(text)


def _text(raw: bytes, listing: Listing) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return listing.refuse("undecodable", f"a name is not UTF-8: {raw[:80]!r}")


def _extension(data: Bytes, header: _Header, listing: Listing) -> Mapping[str, str]:
    """Read a header that says something about the next one, or (``g``) about all that follow."""
    if header.size > _LARGEST_EXTENSION:
        listing.refuse("header", f"an extended header has {header.size} bytes")
    raw = b"".join(data.exactly(header.size))
    _skip(data.exactly(-header.size % BLOCK))
    if header.kind == b"L":
        return {"path": _text(raw.partition(b"\0")[0], listing)}
    if header.kind == b"K":
        return {}
    records = _records(raw, listing)
    if header.kind == b"g" and any(key in {"path", "size"} or key.startswith("GNU.sparse.") for key in records):
        listing.refuse("unsupported", "a global header gives all members one path or size")
    return records if header.kind == b"x" else {}


def _records(raw: bytes, listing: Listing) -> dict[str, str]:
    """Decode ``<length> <key>=<value>`` lines; only those that matter here."""
    records: dict[str, str] = {}
    while raw:
        length, blank, _ = raw[:20].partition(b" ")
        if not blank or not length.isdigit() or not len(length) + 2 <= int(length) <= len(raw):
            listing.refuse("header", "an extended header is damaged")
        line, raw = raw[: int(length)], raw[int(length) :]
        key, equals, value = line[len(length) + 1 : -1].partition(b"=")
        if not equals or line[-1:] != b"\n":
            listing.refuse("header", "an extended header is damaged")
        if key in {b"path", b"size"} or key.startswith(b"GNU.sparse."):
            records[_text(key, listing)] = _text(value, listing)
    return records


def _member(name: str, header: _Header, size: int, listing: Listing, *, sparse: bool) -> Member | None:
    if header.kind in _LINKS:
        listing.refuse("link", f"{name!r} is {_LINKS[header.kind]}", hint="tar --dereference --hard-dereference")
    if header.kind in _DEVICES:
        listing.refuse("device", f"{name!r} is {_DEVICES[header.kind]}")
    folder = header.kind == b"5" or (header.kind == b"\0" and name.endswith("/"))
    if sparse or (header.kind not in _REGULAR and not folder):
        what = "a sparse file" if sparse or header.kind == b"S" else f"of type {header.kind!r}"
        listing.refuse("unsupported", f"{name!r} is {what}", hint="pack it again with: tar --format=pax")
    if folder and size:
        listing.refuse("file-folder-clash", f"{name!r} is a folder with {size} bytes")
    # "tar -c ." writes "./" and "./name": that is how tars are, and no trick.
    while name.startswith("./"):
        name = name[2:]
    if folder and name in {"", "."}:
        return None
    return listing.add(name, size=size, folder=folder, executable=bool(header.mode & 0o100))


def _check_rest(data: Bytes, listing: Listing) -> None:
    """Behind the end mark there is nothing but padding: a second archive there is seen by some readers only."""
    for chunk in data.up_to(2**63):
        if chunk.strip(b"\0"):
            listing.refuse("trailing-data", "something stands behind its end mark")
