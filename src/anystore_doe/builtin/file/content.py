"""Move the bytes of files: into a new file, and out of a range."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anystore_doe.builtin.disk.whole_file import copy_bytes, is_regular, pin_of, write_all
from anystore_doe.errors import IntegrityError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.contract import Watch

READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def fill(fd: int, source: Path | bytes, url: str, watch: Watch) -> int:
    """Write the bytes, or the content of the local file, into ``fd``; return their number."""
    if isinstance(source, bytes):
        write_all(fd, source)
        watch.advance(len(source))
        return len(source)
    try:
        local = os.open(source, READ | os.O_NOFOLLOW)
    except OSError as error:
        raise StorageError("push", url, f"the local file {source} can not be read: {error.strerror}") from error
    try:
        before = os.fstat(local)
        if not is_regular(before):
            raise StorageError("push", url, f"{source} is not a regular file")
        copied = copy_bytes(local, fd, before.st_size, watch)
        if pin_of(os.fstat(local)) != pin_of(before) or copied != before.st_size:
            raise IntegrityError("push", url, f"the local file {source} was changed while it was read")
    finally:
        os.close(local)
    return copied


def read_range(fd: int, start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end``; fewer when the file is shorter."""
    data = os.pread(fd, end - start, start) if end > start else b""
    if len(data) == end - start or not data:
        return data
    parts = [data]
    while data:  # one read(2) gives at most 2 GiB
        start += len(data)
        data = os.pread(fd, end - start, start)
        parts.append(data)
    return b"".join(parts)
