"""What names a version of a file, and when it was written, in fsspec's descriptions of files."""

from __future__ import annotations

from typing import Any

_VERSIONS = ("ETag", "etag", "version_id", "sha", "md5", "checksum")
_TIMES = ("mtime", "LastModified", "Last-Modified", "last_modified", "modify", "modified", "created")


def pin_from(info: dict[str, Any]) -> str | None:
    """Return what names the version in fsspec's description of a file: an ETag or digest, else size and time."""
    for name in _VERSIONS:
        if info.get(name):
            return str(info[name]).removeprefix('"').removesuffix('"')
    for name in _TIMES:
        value = info.get(name)
        if value:
            return f"{info.get('size')}-{value.isoformat() if hasattr(value, 'isoformat') else value}"
    return None


def modified_at(info: dict[str, Any]) -> float | None:
    """Return when a file was written in seconds since the epoch, ``None`` where that is not told."""
    for name in _TIMES:
        value: Any = info.get(name)
        if hasattr(value, "timestamp"):
            return float(value.timestamp())
    return None
