"""What the parts of the storage suite share: its fixtures, and the box that each test plays in."""

from __future__ import annotations

import contextlib
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

import pytest

from anystore_doe.contract import Place, Storage, Watch
from anystore_doe.errors import StorageError
from anystore_doe.testing.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anystore_doe.model import ObjectInfo

T = TypeVar("T")


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes that look random and are the same every time."""
    return random.Random(seed).randbytes(size)  # noqa: S311  test data


def together(*calls: Callable[[], T]) -> list[T]:
    """Call all of ``calls`` at once, each in its thread; return what they returned, or raise what one raised."""
    gate = threading.Barrier(len(calls))

    def go(call: Callable[[], T]) -> T:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(go, call) for call in calls]]


def cancelling() -> Watch:
    """Return a watch that cancels its transfer as soon as that reports bytes."""
    watch = Watch(lambda _: watch.cancel())
    return watch


def cancelled() -> Watch:
    """Return a watch that was cancelled before anything began."""
    watch = Watch()
    watch.cancel()
    return watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A prefix of its own below the place under test; names are relative to it."""

    place: Place
    seed: Callable[[Place, str, bytes], None]
    remove: Callable[[Place, str], None]

    @property
    def storage(self) -> Storage:
        """The storage under test."""
        return self.place.storage

    def key(self, name: str = "") -> str:
        """Return the key of ``name`` in this box; without ``name``, the box's own prefix."""
        return self.place.at(name) if name else self.place.key

    def url(self, name: str) -> str:
        """Return the whole URL of ``name``."""
        return self.storage.url_of(self.key(name))

    def put(self, name: str, data: bytes = b"some bytes") -> ObjectInfo:
        """Bring an object into the store by the suite's own means, and describe it."""
        self.seed(self.place, self.key(name), data)
        return self.storage.stat(self.key(name))

    def drop(self, name: str) -> None:
        """Take an object out of the store by the suite's own means."""
        self.remove(self.place, self.key(name))

    def push(
        self,
        name: str,
        source: Path | bytes,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,
        watch: Watch | None = None,
    ) -> ObjectInfo:
        """Push to ``name``."""
        key, watch = self.key(name), watch or Watch()
        return self.storage.push(
            source, key, create_only=create_only, replacing=replacing, durable=durable, watch=watch
        )

    def fetch(self, name: str, dest: Path, *, pin: str | None = None, watch: Watch | None = None) -> ObjectInfo:
        """Fetch ``name`` into ``dest``."""
        return self.storage.fetch(self.key(name), dest, pin=pin, watch=watch or Watch())

    def content(self, name: str, folder: Path) -> bytes:
        """Return the whole object ``name``, fetched through a new file in ``folder``."""
        dest = folder / f"content-{uuid.uuid4().hex}"
        self.fetch(name, dest)
        data = dest.read_bytes()
        dest.unlink()
        return data

    def names(self, below: str = "") -> list[str]:
        """Return the names below ``below`` that ``walk`` yields, sorted, relative to the box."""
        start = len(self.key("x")) - 1
        return sorted(info.key[start:] for info in self.storage.walk(self.key(below)))


class StorageSuite(Suite):
    """The fixtures and hooks of :class:`~anystore_doe.testing.storage_contract.StorageContract`."""

    big_bytes: ClassVar[int] = 64 * 2**20 + 1
    many: ClassVar[int] = 1001
    secrets: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    def place(self) -> Place:
        """Give the opened storage and an unused prefix in it."""
        msg = f"{type(self).__name__} must give a fixture `place`"
        raise NotImplementedError(msg)

    def seed(self, place: Place, key: str, data: bytes) -> None:
        """Bring an object into the store, replacing what was there; override it where ``write`` is off."""
        self._must_be_on(place, "write")
        place.storage.push(data, key, watch=Watch())

    def remove(self, place: Place, key: str) -> None:
        """Take an object out of the store; override it where ``delete`` is off."""
        self._must_be_on(place, "delete")
        place.storage.delete([key])

    def leftovers(self, place: Place) -> Sequence[str]:  # noqa: ARG002  for those who override it
        """Return what unfinished pushes left in the store and ``walk`` does not show, such as open uploads."""
        return ()

    def another(self, place: Place) -> Storage | None:  # noqa: ARG002  for those who override it
        """Open the same root a second time, as another process would; the suite closes it. ``None``: not to be had."""
        return None

    def break_store(self, place: Place) -> AbstractContextManager[object] | None:  # noqa: ARG002  for those who override it
        """Make the store unusable while the returned context lasts, and usable again. ``None``: not to be had."""
        return None

    @staticmethod
    def _must_be_on(place: Place, capability: str) -> None:
        """Fail with what an author has to do, instead of what the storage says of a call that it never promised."""
        if not getattr(place.storage.capabilities, capability):
            pytest.fail(
                f"{capability} is off: override `seed(self, place, key, data)` and `remove(self, place, key)` in your "
                "test class, by means of the store's own library",
                pytrace=False,
            )

    @pytest.fixture
    def box(self, place: Place) -> Iterator[Box]:
        """Give a prefix of this test's own and empty it afterwards, as far as the store lets us."""
        inner = Place(storage=place.storage, key=place.at(f"kit-{uuid.uuid4().hex[:12]}"))
        yield Box(place=inner, seed=self.seed, remove=self.remove)
        can = inner.storage.capabilities
        if can.list and can.delete:
            with contextlib.suppress(StorageError):  # what can not be cleaned is not this test's finding
                inner.storage.delete([info.key for info in inner.storage.walk(inner.key)])

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Give an empty local folder for what is fetched."""
        folder = tmp_path / "fetched"
        folder.mkdir()
        return folder

    @staticmethod
    def needs(box: Box, *capabilities: str) -> None:
        """Skip the calling test where the store says that it lacks one of ``capabilities``."""
        for name in capabilities:
            if not getattr(box.storage.capabilities, name):
                pytest.skip(f"{name} is off; this tests what it does when on")

    @staticmethod
    def pinned(info: ObjectInfo) -> str:
        """Return the pin of ``info``, or skip the calling test where the store has none."""
        if info.pin is None:
            pytest.skip("this store has no pins")
        return info.pin
