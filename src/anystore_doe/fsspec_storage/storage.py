"""Any fsspec file system as a storage, over its sync interface; no ``get`` and no ``put`` moves bytes.

fsspec's bulk transfers glob keys, stitch versions, and leave wrong files behind a failure. Here a file is read in
order into a part file, with the version looked at before and after; and written under a temporary name, read
back, and renamed.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from anystore_doe.contract import Capabilities, Storage, Watch
from anystore_doe.errors import (
    ChecksumError,
    InputChangedError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
)
from anystore_doe.fsspec_storage.listing import entries_of
from anystore_doe.fsspec_storage.mover import MIB, BytesSource, Source, local_side
from anystore_doe.fsspec_storage.retrying import RetryPolicy, again
from anystore_doe.fsspec_storage.translate import foreign
from anystore_doe.fsspec_storage.versions import modified_at, pin_from
from anystore_doe.model import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from anystore_doe.contract import StorageContext

T = TypeVar("T")

_READ_BACK = 64 * MIB
_TEMPORARY = re.compile(r"\.anystore-doe-[0-9a-f]{16}\.part")


class FsspecStorage(Storage):
    """A file system that fsspec can open; made on first use, and made again after its connection was lost."""

    capabilities = Capabilities(list=True, write=True, delete=True, ranges=True)

    def __init__(
        self,
        url: str,
        make: Callable[[], Any],
        prefix: str,
        context: StorageContext,
        *,
        policy: RetryPolicy | None = None,
    ) -> None:
        """Open a location; touches no network.

        Args:
            url: The root, without secrets.
            make: Makes the file system; may connect.
            prefix: What stands before a key in the file system's paths.
            context: The budget is used.
            policy: How often a transfer is tried again; default: 3 times.
        """
        self.url = url
        self._make = make
        self._prefix = prefix
        self._context = context
        self._policy = policy or RetryPolicy(attempts=3)
        self._lock = threading.Lock()
        self._made: Any = None
        self._bound = threading.local()

    @property
    def _fs(self) -> Any:
        """The file system that this thread works with at the moment."""
        return self._bound.fs

    @contextmanager
    def _at_work(self, doing: str, url: str) -> Iterator[None]:
        """Bind a file system to this thread; one that failed is not used again."""
        if getattr(self._bound, "fs", None) is not None:
            yield
            return
        fs = self._bound.fs = self._let_in(doing, url)
        broken = False
        try:
            with foreign(doing, url):
                yield
        except StorageError as error:
            broken = error.retryable
            raise
        finally:
            self._bound.fs = None
            self._give_back(fs, broken=broken)

    def _acquire(self) -> Any:
        """Give a file system to the calling thread; here all share one."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _give_back(self, fs: Any, *, broken: bool) -> None:
        with self._lock:
            if broken and self._made is fs:
                self._made = None

    def close(self) -> None:
        """See the contract."""
        with self._lock:
            self._made = None

    def _path(self, doing: str, key: str) -> str:
        """Return the path of ``key``; on a file system a key is a path, so it must be a plain one."""
        parts = key.split("/")
        what = ""
        if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in key):
            what = "has control characters or is not valid Unicode"
        elif {"", ".", ".."} & set(parts):
            what = "has an empty part, '.' or '..'"
        elif any(len(part.encode()) > 255 for part in parts):
            what = "has a part of more than 255 bytes"
        if what:
            shown = key.encode(errors="replace").decode()
            raise UnsupportedError(doing, self.url_of(shown), f"the key {what}")
        return self._prefix + key

    def _again(self, doing: str, key: str, call: Callable[[], T], watch: Watch) -> T:
        """Call until it goes through; a lost connection is made anew."""

        def once() -> T:
            with self._at_work(doing, self.url_of(key)):
                return call()

        return again(self._policy, once, watch=watch, url=self.url)

    def _let_in(self, doing: str, url: str) -> Any:
        """Acquire a file system, again while the server lets nobody in: so far nothing was asked of it."""

        def once() -> Any:
            with foreign(doing, url):
                return self._acquire()

        try:
            return again(self._policy, once, watch=Watch(), url=url)
        except StorageError as error:
            error.retryable = False  # it was tried again
            raise

    def stat(self, key: str) -> ObjectInfo:
        """See the contract."""
        path = self._path("stat", key)
        return self._again("stat", key, lambda: self._stat("stat", key, path), Watch())

    def _stat(self, doing: str, key: str, path: str, pin: str | None = None) -> ObjectInfo:
        url = self.url_of(key)
        with foreign(doing, url):
            fs = self._fs
            fs.invalidate_cache()
            info = fs.info(path)
        found = self._described(key, info)
        if found is None:
            raise ObjectNotFoundError(doing, url, "that is a folder" if info.get("type") == "directory" else "")
        if found.size < 0:
            raise UnsupportedError(doing, url, "the store does not say how many bytes it has")
        if pin is not None and found.pin != pin:
            raise InputChangedError(doing, url, f"changed since it was pinned ({pin} -> {found.pin})")
        return found

    def _described(self, key: str, info: dict[str, Any]) -> ObjectInfo | None:
        if info.get("type") != "file":
            return None
        size = info.get("size")
        size = -1 if size is None else int(size)
        return ObjectInfo(key=key, size=size, pin=pin_from(info), modified_at=modified_at(info))

    @contextmanager
    def _opened(self, doing: str, key: str, path: str, info: ObjectInfo) -> Iterator[Any]:
        """Open a file for reading in order; never through a cache of whole files."""
        del info
        with foreign(doing, self.url_of(key)), self._fs.open(path, "rb", block_size=MIB) as file:
            yield file

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """See the contract; the version is looked at before and after."""
        path = self._path("fetch", key)
        watch.check(self.url_of(key))
        with self._context.budget.lease(4 * MIB, 4 * MIB, watch):
            return self._again("fetch", key, lambda: self._fetch(key, path, dest, pin, watch), watch)

    def _fetch(self, key: str, path: str, dest: Path, pin: str | None, watch: Watch) -> ObjectInfo:
        url = self.url_of(key)
        info = self._stat("fetch", key, path, pin)
        part = dest.parent / f".{secrets.token_hex(8)}.part"
        with local_side("write", dest):
            out = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                try:
                    size = self._copy_out(key, path, info, out, dest, watch)
                finally:
                    os.close(out)
                self._stat("fetch", key, path, info.pin)
                if size != info.size:
                    raise ChecksumError("fetch", url, f"{size} bytes arrived, the store says {info.size}")
                watch.check(url)
                part.replace(dest)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return info

    def _copy_out(self, key: str, path: str, info: ObjectInfo, out: int, dest: Path, watch: Watch) -> int:
        size = 0
        with self._opened("fetch", key, path, info) as file:
            while block := file.read(MIB):
                with local_side("write", dest):
                    view = memoryview(block)
                    while view:
                        view = view[os.write(out, view) :]
                size += len(block)
                watch.advance(len(block))
        return size

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract; one folder at a time, links are left out."""
        if not self.capabilities.list:
            raise UnsupportedError("list", self.url_of(prefix))
        folders = [self._path("list", prefix) if prefix else self._prefix.rstrip("/")]
        while folders:
            folder = folders.pop()
            with self._at_work("list", self.url_of(prefix)):
                entries = entries_of(self._fs, folder)
            inside = folder + "/"
            for entry in entries:
                name = str(entry["name"]).rstrip("/")
                name = name if name.startswith("/") or not inside.startswith("/") else "/" + name
                if not name.startswith(inside) or _TEMPORARY.fullmatch(name.rpartition("/")[2]):
                    continue
                if entry.get("type") == "directory":
                    folders.append(name)
                elif (found := self._listed(name, entry)) is not None:
                    yield found

    def _listed(self, name: str, entry: dict[str, Any]) -> ObjectInfo | None:
        return self._described(name.removeprefix(self._prefix), entry)

    def push(
        self,
        source: Path | bytes,
        key: str,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,  # noqa: ARG002  a file system behind fsspec has no fsync
        watch: Watch,
    ) -> ObjectInfo:
        """See the contract; written under a temporary name, then renamed."""
        url = self.url_of(key)
        path = self._path("push", key)
        if not self.capabilities.write:
            raise UnsupportedError("push", url)
        if create_only and not self.capabilities.create_only:
            raise UnsupportedError("push", url, "this store can not create only where nothing is")
        if replacing is not None and not self.capabilities.compare_and_set:
            raise UnsupportedError("push", url, "this store can not replace exactly one version")
        watch.check(url)
        opened: BytesSource | Source = BytesSource(source) if isinstance(source, bytes) else Source(source, url)
        try:
            with self._at_work("push", url):
                return self._written(opened, key, path, create_only=create_only, replacing=replacing, watch=watch)
        finally:
            opened.close()

    def _written(
        self,
        source: BytesSource | Source,
        key: str,
        path: str,
        *,
        create_only: bool,
        replacing: str | None,
        watch: Watch,
    ) -> ObjectInfo:
        """Write a new version; the conditions are for those whose capabilities have them."""
        del create_only, replacing
        folder, _, _ = path.rpartition("/")
        temporary = f"{folder}/.anystore-doe-{secrets.token_hex(8)}.part"
        with foreign("push", self.url_of(key)), self._context.budget.lease(2 * MIB, 2 * MIB, watch):
            self._refuse_folder(key, path)
            if folder:
                self._make_folder(folder)
            try:
                crc = self._copy_in(source, temporary, watch)
                self._check_copy(key, temporary, source.size, crc)
                self._rename(temporary, path)
            except BaseException:
                self._remove_quietly(temporary)
                raise
        return self._stat("push", key, path)

    def _refuse_folder(self, key: str, path: str) -> None:
        if self._fs.isdir(path):
            raise UnsupportedError("push", self.url_of(key), "there is a folder of this name")

    def _make_folder(self, folder: str) -> None:
        """Make a folder and its parents; others may make some of them at the same moment, and be told apart by no code.

        Whoever was faster made one folder more, so there is one try for each.
        """
        for _ in folder.split("/"):
            try:
                self._fs.makedirs(folder, exist_ok=True)
            except OSError:
                if self._fs.isdir(folder):
                    return
            else:
                return
        self._fs.makedirs(folder, exist_ok=True)

    def _copy_in(self, source: BytesSource | Source, temporary: str, watch: Watch) -> int:
        crc = 0
        with self._fs.open(temporary, "wb") as file:
            self._prepare_write(file)
            for start in range(0, source.size, MIB):
                _, block = source.read(1, start, min(MIB, source.size - start))
                file.write(block)
                crc = zlib.crc32(block, crc)
                watch.advance(len(block))
        return crc

    def _prepare_write(self, file: Any) -> None:
        """Set what makes writing in order faster."""

    def _check_copy(self, key: str, temporary: str, size: int, crc: int) -> None:
        """Read back what was written (to 64 MiB; above, its size must do): nothing else vouches for it."""
        url = self.url_of(key)
        info = self._described(key, self._fs.info(temporary))
        if info is None or info.size != size:
            raise ChecksumError("push", url, f"the store has {info.size if info else 'no'} bytes, {size} were sent")
        if size <= _READ_BACK:
            found = 0
            with self._opened("push", key, temporary, info) as file:
                while block := file.read(MIB):
                    found = zlib.crc32(block, found)
            if found != crc:
                raise ChecksumError("push", url, "what the store has is not what was sent")

    def _rename(self, temporary: str, path: str) -> None:
        self._fs.mv(temporary, path)

    def _remove_quietly(self, temporary: str) -> None:
        try:
            self._fs.rm_file(temporary)
        except Exception as error:  # noqa: BLE001  the failure that led here is the one to tell
            self._context.logger.debug("could not remove %s: %s", temporary, type(error).__name__)

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract."""
        if not self.capabilities.delete:
            raise UnsupportedError("delete", self.url)
        for key in keys:
            path = self._path("delete", key)
            with self._at_work("delete", self.url_of(key)):
                try:
                    if self._fs.info(path).get("type") == "directory":
                        continue
                    self._fs.rm_file(path)
                except FileNotFoundError:
                    continue
            if self.find(key) is not None:
                raise StorageError("delete", self.url_of(key), "it is still there")

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract; the version is looked at before and after."""
        path = self._path("read", key)
        return self._again("read", key, lambda: self._read(key, path, start, end, pin), Watch())

    def _read(self, key: str, path: str, start: int, end: int | None, pin: str | None) -> bytes:
        info = self._stat("read", key, path, pin)
        start = max(0, info.size + start) if start < 0 else start
        end = info.size if end is None else min(end, info.size)
        if end <= start:
            return b""
        with foreign("read", self.url_of(key)):
            data: bytes = self._fs.cat_file(path, start=start, end=end)
        self._stat("read", key, path, info.pin)
        if len(data) != end - start:
            raise StorageError(
                "read", self.url_of(key), f"{len(data)} bytes arrived, not {end - start}", retryable=True
            )
        return data
