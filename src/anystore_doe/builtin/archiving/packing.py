"""What goes into an archive: the regular files below a folder, in order, under the rules that unpacking has."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.builtin.archiving.member_paths import Listing
from anystore_doe.builtin.archiving.unpacking import local_errors
from anystore_doe.builtin.disk.whole_file import NewFile, can_be_unnamed, is_temporary
from anystore_doe.contract import Limits
from anystore_doe.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to be packed; ``size`` is its bytes when it was found."""

    path: str
    file: str
    size: int
    executable: bool

    def chunks(self, archive: str) -> Iterator[bytes]:
        """Yield its bytes, exactly ``size`` of them; it is not opened through a link.

        Raises:
            ArchiveError: it has become shorter.
        """
        fd = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            left = self.size
            while left:
                chunk = os.read(fd, min(_CHUNK, left))
                if not chunk:
                    raise ArchiveError(archive, "changed", f"{self.path!r} became shorter while it was packed")
                left -= len(chunk)
                yield chunk
        finally:
            os.close(fd)


def sources(folder: Path, file: Path) -> list[Source]:
    """Return the regular files below ``folder``, sorted by path; links, devices and ``file`` itself are left out.

    Raises:
        ArchiveError: a name could not be unpacked again.
        OSError: a folder can not be read.
    """
    listing = Listing(file.name, Limits(total_bytes=2**62))
    found = []
    for source in sorted(_below(os.fspath(folder), ""), key=lambda source: source.path):
        if listing.add(source.path, size=source.size, executable=source.executable):
            found.append(source)
    return found


def _below(folder: str, prefix: str) -> Iterator[Source]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False) and not is_temporary(entry.name):
                found = entry.stat(follow_symlinks=False)
                yield Source(
                    path=prefix + entry.name,
                    file=entry.path,
                    size=found.st_size,
                    executable=bool(found.st_mode & stat.S_IXUSR),
                )


@contextmanager
def new_archive(file: Path) -> Iterator[int]:
    """Open the new archive for writing; it appears when the block ends well.

    Raises:
        ArchiveError: ``exists``.
        LocalResourceError: it can not be written, or what goes into it can not be read.
    """
    with local_errors("pack", file), NewFile(os.fspath(file), unnamed=can_be_unnamed()) as part:
        yield part.fd
        try:
            part.create()
        except FileExistsError as error:
            raise ArchiveError(file.name, "exists", f"{file} is there already") from error
