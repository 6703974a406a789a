"""The local side of a transfer: files that are read whole, and files that appear whole. Nothing here knows a store."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from anystore_doe.errors import LocalResourceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anystore_doe.contract import Watch

PIECE_BYTES = 2**20
"""What is held in memory at once, whatever the size of an object."""


@contextmanager
def source_pieces(source: Path | bytes, url: str, watch: Watch) -> Iterator[tuple[int, Iterable[bytes]]]:
    """Yield the size of what is to be pushed to ``url`` and its bytes, piece by piece; the watch sees them.

    Raises:
        StorageError: the file can not be read, or changed while it was read.
    """
    if isinstance(source, bytes):
        yield len(source), _pieces(io.BytesIO(source), len(source), "what is pushed", url, watch)
        return
    try:
        with source.open("rb") as file:
            before = os.fstat(file.fileno())
            yield before.st_size, _pieces(file, before.st_size, source, url, watch)
            after = os.fstat(file.fileno())
    except (StorageError, LocalResourceError):
        raise
    except OSError as error:
        raise StorageError("push", url, f"{source} can not be read: {error.strerror}") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise StorageError("push", url, f"{source} changed while it was read")


def _pieces(file: IO[bytes], size: int, source: Path | str, url: str, watch: Watch) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        size -= len(piece)
        if size < 0:
            raise StorageError("push", url, f"{source} grew while it was read")
        watch.advance(len(piece))
        yield piece


@contextmanager
def whole_file(dest: Path) -> Iterator[IO[bytes]]:
    """Yield a file that becomes ``dest`` when the block ends well; it is gone, and ``dest`` is as it was, otherwise.

    Raises:
        LocalResourceError: it can not be written.
    """
    part = None
    try:
        with tempfile.NamedTemporaryFile(dir=dest.parent, prefix=".part-", delete=False) as file:
            part = Path(file.name)
            yield file
        part.replace(dest)
    except (StorageError, LocalResourceError):
        raise
    except OSError as error:
        raise LocalResourceError(f"can not write {dest}: {error.strerror}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
