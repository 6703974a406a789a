"""Zips made byte by byte, so that any field of any header can lie."""

import bz2
import lzma
import stat
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def lzma_body(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**16, "lc": 3, "lp": 0, "pb": 2}]
    stream = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
    return (
        b"\x09\x04\x05\x00"
        + bytes([3 + 9 * (0 + 5 * 2)])
        + struct.pack("<L", 2**16)
        + stream.compress(data)
        + stream.flush()
    )


PACK = {0: bytes, 8: deflated, 12: bz2.compress, 14: lzma_body}


@dataclass(kw_only=True)
class E:
    """One entry; ``central`` and ``local`` override what is written there."""

    name: bytes = b"a.txt"
    data: bytes = b"some data"
    method: int = 8
    flags: int = 0
    mode: int = stat.S_IFREG | 0o644
    body: bytes | None = None
    central: dict[str, Any] = field(default_factory=dict)
    local: dict[str, Any] = field(default_factory=dict)
    at: int | None = None
    descriptor: bool = False


def fields(e: E, body: bytes) -> dict[str, Any]:
    return {
        "name": e.name,
        "flags": e.flags | (8 if e.descriptor else 0) | (2 if e.method == 14 else 0),
        "method": e.method,
        "crc": zlib.crc32(e.data),
        "packed": len(body),
        "size": len(e.data),
        "extra": b"",
        "comment": b"",
        "disk": 0,
        "attributes": e.mode << 16,
    }


def zipped(*entries: E, prefix: bytes = b"", suffix: bytes = b"", gap: bytes = b"", **end: Any) -> bytes:
    out, central = prefix, b""
    for e in entries:
        body = (PACK.get(e.method, bytes)(e.data)) if e.body is None else e.body
        base = fields(e, body)
        f = base | ({"crc": 0, "packed": 0, "size": 0} if e.descriptor else {}) | e.local
        offset = len(out) if e.at is None else e.at
        if e.at is None:
            out += struct.pack(
                "<4s5H3L2H",
                f.get("magic", b"PK\x03\x04"),
                20,
                f["flags"],
                f["method"],
                0,
                33,
                f["crc"],
                f["packed"],
                f["size"],
                len(f["name"]),
                len(f["extra"]),
            )
            out += f["name"] + f["extra"] + body
            if e.descriptor:
                out += struct.pack("<4s3L", b"PK\x07\x08", base["crc"], base["packed"], base["size"])
        f = base | e.central
        central += struct.pack(
            "<4s2B5H3L5H2L",
            f.get("magic", b"PK\x01\x02"),
            20,
            f.get("system", 3),
            20,
            f["flags"],
            f["method"],
            0,
            33,
            f["crc"],
            f["packed"],
            f["size"],
            len(f["name"]),
            len(f["extra"]),
            len(f["comment"]),
            f["disk"],
            0,
            f["attributes"],
            f.get("offset", offset),
        )
        central += f["name"] + f["extra"] + f["comment"]
    out += gap
    n = len(entries)
    e0 = {
        "disk": 0,
        "start_disk": 0,
        "here": n,
        "entries": n,
        "size": len(central),
        "start": len(out),
        "comment": b"",
    } | end
    large = e0.get("large", b"")
    return (
        out
        + central
        + large
        + struct.pack(
            "<4s4H2LH",
            b"PK\x05\x06",
            e0["disk"],
            e0["start_disk"],
            e0["here"],
            e0["entries"],
            e0["size"],
            e0["start"],
            len(e0["comment"]),
        )
        + e0["comment"]
        + suffix
    )


def zip64_end(entries: int, size: int, start: int, **other: int) -> bytes:
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", other.get("length", 44), 45, 45, 0, 0, entries, entries, size, start
    )
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, other.get("at", start + size), other.get("disks", 1))


GOOD = zipped(E(name=b"d/", data=b"", method=0, mode=stat.S_IFDIR | 0o755), E(name=b"d/a"), E(name=b"b", method=0))
