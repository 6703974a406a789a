"""Plan's look at the inputs of a run: what is there, which version, and where it will go."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, TypeVar

from anystore_doe.errors import ObjectNotFoundError, RunError, UnsupportedError, safe_url
from anystore_doe.model import PinnedInput, PinnedObject

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from anystore_doe.contract.storage import Place
    from anystore_doe.engine.staging import Archives
    from anystore_doe.model import Recipe

Key = TypeVar("Key")
Found = TypeVar("Found")

BLOCK = 8 * 2**20
"""Bytes per read when an object's content has to be digested."""


class Pinner:
    """Looks at each input URL once, however many rows name it; thread-safe."""

    def __init__(self, recipe: Recipe, *, open_storage: Callable[[str], Place], archives: Archives) -> None:
        """Pin for the unpack rule of ``recipe``."""
        self._recipe, self._open, self._archives = recipe, open_storage, archives
        self._lock = threading.Lock()
        self._known: dict[str, Future[PinnedInput]] = {}
        self._digests: dict[tuple[str, str | None], Future[str | None]] = {}
        self._failed_at: dict[object, TracebackType | None] = {}

    def pin(self, url: str) -> PinnedInput:
        """Return the input at ``url`` as it is now; a URL that ends in ``/`` is a tree.

        Raises:
            ObjectNotFoundError: there is nothing.
            RunError: a tree holds a key that can not be a path.
            StorageError: the store does not say.
        """
        return self._once(self._known, url, lambda: self._look(url))

    def _once(self, known: dict[Key, Future[Found]], key: Key, look: Callable[[], Found]) -> Found:
        """Return what ``look`` found; of all who ask for ``key`` at the same time or later, only the first looks."""
        from concurrent.futures import Future

        with self._lock:
            future = known.get(key)
            mine = future is None
            if future is None:
                future = known[key] = Future()
        if mine:
            try:
                future.set_result(look())
            except BaseException as error:  # noqa: BLE001  whatever it is, it is handed to all who wait for it
                self._failed_at[key] = error.__traceback__
                future.set_exception(error)
        failure = future.exception()
        if failure is not None:  # with its first traceback: else each of 100,000 rows would make it longer
            raise failure.with_traceback(self._failed_at[key])
        return future.result()

    def _look(self, url: str) -> PinnedInput:
        place = self._open(url)
        if url.endswith("/"):
            return PinnedInput(url=url, kind="tree", objects=_tree(url, place))
        info = place.storage.stat(place.key)
        name = place.key.rpartition("/")[2]
        if not _can_be_a_path(name):
            raise RunError(f"{safe_url(url)} has a name that no file can have")
        packed = self._recipe.unpack == "always" or (
            self._recipe.unpack == "auto" and self._archives.for_name(name) is not None
        )
        found = PinnedObject(path=name, url=url, size=info.size, pin=info.pin, checksums=info.checksums)
        return PinnedInput(url=url, kind="archive" if packed else "file", objects=(found,))

    def digest(self, found: PinnedObject) -> str | None:
        """Return the SHA-256 of an object's content, read range by range; ``None`` where there are no ranges."""
        return self._once(self._digests, (found.url, found.pin), lambda: self._digest(found))

    def _digest(self, found: PinnedObject) -> str | None:
        place = self._open(found.url)
        pin = found.pin if place.storage.capabilities.pinned_reads else None
        running = hashlib.sha256()
        try:
            for start in range(0, found.size, BLOCK):
                running.update(place.storage.read(place.key, start, min(start + BLOCK, found.size), pin=pin))
        except UnsupportedError:
            return None
        return running.hexdigest()


def _tree(url: str, place: Place) -> tuple[PinnedObject, ...]:
    skip = len(place.key) + 1 if place.key else 0
    objects = []
    for info in place.storage.walk(place.key):
        path = info.key[skip:]
        if not path or path.endswith("/"):
            continue  # a console's folder marker
        _check_path(url, path)
        objects.append(
            PinnedObject(
                path=path, url=place.storage.url_of(info.key), size=info.size, pin=info.pin, checksums=info.checksums
            )
        )
    if not objects:
        raise ObjectNotFoundError("list", url, "there is no object below it")
    return tuple(sorted(objects, key=lambda found: found.path))


def _check_path(url: str, path: str) -> None:
    if not _can_be_a_path(path):
        raise RunError(f"the tree {safe_url(url)} holds the key {path!r}, which can not be a path")


def _can_be_a_path(path: str) -> bool:
    parts = path.split("/")
    return path.isprintable() and not any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts)
