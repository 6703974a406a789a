"""Zip archives: read strictly, unpacked in two passes, packed the same way every time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.member_paths import Listing
from anystore_doe.builtin.archiving.unpacking import local_errors, write_members
from anystore_doe.builtin.zip.bodies import body
from anystore_doe.builtin.zip.directory import Packed, read_directory
from anystore_doe.builtin.zip.packing import pack_zip
from anystore_doe.contract import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anystore_doe.contract import Limits, Member, Watch


class ZipArchive(Archive):
    """Zip with stored, deflate, bzip2 and LZMA members, ZIP64 included.

    The directory is believed only where the header before each body says the same. Names are UTF-8 where the
    archive says so or they are valid UTF-8, else code page 437.
    """

    def members(self, file: Path, limits: Limits) -> list[Member]:
        """See the contract. Only the directory and the headers are read, no body."""
        with _directory(file, limits) as (_, listing, _):
            return listing.members

    def unpack(self, file: Path, folder: Path, limits: Limits, *, watch: Watch) -> list[Member]:
        """See the contract."""
        with _directory(file, limits) as (fd, listing, packed):
            bodies = [(member, ()) for member in listing.members if member.folder]
            write_members(
                file.name,
                folder,
                listing.members,
                [*bodies, *((one.member, body(fd, file.name, one)) for one in packed)],
                limits,
                watch=watch,
            )
            return listing.members

    def pack(self, folder: Path, file: Path) -> None:
        """See the contract. The same files give the same bytes: no times, sorted, deflate by ISA-L."""
        pack_zip(folder, file)


@contextmanager
def _directory(file: Path, limits: Limits) -> Iterator[tuple[int, Listing, list[Packed]]]:
    """Open ``file`` once for both passes."""
    with local_errors("read", file):
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            listing = Listing(file.name, limits)
            yield fd, listing, read_directory(fd, listing)
        finally:
            os.close(fd)
