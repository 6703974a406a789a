"""Hold the file that has a name now, so that checking its version and replacing it is one step."""

# Descriptors and flags that pathlib does not have, on the path of every small run:
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.builtin.disk.whole_file import is_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60.0
"""How long to wait for a lock that is held for microseconds; longer means that its holder is stopped."""

_OPEN = os.O_NONBLOCK | os.O_CLOEXEC


class LockUnsupportedError(Exception):
    """The file system has no flock(2)."""


@contextmanager
def held(path: str) -> Iterator[os.stat_result | None]:
    """Lock the file that ``path`` names now, and yield its status; ``None`` when there is none.

    The lock is flock(2) on the file itself: there is no lock file that could be left behind or be taken for an
    output. Whoever replaced or removed the file held the lock of the old one; so after waiting for a lock, the
    name is looked up again, until it still names what was locked.

    Raises:
        LockUnsupportedError: the file system has no flock(2).
        TimeoutError: somebody holds the lock for :data:`PATIENCE_S`.
        OSError: the file can not be opened, or is no regular file.
    """
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | _OPEN)
        except FileNotFoundError:
            yield None
            return
        try:
            fd = _locked(fd, path)
            found = _still_named(fd, path)
            if found is not None:
                yield found
                return
        finally:
            os.close(fd)


def _locked(fd: int, path: str) -> int:
    """Lock ``fd`` and return it, or the one that it had to be exchanged for."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "somebody holds its lock", path) from None
            time.sleep(0.001)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise LockUnsupportedError from error
            # NFS turns flock(2) into a lock of the server, which asks for a file open for writing.
            writable = os.open(path, os.O_RDWR | _OPEN)
            os.dup2(writable, fd, inheritable=False)
            os.close(writable)
        else:
            return fd


def _still_named(fd: int, path: str) -> os.stat_result | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not os.path.samestat(found, os.fstat(fd)):
        return None
    if not is_regular(found):
        raise OSError(errno.EISDIR, "not a regular file", path)
    return found
