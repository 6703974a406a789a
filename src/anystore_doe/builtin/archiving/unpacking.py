"""The second pass of every archive: write checked members, all of them or none, and never outside the folder.

Everything is written into a new folder ``.anystore-<random>.part`` inside the target, through descriptors of
folders, so that no link can lead elsewhere; when all bodies are good it is moved to where it belongs. Only a
process that is killed in between leaves that folder behind.

Reasons (``ArchiveError.reason``) that are decided here: ``exists``, ``size-mismatch``.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.builtin.disk.errors import resource_error
from anystore_doe.builtin.disk.whole_file import temporary_name, write_all
from anystore_doe.errors import ArchiveError, LocalResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from anystore_doe.contract import Limits, Member, Watch

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def local_errors(doing: str, where: Path) -> Iterator[None]:
    """Turn errors of the operating system into :class:`LocalResourceError`."""
    try:
        yield
    except LocalResourceError:
        raise
    except OSError as error:
        full = resource_error(doing, str(where), error)
        raise full or LocalResourceError(f"{doing} {where}: {error.strerror or error}") from error


def write_members(
    archive: str,
    folder: Path,
    members: Sequence[Member],
    bodies: Iterable[tuple[Member, Iterable[bytes]]],
    limits: Limits,
    *,
    watch: Watch,
) -> None:
    """Write all members below ``folder``, or nothing.

    Args:
        archive: Its name, for messages.
        folder: Exists; may hold other files.
        members: All that will come, checked by :class:`~anystore_doe.builtin.archiving.member_paths.Listing`.
        bodies: The same members, in any order, each with its bytes; a body is read before the next is asked for,
            and raises ArchiveError where it finds damage.
        limits: What must stay free.
        watch: Sees the bytes.

    Raises:
        ArchiveError: a member exists in ``folder``, or a body is damaged or not as long as it should be.
        LocalResourceError: the disk is too small or full, or the folder can not be written.
    """
    with local_errors("unpack into", folder):
        target = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _check_room(target, folder, members, limits)
            _check_absent(archive, target, members)
            name = temporary_name()
            os.mkdir(name, 0o777, dir_fd=target)
            try:
                _write_and_move(archive, target, name, bodies, watch)
            finally:
                shutil.rmtree(name, ignore_errors=True, dir_fd=target)
        finally:
            os.close(target)


def _write_and_move(
    archive: str, target: int, name: str, bodies: Iterable[tuple[Member, Iterable[bytes]]], watch: Watch
) -> None:
    root = os.open(name, _FOLDER, dir_fd=target)
    try:
        with Tree(root) as tree:
            for member, body in bodies:
                _write(archive, tree, member, body, watch)
        Mover(archive, root, target).move_all()
    finally:
        os.close(root)


def _check_room(target: int, folder: Path, members: Sequence[Member], limits: Limits) -> None:
    disk = os.fstatvfs(target)
    block = disk.f_frsize or 4096
    needed = sum(-(-member.size // block) * block for member in members)
    free = disk.f_bavail * block
    if needed > free - limits.keep_free_bytes:
        raise LocalResourceError(
            f"unpack into {folder}: {needed} bytes are needed and {free} are free, "
            f"of which {limits.keep_free_bytes} must stay free",
            hint=f"df -h '{folder}'  or  --scratch on a larger disk",
        )
    if disk.f_files and len(members) > disk.f_favail:
        raise LocalResourceError(
            f"unpack into {folder}: {len(members)} files are to be made and {disk.f_favail} can be",
            hint=f"df -i '{folder}'",
        )


def _check_absent(archive: str, target: int, members: Sequence[Member]) -> None:
    """Refuse a member whose place is taken; a folder may be there already."""
    here = set(os.listdir(target))
    for member in members:
        first, _, rest = member.path.partition("/")
        if first not in here:
            continue
        parts = member.path.split("/")
        if not rest and not member.folder:
            raise ArchiveError(archive, "exists", f"{member.path!r} is in the folder already")
        _check_below(archive, target, member, parts)


def _check_below(archive: str, target: int, member: Member, parts: list[str]) -> None:
    at = os.dup(target)
    try:
        for i, part in enumerate(parts):
            try:
                found = os.stat(part, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                return
            last = i == len(parts) - 1
            if not stat.S_ISDIR(found.st_mode) or (last and not member.folder):
                raise ArchiveError(archive, "exists", f"{'/'.join(parts[: i + 1])!r} is in the folder already")
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
    finally:
        os.close(at)


class Tree:
    """Folders below a descriptor, made on demand and opened part by part, never through a link."""

    def __init__(self, root: int) -> None:
        """Begin at ``root``, which stays the caller's."""
        self._root = root
        self._open: list[tuple[str, int]] = []

    def folder(self, parts: Sequence[str]) -> int:
        """Return the descriptor of the folder; it is the tree's, and good until the next call."""
        keep = 0
        while keep < len(parts) and keep < len(self._open) and self._open[keep][0] == parts[keep]:
            keep += 1
        self._close(keep)
        for part in parts[keep:]:
            above = self._open[-1][1] if self._open else self._root
            try:
                os.mkdir(part, 0o777, dir_fd=above)
            except FileExistsError:
                pass  # an entry of its own, or the parent of an earlier one; the next line makes sure of it
            self._open.append((part, os.open(part, _FOLDER, dir_fd=above)))
        return self._open[-1][1] if self._open else self._root

    def _close(self, keep: int) -> None:
        while len(self._open) > keep:
            os.close(self._open.pop()[1])

    def __enter__(self) -> Tree:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all that is open."""
        self._close(0)


def _write(archive: str, tree: Tree, member: Member, body: Iterable[bytes], watch: Watch) -> None:
    parts = member.path.split("/")
    if member.folder:
        tree.folder(parts)
        watch.check()
        return
    fd = os.open(parts[-1], _NEW, 0o777 if member.executable else 0o666, dir_fd=tree.folder(parts[:-1]))
    try:
        written = 0
        for chunk in body:
            written += len(chunk)
            if written > member.size:
                break
            write_all(fd, chunk)
            watch.advance(len(chunk))
        watch.check()
    finally:
        os.close(fd)
    if written != member.size:
        than = "more than" if written > member.size else f"{written} of"
        raise ArchiveError(archive, "size-mismatch", f"{member.path!r} has {than} the {member.size} bytes it should")


class Mover:
    """Moves what lies in one folder into another, and back again when something is in the way."""

    def __init__(self, archive: str, source: int, target: int) -> None:
        """Begin with nothing moved; both descriptors stay the caller's."""
        self._archive = archive
        self._source = source
        self._target = target
        self._moved: list[str] = []

    def move_all(self) -> None:
        """Move everything.

        Raises:
            ArchiveError: a name was taken meanwhile; everything is back where it was then.
        """
        try:
            self._move(self._source, self._target, "")
        except BaseException:
            for path in reversed(self._moved):
                os.rename(path, path, src_dir_fd=self._target, dst_dir_fd=self._source)
            raise

    def _move(self, source: int, target: int, prefix: str) -> None:
        for name in sorted(os.listdir(source)):
            if not stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
                self._move_file(name, source, target, prefix)
            elif not self._move_folder(name, source, target, prefix):
                self._move_below(name, source, target, prefix)

    def _move_below(self, name: str, source: int, target: int, prefix: str) -> None:
        here = os.open(name, _FOLDER, dir_fd=source)
        try:
            there = os.open(name, _FOLDER, dir_fd=target)
            try:
                self._move(here, there, f"{prefix}{name}/")
            finally:
                os.close(there)
        finally:
            os.close(here)

    def _move_file(self, name: str, source: int, target: int, prefix: str) -> None:
        """Link and unlink: unlike rename(2), link(2) does not replace what is there."""
        try:
            os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            raise ArchiveError(self._archive, "exists", f"{prefix + name!r} appeared in the folder meanwhile") from None
        except OSError as error:
            # File systems without hard links (vfat, some network file systems); the name was free a moment ago.
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
        else:
            os.unlink(name, dir_fd=source)
        self._moved.append(prefix + name)

    def _move_folder(self, name: str, source: int, target: int, prefix: str) -> bool:
        """Rename a whole folder; tell whether that went, or there is one already that it has to go into."""
        try:
            os.mkdir(name, 0o777, dir_fd=target)
        except FileExistsError:
            return False
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)  # rename(2) replaces an empty folder only
        self._moved.append(prefix + name)
        return True
