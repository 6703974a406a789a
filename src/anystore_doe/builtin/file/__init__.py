"""``file://`` and bare paths. Light to import: the storage is loaded when the first file is opened.

Read ``storage.py`` first: a store as a plugin writes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.builtin.file.options import FileOptions
from anystore_doe.builtin.file.urls import split
from anystore_doe.contract import StorageEntry, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Storage, StorageContext

__all__ = ["FileOptions", "anystore_doe_storages", "open_files", "split"]


def open_files(_url: str | None, options: FileOptions, _context: StorageContext) -> Storage:
    """Open the files of this machine; touches none of them."""
    from anystore_doe.builtin.file.storage import FileStorage

    return FileStorage(options)


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer ``file://``."""
    return [
        StorageEntry(
            schemes=("file",),
            open=open_files,
            options=FileOptions,
            split=split,
            summary="Files of this machine and of mounted file systems",
        )
    ]
