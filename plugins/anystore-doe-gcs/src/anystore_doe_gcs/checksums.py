"""CRC-32C, the checksum that every object of Google Cloud Storage has, and how the store writes checksums."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import google_crc32c

from anystore_doe.fsspec_storage.checksums import Crc

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS = {"crc32c": "crc32c", "md5Hash": "md5"}


def extend(data: bytes, crc: int) -> int:
    """Return the CRC-32C of what ``crc`` is of, followed by ``data``."""
    found: int = google_crc32c.extend(crc, data)
    return found


CRC32C = Crc(name="crc32c", polynomial=0x82F63B78, extend=extend)


def written(value: str) -> str:
    """Return a checksum given in hex as the store writes it: base64 of its big-endian bytes."""
    return base64.b64encode(bytes.fromhex(value)).decode()


def checksums_of(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums in what the store says about an object, as lower-case hex.

    There is no MD5 of a composite object, and no checksum at all for who lacks a customer-supplied encryption key.
    """
    found = {}
    for name, ours in _OURS.items():
        try:
            found[ours] = base64.b64decode(resource[name], validate=True).hex()
        except (KeyError, TypeError, binascii.Error):
            continue
    return found


def checksums_in_header(header: str) -> dict[str, str]:
    """Return the checksums in the header ``x-goog-hash``, which is ``crc32c=...,md5=...``."""
    values = dict(one.strip().partition("=")[::2] for one in header.split(","))
    return checksums_of({name: values[ours] for name, ours in _OURS.items() if ours in values})
