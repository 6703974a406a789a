"""Zip archives. Light to import: what reads and writes them is loaded when the first one is opened.

Read ``archive.py`` first; ``directory.py`` and ``end.py`` say which archives are believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.contract import ArchiveEntry, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Archive

__all__ = ["anystore_doe_archives", "open_zip"]


def open_zip() -> Archive:
    """Return what reads and writes zip archives."""
    from anystore_doe.builtin.zip.archive import ZipArchive

    return ZipArchive()


@hookimpl
def anystore_doe_archives() -> Iterable[ArchiveEntry]:
    """Offer zip."""
    return [
        ArchiveEntry(
            suffixes=(".zip",),
            magic=((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
            open=open_zip,
            summary="Zip archives (stored, deflate, bzip2, LZMA, ZIP64)",
            can_pack=True,
        )
    ]
