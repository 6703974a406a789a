"""What some file systems can do better, or not at all, than fsspec's common interface says."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anystore_doe.contract import Capabilities
from anystore_doe.errors import ObjectExistsError, PreconditionFailedError
from anystore_doe.fsspec_storage.storage import FsspecStorage
from anystore_doe.fsspec_storage.translate import foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.contract import Watch
    from anystore_doe.fsspec_storage.mover import BytesSource, Source
    from anystore_doe.model import ObjectInfo

# fsspec's memory file system is one dict for the whole process; what writes to it in turn must share one lock.
_MEMORY_LOCK = threading.Lock()


class MemoryFsspecStorage(FsspecStorage):
    """``memory://``: this process's memory, for trying out and for tests; conditions hold within this process."""

    capabilities = Capabilities(
        list=True, write=True, delete=True, ranges=True, create_only=True, compare_and_set=True, pinned_reads=True
    )

    def _described(self, key: str, info: dict[str, Any]) -> ObjectInfo | None:
        """Pin a file by when it was made and by the object that holds it: one clock tick may see two versions."""
        held = self._acquire().store.get(str(info.get("name")))
        if held is None:
            return None
        return super()._described(key, info | {"version_id": f"{held.created.isoformat()}-{id(held):x}"})

    @contextmanager
    def _opened(self, doing: str, key: str, path: str, info: ObjectInfo) -> Iterator[Any]:
        """Give every reader a position of its own: fsspec hands the same file object to all."""
        del info
        with foreign(doing, self.url_of(key)):
            yield io.BytesIO(self._fs.cat_file(path))

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
        url = self.url_of(key)
        _, body = source.read(1, 0, source.size)
        watch.advance(len(body))
        watch.check(url)
        with _MEMORY_LOCK, foreign("push", url):
            self._refuse_folder(key, path)
            now = self.find(key)
            if create_only and now is not None:
                raise ObjectExistsError("push", url)
            if replacing is not None and (now is None or now.pin != replacing):
                raise PreconditionFailedError("push", url)
            self._fs.pipe_file(path, body)
            return self._stat("push", key, path)


class HttpFsspecStorage(FsspecStorage):
    """``http(s)://``: read-only, and nothing can be listed; a key is the rest of the URL, as it stands."""

    capabilities = Capabilities(ranges=True)

    @contextmanager
    def _opened(self, doing: str, key: str, path: str, info: ObjectInfo) -> Iterator[Any]:
        """Open one stream of one version, where the server honours If-Match (which a weak ETag never fulfils)."""
        headers = {"Accept-Encoding": "identity"}
        if info.pin and not info.pin.startswith(("W/", f"{info.size}-")):
            headers["If-Match"] = f'"{info.pin}"'
        with foreign(doing, self.url_of(key)), self._fs.open(path, "rb", block_size=0, headers=headers) as file:
            yield file


class ReadOnlyFsspecStorage(FsspecStorage):
    """A file system that can be read and listed only."""

    capabilities = Capabilities(list=True, ranges=True)
