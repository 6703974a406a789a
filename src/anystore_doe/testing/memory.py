"""The reference storage: everything the contract asks for, in memory, as an example for plugin authors.

It is what the kit proves itself on, and what a test of an engine may run against. It is no plugin: nobody finds a
scheme for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.contract import Capabilities, Policy, Storage
from anystore_doe.errors import (
    InputChangedError,
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

    from anystore_doe.contract import Watch

PIECE_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One version of one object."""

    data: bytes
    pin: str
    modified_at: float


class MemoryStorage(Storage):
    """Objects in a dict, each version with a pin of its own; dies with the process."""

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

    def __init__(self, url: str = "reference://memory") -> None:
        """Start empty under the root ``url``."""
        self.url = url.rstrip("/")
        self._lock = threading.Lock()
        self._objects: dict[str, Held] = {}
        self._versions = itertools.count(1)

    def stat(self, key: str) -> ObjectInfo:
        """See the contract."""
        return self._info(key, self._get("stat", key))

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """See the contract."""
        watch.check(self.url_of(key))
        held = self._get("fetch", key, pin)
        with self._whole(dest) as sink:
            for start in range(0, len(held.data), PIECE_BYTES):
                piece = held.data[start : start + PIECE_BYTES]
                os.write(sink, piece)
                watch.advance(len(piece))
        return self._info(key, held)

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract."""
        below = f"{prefix}/" if prefix else ""
        with self._lock:
            found = [(key, held) for key, held in self._objects.items() if key.startswith(below)]
        for key, held in found:
            yield self._info(key, held)

    def push(
        self,
        source: Path | bytes,
        key: str,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,  # noqa: ARG002  nothing here survives a power cut, and the caller knows
        watch: Watch,
    ) -> ObjectInfo:
        """See the contract."""
        self._check_key(key)
        watch.check(self.url_of(key))
        data = source if isinstance(source, bytes) else self._read_source(source, key)
        for start in range(0, len(data), PIECE_BYTES):
            watch.advance(min(PIECE_BYTES, len(data) - start))
        with self._lock:
            there = self._objects.get(key)
            if create_only and there is not None:
                raise ObjectExistsError("push", self.url_of(key))
            if replacing is not None and (there is None or there.pin != replacing):
                raise PreconditionFailedError("push", self.url_of(key))
            held = Held(data=data, pin=f"v{next(self._versions)}", modified_at=time.time())
            self._objects[key] = held
        return self._info(key, held)

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract."""
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract."""
        data = self._get("read", key, pin).data
        first = max(0, len(data) + start) if start < 0 else start
        return data[first : len(data) if end is None else end]

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",  # noqa: ARG002  nobody is named here
    ) -> Policy:
        """See the contract."""
        if form != "identity":
            raise UnsupportedError("write a policy for", self.url, f"it has no policies of the form {form}")
        may = {"read": list(reads), "write": list(writes), "delete": list(writes) if delete else []}
        return Policy(kind="reference", document=may)

    def _get(self, doing: str, key: str, pin: str | None = None) -> Held:
        with self._lock:
            held = self._objects.get(key)
        if held is None:
            raise ObjectNotFoundError(doing, self.url_of(key))
        if pin is not None and held.pin != pin:
            raise InputChangedError(doing, self.url_of(key), f"it was {pin} and is {held.pin}")
        return held

    def _check_key(self, key: str) -> None:
        if not key or key.startswith("/") or any(ord(c) < 32 for c in key):
            raise StorageError("push", self.url_of(key), "this is no key")

    def _read_source(self, source: Path, key: str) -> bytes:
        try:
            with source.open("rb") as file:
                before = os.fstat(file.fileno())
                data = file.read()
                after = os.fstat(file.fileno())
        except OSError as error:
            raise StorageError("push", self.url_of(key), f"can not read {source}") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
            raise StorageError("push", self.url_of(key), f"{source} changed while it was read")
        return data

    @staticmethod
    @contextlib.contextmanager
    def _whole(dest: Path) -> Iterator[int]:
        """Yield a descriptor whose bytes become ``dest`` when the block ends well, and nothing otherwise."""
        try:
            sink, part = tempfile.mkstemp(dir=dest.parent, prefix=".part-")
        except OSError as error:
            raise LocalResourceError(f"can not write to {dest.parent}: {error.strerror}") from error
        try:
            try:
                yield sink
            finally:
                os.close(sink)
            Path(part).replace(dest)
        except BaseException as error:
            Path(part).unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, (StorageError, LocalResourceError)):
                raise LocalResourceError(f"can not write {dest}: {error.strerror}") from error
            raise

    @staticmethod
    def _info(key: str, held: Held) -> ObjectInfo:
        checksums = {"sha256": hashlib.sha256(held.data).hexdigest()}
        return ObjectInfo(key=key, size=len(held.data), pin=held.pin, checksums=checksums, modified_at=held.modified_at)
