"""Tar archives, plain and compressed: read twice, strictly; packed the same way every time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.member_paths import Listing
from anystore_doe.builtin.archiving.unpacking import local_errors, write_members
from anystore_doe.builtin.tar.headers import walk
from anystore_doe.builtin.tar.packing import pack_tar
from anystore_doe.builtin.tar.streams import Bytes
from anystore_doe.contract import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anystore_doe.contract import Limits, Member, Watch


class TarArchive(Archive):
    """Tar in the formats ustar, pax, GNU and V7. Links and sparse files are refused.

    ``Limits.ratio`` holds for the whole archive: what is packed together has no packed size of its own.
    """

    def __init__(self, compression: str = "") -> None:
        """Read and write this ``compression``: ``""``, ``gz``, ``bz2``, ``xz`` or ``zst``."""
        self._compression = compression

    def members(self, file: Path, limits: Limits) -> list[Member]:
        """See the contract. The whole file is read."""
        with _opened(file) as fd:
            return self._members(fd, file.name, limits)

    def _members(self, fd: int, name: str, limits: Limits) -> list[Member]:
        listing = Listing(name, limits)
        for _ in walk(Bytes(fd, self._compression, listing), listing):
            pass  # the second pass takes the bytes
        return listing.members

    def unpack(self, file: Path, folder: Path, limits: Limits, *, watch: Watch) -> list[Member]:
        """See the contract. The file is read twice."""
        with _opened(file) as fd:
            members = self._members(fd, file.name, limits)
            again = self._bodies(fd, file.name, limits, members)
            write_members(file.name, folder, members, again, limits, watch=watch)
            return members

    def _bodies(
        self, fd: int, name: str, limits: Limits, members: list[Member]
    ) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield the members once more, with their bytes; they are what the first pass has checked, or refused."""
        listing = Listing(name, limits)
        count = 0
        for member, body in walk(Bytes(fd, self._compression, listing), listing):
            if count >= len(members) or members[count] != member:
                listing.refuse("changed", "it was changed while it was unpacked")
            count += 1
            yield member, body
        if count != len(members):
            listing.refuse("changed", "it was changed while it was unpacked")

    def pack(self, folder: Path, file: Path) -> None:
        """See the contract. The same files give the same bytes."""
        pack_tar(folder, file, self._compression)


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    with local_errors("read", file):
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
