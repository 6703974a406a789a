"""Write a tar that is the same for the same files: pax headers, no times, no owners."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any

from anystore_doe.builtin.archiving.packing import new_archive, sources
from anystore_doe.builtin.disk.whole_file import write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK = 512
_RECORD = 10240


def pack_tar(folder: Path, file: Path, compression: str) -> None:
    """Pack the files below ``folder`` into the new archive ``file``; ``compression`` as in ``tar_streams``.

    Raises:
        ArchiveError: a name could not be unpacked again, ``file`` exists, or a file became shorter.
        LocalResourceError: the disk is full, or something can not be read.
    """
    with new_archive(file) as fd:
        stream = _compressor(compression)
        written = 0

        def put(data: bytes) -> None:
            nonlocal written
            written += len(data)
            write_all(fd, stream.compress(data) if stream else data)

        for source in sources(folder, file):
            head = tarfile.TarInfo(source.path)
            head.size = source.size
            head.mode = 0o755 if source.executable else 0o644
            put(head.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
            for chunk in source.chunks(file.name):
                put(chunk)
            put(bytes(-source.size % _BLOCK))
        put(bytes(2 * _BLOCK))
        put(bytes(-written % _RECORD))
        if stream:
            write_all(fd, stream.flush())


def _compressor(compression: str) -> Any:
    """Return an object with ``compress`` and ``flush``, or ``None``."""
    begin: dict[str, Callable[[], Any]] = {"": lambda: None, "gz": _gz, "bz2": _bz2, "xz": _xz, "zst": _zst}
    return begin[compression]()


def _gz() -> Any:
    from isal import isal_zlib

    return isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)


def _bz2() -> Any:
    from bz2 import BZ2Compressor

    return BZ2Compressor()


def _xz() -> Any:
    from lzma import LZMACompressor

    return LZMACompressor(preset=1)


def _zst() -> Any:
    from zstandard import ZstdCompressor

    return ZstdCompressor(level=3, write_checksum=True).compressobj()
