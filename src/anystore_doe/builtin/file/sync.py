"""Make names survive a power cut, without syncing the same folder again and again."""

# Descriptors and flags that pathlib does not have, on the path of every small run:
# ruff: noqa: PTH120

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 10_000
"""Folders that are remembered at once; beyond that all are forgotten, and a few are synced once more."""


class FolderSync:
    """Syncs folders, and once each of their parents; thread-safe.

    A file survives when its folder was synced, the folder when *its* folder was, and so on up. A folder may have
    been made by a write that was not durable, or by a process that was killed, so nothing is taken for granted
    but what was synced here. It is assumed that nobody removes and remakes such a folder meanwhile.
    """

    def __init__(self) -> None:
        """Know of no folder."""
        self._safe: set[str] = set()
        self._lock = threading.Lock()

    def sync(self, folders: Iterable[str]) -> None:
        """Make the names in ``folders`` (absolute paths), and the folders themselves, survive.

        Raises:
            OSError: a folder is not there, or the disk failed.
        """
        todo = set(folders)
        above: set[str] = set()
        for folder in todo:
            above |= self._unsafe_above(folder)
        for folder in todo:
            sync_folder(folder)
        for parent in {os.path.dirname(folder) for folder in above} - todo:
            try:
                sync_folder(parent)
            except PermissionError:
                continue  # we may not open it, so we made nothing in it
        with self._lock:
            if len(self._safe) > _MOST:
                self._safe.clear()
            self._safe |= above

    def _unsafe_above(self, folder: str) -> set[str]:
        """Return ``folder`` and its parents, as far as their own names are not known to be safe."""
        found: set[str] = set()
        with self._lock:
            while folder != "/" and folder not in self._safe:
                found.add(folder)
                folder = os.path.dirname(folder)
        return found


def sync_folder(folder: str) -> None:
    """Make the names in ``folder`` survive a power cut, where the file system knows how.

    Raises:
        OSError: the folder is not there, may not be opened, or the disk failed.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(fd)
