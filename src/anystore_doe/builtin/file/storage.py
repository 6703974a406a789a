"""Object semantics on a local (or mounted) file system."""

# Descriptors and flags that pathlib does not have, on the path of every small run:
# ruff: noqa: PTH103, PTH108, PTH114, PTH116, PTH120

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from anystore_doe.builtin.disk.errors import resource_error, store_error
from anystore_doe.builtin.disk.whole_file import (
    NewFile,
    can_be_unnamed,
    copy_bytes,
    is_regular,
    is_temporary,
    pin_of,
)
from anystore_doe.builtin.file.content import READ, fill, read_range
from anystore_doe.builtin.file.lock import LockUnsupportedError, held
from anystore_doe.builtin.file.options import FileOptions
from anystore_doe.builtin.file.sync import FolderSync
from anystore_doe.contract import Capabilities, Storage
from anystore_doe.errors import (
    AnystoreDoeError,
    InputChangedError,
    IntegrityError,
    LocalResourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    UnsupportedError,
)
from anystore_doe.model import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from anystore_doe.contract import Watch


class FileStorage(Storage):
    """Files as objects: keys are absolute paths without the leading ``/``.

    A pin is size, mtime_ns, ctime_ns and inode: a change is not seen when a file is changed in place, to the same
    size, within one tick of the kernel's clock (at most 10 ms, see inode(7)) of the moment it was pinned. What
    ``push`` writes gets an mtime of its own in nanoseconds, so that two of its versions always differ.

    A symbolic link that is named by a key is followed; one that is met while walking is no object. What
    ``replacing`` and the other writes of this class promise each other does not bind programs that write the
    same files themselves. Where the file system has no flock(2), ``replacing`` raises UnsupportedError.
    """

    url = "file://"
    capabilities = Capabilities(
        list=True,
        write=True,
        delete=True,
        ranges=True,
        create_only=True,
        compare_and_set=True,
        pinned_reads=True,
    )

    def __init__(self, options: FileOptions | None = None) -> None:
        """Ask the system what it can do; touch no file of the user's."""
        self._unnamed = can_be_unnamed()
        self._full = (options or FileOptions()).durability == "full"
        self._folders = FolderSync()

    def _path(self, doing: str, key: str) -> str:
        parts = key.split("/")
        if "\0" in key or "" in parts or "." in parts or ".." in parts:
            if doing != "push" and (not key or key.endswith("/")):
                raise ObjectNotFoundError(doing, self.url_of(key), "it names a folder, not a file")
            raise StorageError(doing, self.url_of(key), "the key has an empty, '.' or '..' part, or a NUL")
        if not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError as error:
                raise StorageError(doing, self.url_of(key), "the key is not valid Unicode") from error
        if parts[-1].startswith(".anystore-") and is_temporary(parts[-1]):
            raise StorageError(doing, self.url_of(key), "names of this kind are kept for files that are not complete")
        return "/" + key

    def stat(self, key: str) -> ObjectInfo:
        """See the contract."""
        path = self._path("stat", key)
        try:
            found = os.stat(path)
        except OSError as error:
            raise store_error("stat", self.url_of(key), error) from error
        return self._regular("stat", key, found)

    def _regular(self, doing: str, key: str, found: os.stat_result) -> ObjectInfo:
        if not is_regular(found):
            raise ObjectNotFoundError(doing, self.url_of(key), "it is a folder or a device, not a file")
        return ObjectInfo(key=key, size=found.st_size, pin=pin_of(found), modified_at=found.st_mtime)

    def _open(self, doing: str, key: str, pin: str | None) -> tuple[int, ObjectInfo]:
        """Open a regular file for reading and check its version; a device is not even opened."""
        path = self._path(doing, key)
        try:
            self._regular(doing, key, os.stat(path))
            fd = os.open(path, READ)
        except OSError as error:
            raise error if isinstance(error, StorageError) else store_error(doing, self.url_of(key), error) from error
        try:
            info = self._regular(doing, key, os.fstat(fd))
            if pin is not None and info.pin != pin:
                raise InputChangedError(doing, self.url_of(key), f"pinned was {pin}, and now there is {info.pin}")
        except BaseException:
            os.close(fd)
            raise
        return fd, info

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract. Bytes that were changed while they were read are never returned."""
        fd, info = self._open("read", key, pin)
        try:
            start = max(0, info.size + start) if start < 0 else start
            end = info.size if end is None else min(end, info.size)
            data = read_range(fd, start, end)
            after = os.fstat(fd)
            # Not the whole pin: ctime also changes when the name is given to a newer file, and these bytes are whole.
            if (after.st_size, after.st_mtime) != (info.size, info.modified_at) or len(data) != max(0, end - start):
                raise InputChangedError("read", self.url_of(key), "it was changed while it was read")
        except OSError as error:
            raise error if isinstance(error, StorageError) else store_error("read", self.url_of(key), error) from error
        finally:
            os.close(fd)
        return data

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """See the contract. ``dest`` is not synced: it lies in a work folder."""
        url = self.url_of(key)
        watch.check(url)
        fd, info = self._open("fetch", key, pin)
        try:
            with NewFile(os.fspath(dest), unnamed=self._unnamed) as part:
                copied = copy_bytes(fd, part.fd, info.size, watch)
                now = pin_of(os.fstat(fd))
                if now != info.pin or copied != info.size:
                    raise InputChangedError("fetch", url, f"it was {info.pin}, and {now} after {copied} bytes")
                part.replace()
        except AnystoreDoeError:
            raise
        except OSError as error:
            if error.errno == errno.EIO:
                raise store_error("fetch", url, error) from error
            full = resource_error(f"fetch {url} into", str(dest), error)
            raise full or LocalResourceError(f"fetch {url}: can not write {dest}: {error.strerror}") from error
        finally:
            os.close(fd)
        return info

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract. Symbolic links are left out, and files that a writer has not completed."""
        folders = [self._path("list", prefix) if prefix else ""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder or "/") as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(f"{folder}/{entry.name}")
                        elif entry.is_file(follow_symlinks=False) and not is_temporary(entry.name):
                            yield from self._listed(folder, entry)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it was removed meanwhile, or the prefix is no folder: it holds nothing
            except AnystoreDoeError:
                raise
            except OSError as error:
                raise store_error("list", f"file://{folder}", error) from error

    def _listed(self, folder: str, entry: os.DirEntry[str]) -> Iterator[ObjectInfo]:
        key = f"{folder}/{entry.name}".lstrip("/")
        if not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError as error:
                raise StorageError("list", self.url_of(key), "a file name here is not valid UTF-8") from error
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        yield self._regular("list", key, found)

    def push(
        self,
        source: Path | bytes,
        key: str,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,
        watch: Watch,
    ) -> ObjectInfo:
        """See the contract. A symbolic link as ``source`` is refused."""
        durable = durable and self._full
        info = self._push(source, key, create_only, replacing, durable, watch)
        if durable:
            self._sync([key])
        return info

    def push_many(
        self,
        items: Sequence[tuple[Path, str]],
        *,
        create_only: bool = False,
        durable: bool = True,
        watch: Watch,
    ) -> list[ObjectInfo]:
        """See the contract. Every folder is synced once, after all files."""
        durable = durable and self._full
        infos = [self._push(source, key, create_only, None, durable, watch) for source, key in items]
        if durable:
            self._sync([key for _, key in items])
        return infos

    def _sync(self, keys: Iterable[str]) -> None:
        try:
            self._folders.sync({os.path.dirname("/" + key) for key in keys})
        except OSError as error:
            raise store_error("push", error.filename or self.url, error) from error

    def _push(
        self,
        source: Path | bytes,
        key: str,
        create_only: bool,
        replacing: str | None,
        durable: bool,
        watch: Watch,
    ) -> ObjectInfo:
        url = self.url_of(key)
        path = self._path("push", key)
        watch.check(url)
        try:
            with self._new_file(path) as part:
                size = fill(part.fd, source, url, watch)
                now = time.time_ns()
                os.utime(part.fd, ns=(now, now))
                if durable:
                    os.fsync(part.fd)
                watch.check(url)
                if create_only:
                    part.create()
                else:
                    self._replace(part, path, url, replacing)
                info = self._regular("push", key, os.fstat(part.fd))
        except AnystoreDoeError:
            raise
        except FileExistsError as error:
            raise ObjectExistsError("push", url) from error
        except OSError as error:
            raise store_error("push", url, error) from error
        if info.size != size:
            raise IntegrityError("push", url, f"{size} bytes were written, and the file has {info.size}")
        return info

    def _new_file(self, path: str) -> NewFile:
        try:
            return NewFile(path, unnamed=self._unnamed)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return NewFile(path, unnamed=self._unnamed)

    def _replace(self, part: NewFile, path: str, url: str, replacing: str | None) -> None:
        """Give ``part`` its name, between nobody else's look at what has it now and theirs."""
        while True:
            try:
                with held(path) as found:
                    if replacing is not None and (found is None or pin_of(found) != replacing):
                        now = pin_of(found) if found else "none"
                        raise PreconditionFailedError(
                            "push", url, f"{replacing} was to be replaced, and there is {now}"
                        )
                    if found is None and not os.path.islink(path):
                        part.create()
                    else:
                        part.replace()
                    return
            except FileExistsError:
                continue  # it was created since we looked
            except LockUnsupportedError as error:
                if replacing is not None:
                    raise UnsupportedError("push", url, "this file system has no locks (flock)") from error
                part.replace()
                return

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract. Folders that become empty stay."""
        for key in keys:
            path = self._path("delete", key)
            try:
                self._delete(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise store_error("delete", self.url_of(key), error) from error

    @staticmethod
    def _delete(path: str) -> None:
        found = os.lstat(path)
        if not is_regular(found):
            if os.path.islink(path):
                os.unlink(path)
            return  # a folder is no object: there is nothing to delete
        try:
            with held(path) as now:
                if now is not None:
                    os.unlink(path)
        except LockUnsupportedError:
            os.unlink(path)
