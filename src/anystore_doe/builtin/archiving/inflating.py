"""Decompressors with one face that never give more than a few MiB at a time, whatever they are fed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OUT = 2**20
"""Most bytes that come out at once (zstd: 32 MiB, as one block of 128 KiB may take 4 bytes; RFC 8878, 3.1.1.2)."""
_ZSTD_IN = (64, 1024)
_ZSTD_WINDOW = 2**27
_XZ_MEMORY = 2**28


class DamagedError(Exception):
    """A decompressor does not accept its input."""


class Inflater(Protocol):
    """One compressed stream."""

    hungry: bool
    """It has given all that it can make of its input so far."""
    ended: bool
    """The stream is over, its own check included."""
    unused: bytes
    """Input from behind the end of the stream."""

    def feed(self, data: bytes) -> bytes:
        """Take input, perhaps none, and return some output."""


def inflate(inflater: Inflater, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what comes out of ``pieces`` until they, or the stream, end.

    Raises:
        DamagedError: the input is damaged.
    """
    for piece in pieces:
        out = inflater.feed(piece)
        while out or not (inflater.hungry or inflater.ended):
            if out:
                yield out
            if inflater.ended:
                return
            out = b"" if inflater.hungry else inflater.feed(b"")
        if inflater.ended:
            return


class Zlib:
    """Deflate bodies (``wbits=-15``) and gzip (``wbits=31``), by ISA-L: about three times as fast as zlib."""

    def __init__(self, wbits: int) -> None:
        """Begin a stream."""
        from isal import isal_zlib

        self._stream = isal_zlib.decompressobj(wbits)
        self._error: Any = isal_zlib.error  # its stubs take the class for an instance
        self.hungry = True
        self.ended = False
        self.unused = b""

    def feed(self, data: bytes) -> bytes:
        """See the protocol."""
        try:
            out: bytes = self._stream.decompress(self._stream.unconsumed_tail + data, OUT)
        except self._error as error:
            raise DamagedError(str(error)) from error
        self.ended = self._stream.eof
        self.unused = self._stream.unused_data
        self.hungry = len(out) < OUT and not self._stream.unconsumed_tail
        return out


class Bounded:
    """The standard library's bz2 and lzma decompressors."""

    def __init__(self, stream: Any) -> None:
        """Begin with a new ``BZ2Decompressor`` or ``LZMADecompressor``."""
        self._stream = stream
        self.hungry = True
        self.ended = False
        self.unused = b""

    def feed(self, data: bytes) -> bytes:
        """See the protocol."""
        from lzma import LZMAError

        try:
            out: bytes = self._stream.decompress(data, OUT)
        except (OSError, ValueError, EOFError, LZMAError) as error:
            raise DamagedError(str(error)) from error
        self.ended = self._stream.eof
        self.unused = self._stream.unused_data
        self.hungry = self._stream.needs_input
        return out


class Zstd:
    """One zstd frame. The library has no bound on its output, so it gets its input in very small pieces."""

    def __init__(self) -> None:
        """Begin a frame."""
        from zstandard import ZstdDecompressor, ZstdError

        self._stream = ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._error: type[Exception] = ZstdError
        self._input = b""
        self._at = 0
        self._step = _ZSTD_IN[0]
        self.hungry = True
        self.ended = False
        self.unused = b""

    def feed(self, data: bytes) -> bytes:
        """See the protocol."""
        if data:
            self._input = self._input[self._at :] + data
            self._at = 0
        piece = self._input[self._at : self._at + self._step]
        self._at += len(piece)
        try:
            out = self._stream.decompress(piece)
        except self._error as error:
            raise DamagedError(str(error)) from error
        # Pieces grow while little comes out of them, and are smallest again behind one that gave much.
        self._step = min(2 * self._step, _ZSTD_IN[1]) if len(out) <= OUT // 8 else _ZSTD_IN[0]
        self.ended = self._stream.eof
        if self.ended:
            self.unused = self._stream.unused_data + self._input[self._at :]
        self.hungry = self._at == len(self._input)
        return out


def bzip2() -> Inflater:
    """Begin a bzip2 stream."""
    from bz2 import BZ2Decompressor

    return Bounded(BZ2Decompressor())


def xz() -> Inflater:
    """Begin an xz stream; more than 256 MiB of dictionary is refused as damage."""
    import lzma

    return Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


def raw_lzma(properties: bytes, size: int) -> Inflater:
    """Begin a raw LZMA stream as it lies in a zip (APPNOTE.TXT 5.8): lc, lp, pb in one byte, then the dictionary.

    A dictionary larger than the member is cut to ``size`` bytes: nothing can refer to bytes before its first.

    Raises:
        DamagedError: the properties are none, or ask for more than 256 MiB.
    """
    import lzma

    number, dictionary = properties[0], min(int.from_bytes(properties[1:5], "little"), max(size, 4096))
    if number >= 9 * 5 * 5 or dictionary > _XZ_MEMORY:
        raise DamagedError("bad LZMA properties")
    filters = [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(dictionary, 4096),
            "lc": number % 9,
            "lp": number // 9 % 5,
            "pb": number // 45,
        }
    ]
    try:
        return Bounded(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters))
    except lzma.LZMAError as error:  # lc + lp above 4
        raise DamagedError(str(error)) from error
