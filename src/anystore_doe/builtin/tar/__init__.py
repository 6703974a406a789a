"""Tar archives, alone and in four compressions. Light to import: the rest is loaded when the first one is opened.

Read ``archive.py`` first; ``headers.py`` says which members are believed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anystore_doe.builtin.tar.formats import MAGIC, SUFFIXES
from anystore_doe.contract import ArchiveEntry, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Archive

__all__ = ["anystore_doe_archives", "open_tar"]


def open_tar(compression: str) -> Archive:
    """Return what reads and writes tars in this ``compression``: a key of ``MAGIC``, or ``""``."""
    from anystore_doe.builtin.tar.archive import TarArchive

    return TarArchive(compression)


@hookimpl
def anystore_doe_archives() -> Iterable[ArchiveEntry]:
    """Offer tar, alone and in four compressions."""
    yield ArchiveEntry(
        suffixes=(".tar",),
        magic=((257, b"ustar"),),
        open=partial(open_tar, ""),
        summary="Tar archives (ustar, pax, GNU, V7)",
        can_pack=True,
    )
    for compression, suffixes in SUFFIXES.items():
        yield ArchiveEntry(
            suffixes=suffixes,
            magic=((0, MAGIC[compression]),),
            open=partial(open_tar, compression),
            summary=f"Tar archives, {compression}",
            can_pack=True,
        )
