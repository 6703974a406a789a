"""The compressions of a tar: how their files are called, and how they begin."""

from __future__ import annotations

SUFFIXES = {"gz": (".tar.gz", ".tgz"), "bz2": (".tar.bz2",), "xz": (".tar.xz",), "zst": (".tar.zst",)}

MAGIC = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd"}
"""What a compressed stream begins with (RFC 1952; bzip2; xz-file-format 2.1.1.1; RFC 8878)."""
