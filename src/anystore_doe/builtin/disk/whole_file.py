"""Write a local file whole or not at all: an unnamed file that gets its name when it is complete."""

# Descriptors and flags that pathlib does not have, on the path of every small run:
# ruff: noqa: PTH105, PTH108, PTH112, PTH118, PTH120

from __future__ import annotations

import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from anystore_doe.contract import Watch

CHUNK = 2**20
"""Bytes between two looks at the watch."""

_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}


def is_temporary(name: str) -> bool:
    """Tell whether ``name`` is one that :class:`NewFile` gives to a file that is not complete."""
    return name.startswith(".anystore-") and name.endswith(".part")


def temporary_name() -> str:
    """Return a new name of the kind that :func:`is_temporary` knows."""
    return f".anystore-{secrets.token_hex(8)}.part"


def can_be_unnamed() -> bool:
    """Tell whether this system has unnamed files, and /proc, through which they get a name (open(2), O_TMPFILE)."""
    return hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")


class NewFile:
    """A new file in the folder of ``path`` that nobody sees until :meth:`create` or :meth:`replace`.

    Where the file system has unnamed files (``O_TMPFILE``, see open(2)) a killed writer leaves nothing at all;
    elsewhere, and for the moment between two calls of :meth:`replace`, the file has a temporary name.
    Left without either call, the context manager removes it. ``fd`` is open for writing.
    """

    def __init__(self, path: str, *, unnamed: bool) -> None:
        """Open it; ``unnamed`` is what :func:`can_be_unnamed` says.

        Raises:
            OSError: the folder is not there, or can not be written.
        """
        self._path = path
        self._folder = os.path.dirname(path) or "."
        self._named = ""
        self.fd = self._open(unnamed)

    def _open(self, unnamed: bool) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        if unnamed:
            try:
                return os.open(self._folder, flags | os.O_TMPFILE, 0o666)
            except OSError as error:
                if error.errno not in _NO_UNNAMED_FILES:
                    raise
        self._named = os.path.join(self._folder, temporary_name())
        return os.open(self._named, flags | os.O_CREAT | os.O_EXCL, 0o666)

    def _link(self, path: str) -> None:
        if self._named:
            os.link(self._named, path)
        else:
            # src_dir_fd is ignored for an absolute path, but makes Python call linkat(2), which follows the link.
            os.link(f"/proc/self/fd/{self.fd}", path, src_dir_fd=self.fd, follow_symlinks=True)

    def create(self) -> None:
        """Give it its name if nothing has that name; atomic.

        Raises:
            FileExistsError: something has.
        """
        self._link(self._path)
        if self._named:
            os.unlink(self._named)
            self._named = ""

    def replace(self) -> None:
        """Give it its name, whatever had it before; atomic."""
        if not self._named:
            named = os.path.join(self._folder, temporary_name())
            self._link(named)
            self._named = named
        os.replace(self._named, self._path)
        self._named = ""

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, and remove it when it got no name."""
        os.close(self.fd)
        if self._named:
            try:
                os.unlink(self._named)
            except FileNotFoundError:
                pass  # its folder was removed meanwhile


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``; write(2) may take less at once."""
    done = os.write(fd, data)
    if done < len(data):
        view = memoryview(data)
        while done < len(data):
            done += os.write(fd, view[done:])


def copy_bytes(source: int, dest: int, size: int, watch: Watch) -> int:
    """Copy up to ``size`` bytes from the start of one file to the start of another, inside the kernel where it can.

    Returns:
        Bytes copied; less than ``size`` when the source is shorter.

    Raises:
        CancelledTransferError: the watch was cancelled.
    """
    done = _copy_in_kernel(source, dest, size, watch) if hasattr(os, "copy_file_range") else 0
    while done < size:
        data = os.pread(source, min(CHUNK, size - done), done)
        if not data:
            break
        os.lseek(dest, done, os.SEEK_SET)
        write_all(dest, data)
        done += len(data)
        watch.advance(len(data))
    return done


def _copy_in_kernel(source: int, dest: int, size: int, watch: Watch) -> int:
    done = 0
    while done < size:
        try:
            n = os.copy_file_range(source, dest, min(CHUNK, size - done), done, done)
        except OSError as error:
            # Other file systems, old kernels and network file systems do not know it; the caller then copies itself.
            if error.errno not in {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}:
                raise
            break
        if n == 0:
            break
        done += n
        watch.advance(n)
    return done


def pin_of(found: os.stat_result) -> str:
    """Name the version of a file: size, mtime_ns, ctime_ns and inode."""
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"


def is_regular(found: os.stat_result) -> bool:
    """Tell whether it is a regular file."""
    return stat.S_ISREG(found.st_mode)
