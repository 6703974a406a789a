"""Just enough HTTP/1.1 to relay it byte by byte: heads, and bodies in their three framings (RFC 9112, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

MOST_HEAD_BYTES = 256 * 2**10
PIECE_BYTES = 64 * 2**10
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-amz-security-token", "cookie"})


class BrokenMessageError(Exception):
    """The peer ended, or said something that is not HTTP, in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """The body comes in chunks (``Transfer-Encoding: chunked``)."""


@dataclass(frozen=True, slots=True)
class UntilClose:
    """The body ends when the connection does."""


Framing = int | Chunked | UntilClose
"""How a body ends: after so many bytes, in chunks, or with the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Start line and headers of a message, names as they were sent."""

    start: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return the first value of header ``name`` (any case), or ``""``."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def without(self, *names: str) -> Head:
        """Return this head less the headers ``names`` (lower-case)."""
        return Head(start=self.start, headers=tuple(h for h in self.headers if h[0].lower() not in names))

    def with_header(self, name: str, value: str) -> Head:
        """Return this head with header ``name`` set to ``value``, and nothing else of that name."""
        rest = self.without(name.lower()).headers
        return Head(start=self.start, headers=(*rest, (name, value)))

    def encode(self) -> bytes:
        """Return the head as it goes over the wire, blank line included."""
        lines = [self.start, *(f"{key}: {value}" for key, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def public(self) -> dict[str, str]:
        """Headers by lower-case name, without those that carry secrets."""
        return {key.lower(): value for key, value in self.headers if key.lower() not in SECRET_HEADERS}

    @property
    def status(self) -> int:
        """The status of a reply's head."""
        return int(self.start.split(" ", 2)[1])

    @property
    def closes(self) -> bool:
        """Whether the sender ends the connection after this message."""
        said = self.get("connection").lower()
        return said == "close" or ("HTTP/1.0" in self.start and said != "keep-alive")


def request_framing(head: Head) -> Framing:
    """Return how the body of a request ends."""
    if "chunked" in head.get("transfer-encoding").lower():
        return Chunked()
    return int(head.get("content-length") or 0)


def reply_framing(head: Head, method: str) -> Framing:
    """Return how the body of a reply to a ``method`` request ends."""
    if method == "HEAD" or head.status in {204, 304} or head.status < 200:
        return 0
    if "chunked" in head.get("transfer-encoding").lower():
        return Chunked()
    length = head.get("content-length")
    return int(length) if length else UntilClose()


class Wire:
    """Reads messages from a connected socket; owned by one thread."""

    def __init__(self, connection: socket.socket) -> None:
        """Read from ``connection``, which the caller closes."""
        self.connection = connection
        self._held = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.connection.sendall(data)

    def head(self) -> Head | None:
        """Read a head; ``None`` when the peer ended before it began one.

        Raises:
            BrokenMessageError: the peer ended within it, or it is none.
        """
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MOST_HEAD_BYTES:
                msg = "the head of a message is too long"
                raise BrokenMessageError(msg)
            if not self._receive():
                if self._held.strip():
                    msg = "the peer ended within a head"
                    raise BrokenMessageError(msg)
                return None
        lines = bytes(self._held[:end]).decode("latin-1").lstrip("\r\n").split("\r\n")
        del self._held[: end + 4]
        pairs = (line.partition(":") for line in lines[1:])
        return Head(start=lines[0], headers=tuple((name, value.strip()) for name, _, value in pairs))

    def body(self, framing: Framing) -> Iterator[tuple[bool, bytes]]:
        """Yield ``(payload, bytes)`` pieces of a body; chunk sizes and trailers are no payload.

        Raises:
            BrokenMessageError: the peer ended within it.
        """
        if isinstance(framing, int):
            yield from self._counted(framing)
        elif isinstance(framing, UntilClose):
            while piece := self._some(PIECE_BYTES):
                yield True, piece
        else:
            yield from self._chunks()

    def _counted(self, left: int) -> Iterator[tuple[bool, bytes]]:
        while left:
            piece = self._some(min(left, PIECE_BYTES))
            if not piece:
                msg = f"the peer ended {left} bytes before the end of a body"
                raise BrokenMessageError(msg)
            left -= len(piece)
            yield True, piece

    def _chunks(self) -> Iterator[tuple[bool, bytes]]:
        while True:
            line = self._line()
            size = int(line.split(b";")[0], 16)
            yield False, line
            if size == 0:
                break
            yield from self._counted(size)
            yield False, self._line()
        while (line := self._line()) != b"\r\n":
            yield False, line
        yield False, line

    def _line(self) -> bytes:
        while (end := self._held.find(b"\n")) < 0:
            if not self._receive():
                msg = "the peer ended within a chunked body"
                raise BrokenMessageError(msg)
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        return line

    def _some(self, most: int) -> bytes:
        if not self._held and not self._receive():
            return b""
        piece = bytes(self._held[:most])
        del self._held[:most]
        return piece

    def _receive(self) -> bool:
        data = self.connection.recv(PIECE_BYTES)
        self._held += data
        return bool(data)
