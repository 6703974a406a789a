"""Objects of hello://NAME/KEY, in the SQLite database FOLDER/NAME.db: put your own store in its place."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.contract import Capabilities, Storage
from anystore_doe.errors import (
    InputChangedError,
    LocalResourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageError,
    UsageError,
    safe_url,
)
from anystore_doe_hello import database
from anystore_doe_hello.local import PIECE_BYTES, source_pieces, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anystore_doe.contract import Watch
    from anystore_doe.model import ObjectInfo
    from anystore_doe_hello import HelloOptions


class HelloStorage(Storage):
    """One database. Say nothing in ``capabilities`` that is not so: the engine relies on it, and the kit checks it."""

    capabilities = Capabilities(
        list=True,
        write=True,
        delete=True,
        ranges=True,
        create_only=True,
        compare_and_set=True,
        pinned_reads=True,
        checksums=True,
    )

    def __init__(self, url: str, options: HelloOptions) -> None:
        name = url.partition("://")[2]
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise UsageError(f"{safe_url(url)} names no store", hint="hello://NAME/KEY")
        self.url = url
        self._file = Path(options.folder).expanduser() / f"{name}.db"
        self._wait_s = options.wait_s

    def stat(self, key: str) -> ObjectInfo:
        with self._opened("stat", key) as db:
            return self._there("stat", key, database.find(db, key))

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        watch.check(self.url_of(key))
        with self._opened("fetch", key) as db:
            info = self._there("fetch", key, database.find(db, key), pin)
            with whole_file(dest) as file, database.content(db, info) as blob:
                while piece := blob.read(PIECE_BYTES):
                    file.write(piece)
                    watch.advance(len(piece))
        return info

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._opened("list", prefix) as db:
            found = database.find_below(db, f"{prefix}/" if prefix else "")
        yield from found

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        with self._opened("read", key) as db:
            info = self._there("read", key, database.find(db, key), pin)
            first, last, _ = slice(start, end).indices(info.size)
            with database.content(db, info) as blob:
                blob.seek(first)
                return blob.read(max(0, last - first))

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
        url = self.url_of(key)
        watch.check(url)
        if not key or key.startswith("/") or not key.isprintable():
            raise StorageError("push", url, "this is no key")
        with self._opened("push", key, write=True) as db, source_pieces(source, url, watch) as (size, pieces):
            there = database.find(db, key)
            if create_only and there is not None:
                raise ObjectExistsError("push", url)
            if replacing is not None and (there is None or there.pin != replacing):
                raise PreconditionFailedError("push", url)
            database.replace(db, key, size, pieces)
            return self._there("push", key, database.find(db, key))

    def delete(self, keys: Iterable[str]) -> None:
        with self._opened("delete", "", write=True) as db:
            db.executemany("DELETE FROM objects WHERE key = ?", ([key] for key in keys))

    def _there(self, doing: str, key: str, info: ObjectInfo | None, pin: str | None = None) -> ObjectInfo:
        if info is None:
            raise ObjectNotFoundError(doing, self.url_of(key))
        if pin is not None and info.pin != pin:
            raise InputChangedError(doing, self.url_of(key), f"it was {pin} and is {info.pin}")
        return info

    @contextmanager
    def _opened(self, doing: str, key: str, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the database. The one place where foreign errors become ours."""
        try:
            with database.opened(self._file, self._wait_s, write=write) as db:
                yield db
        except (StorageError, LocalResourceError):
            raise
        except (sqlite3.Error, OSError) as error:
            busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            raise StorageError(doing, self.url_of(key), str(error), retryable=busy) from error
