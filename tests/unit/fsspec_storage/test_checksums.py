"""Checksums of pieces are those of the whole."""

from __future__ import annotations

import hashlib
import zlib

from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.fsspec_storage.checksums import Crc, disagreement, file_md5, joined_crc32


def crc32c(data: bytes, crc: int = 0) -> int:
    """CRC-32C bit by bit (RFC 3720, appendix B.4)."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


CRC32C = Crc(name="crc32c", polynomial=0x82F63B78, extend=crc32c)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_the_joined_crc_is_that_of_the_concatenation(pieces):
    assert joined_crc32([(zlib.crc32(piece), len(piece)) for piece in pieces]) == zlib.crc32(b"".join(pieces))


def test_the_joined_crc_of_large_pieces():
    pieces = [bytes([n]) * (2**20 + n) for n in range(5)]
    assert joined_crc32((zlib.crc32(piece), len(piece)) for piece in pieces) == zlib.crc32(b"".join(pieces))


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_pieces_are_joined_by_the_polynomial_of_their_crc(pieces):
    assert crc32c(b"123456789") == 0xE3069283
    assert CRC32C.joined([(crc32c(piece), len(piece)) for piece in pieces]) == crc32c(b"".join(pieces))


def test_a_files_md5_and_what_was_read(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "f").write_bytes(data)
    seen: list[int] = []
    assert file_md5(tmp_path / "f", seen.append) == hashlib.md5(data).hexdigest()
    assert sum(seen) == len(data)


def test_disagreement_names_what_differs_and_ignores_what_it_does_not_know():
    assert disagreement(b"a", {"md5": hashlib.md5(b"a").hexdigest(), "sha999": "0"}) == ""
    assert "md5 is" in disagreement(b"b", {"md5": hashlib.md5(b"a").hexdigest()})
    assert "crc32 is" in disagreement(b"b", {"crc32": "00000000"})
    assert disagreement(b"a", {"crc32c": f"{crc32c(b'a'):08x}", "crc32": "00000000"}, CRC32C) == ""
    assert "crc32c is" in disagreement(b"b", {"crc32c": "00000000"}, CRC32C)
