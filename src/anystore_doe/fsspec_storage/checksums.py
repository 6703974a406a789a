"""Checksums of whole objects that are moved in pieces."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_BLOCK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Crc:
    """A cyclic redundancy check of 32 bits: reflected, register and result inverted, as CRC-32 and CRC-32C are.

    Attributes:
        name: As in the checksums of :class:`~anystore_doe.model.ObjectInfo`.
        polynomial: Its bits in reverse order; bit 31 is the coefficient of ``x**0``.
        extend: ``extend(data, crc)`` returns the check of what ``crc`` is of, followed by ``data``; 0 is of nothing.
    """

    name: str
    polynomial: int
    extend: Callable[[bytes, int], int]

    def joined(self, pieces: Iterable[tuple[int, int]]) -> int:
        """Return the check of the concatenation of pieces of which only ``(crc, size)`` are known, in order.

        ``crc(A + B) = crc(A) * x**(8 * len(B)) + crc(B)`` modulo the polynomial, as zlib's ``crc32_combine`` does.
        """
        shifts: dict[int, int] = {}
        whole = 0
        for crc, size in pieces:
            if size not in shifts:
                shifts[size] = self._shift(size)
            whole = self._times(shifts[size], whole) ^ crc
        return whole

    def _times(self, a: int, b: int) -> int:
        """Multiply two polynomials over GF(2) modulo this one."""
        product = 0
        while a:
            if a & 0x80000000:
                product ^= b
            a = (a << 1) & 0xFFFFFFFF
            b = (b >> 1) ^ (self.polynomial if b & 1 else 0)
        return product

    def _shift(self, size: int) -> int:
        """Return x**(8 * size) modulo the polynomial."""
        power, square = 0x80000000, 0x00800000  # x**0 and x**8
        while size:
            if size & 1:
                power = self._times(square, power)
            square = self._times(square, square)
            size >>= 1
        return power


CRC32 = Crc(name="crc32", polynomial=0xEDB88320, extend=zlib.crc32)
"""What is computed where a provider does not say otherwise. A CRC-32C has the polynomial 0x82F63B78."""


def joined_crc32(pieces: Iterable[tuple[int, int]]) -> int:
    """Return the CRC-32 of the concatenation of pieces; see :meth:`Crc.joined`."""
    return CRC32.joined(pieces)


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


def disagreement(data: bytes, checksums: Mapping[str, str], crc: Crc = CRC32) -> str:
    """Compare ``data`` with what a store says; return what differs, ``""`` when nothing that we know does."""
    found = {crc.name: f"{crc.extend(data, 0):08x}", "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
    for name, value in found.items():
        if name in checksums and checksums[name] != value:
            return f"{name} is {value}, the store says {checksums[name]}"
    return ""
