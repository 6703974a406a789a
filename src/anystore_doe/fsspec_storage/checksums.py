"""Checksums of whole objects that are moved in pieces."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_CRC32_POLYNOMIAL = 0xEDB88320
_BLOCK = 2**20


def _times(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2) modulo the CRC-32 polynomial; bit 31 is the coefficient of x**0."""
    product = 0
    while a:
        if a & 0x80000000:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_CRC32_POLYNOMIAL if b & 1 else 0)
    return product


def _shift(size: int) -> int:
    """Return x**(8 * size) modulo the CRC-32 polynomial."""
    power, square = 0x80000000, 0x00800000  # x**0 and x**8
    while size:
        if size & 1:
            power = _times(square, power)
        square = _times(square, square)
        size >>= 1
    return power


def joined_crc32(pieces: Iterable[tuple[int, int]]) -> int:
    """Return the CRC-32 of the concatenation of pieces of which only ``(crc, size)`` are known, in order.

    ``crc(A + B) = crc(A) * x**(8 * len(B)) + crc(B)`` modulo the polynomial, as zlib's ``crc32_combine`` does.
    """
    shifts: dict[int, int] = {}
    whole = 0
    for crc, size in pieces:
        if size not in shifts:
            shifts[size] = _shift(size)
        whole = _times(shifts[size], whole) ^ crc
    return whole


def file_md5(path: Path, each_block: Callable[[int], None]) -> str:
    """Return the MD5 of a file as hex; ``each_block(n)`` is called after every ``n`` bytes and may raise."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            each_block(len(block))
    return digest.hexdigest()


def bytes_crc32(data: bytes) -> str:
    """Return the CRC-32 of ``data`` as 8 hex digits."""
    return f"{zlib.crc32(data):08x}"


def disagreement(data: bytes, checksums: Mapping[str, str]) -> str:
    """Compare ``data`` with what a store says; return what differs, ``""`` when nothing that we know does."""
    found = {"crc32": bytes_crc32(data), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
    for name, value in found.items():
        if name in checksums and checksums[name] != value:
            return f"{name} is {value}, the store says {checksums[name]}"
    return ""
