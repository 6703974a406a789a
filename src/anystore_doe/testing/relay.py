"""One exchange through the fault proxy: a request, a fault or none, and the reply. The proxy itself is next door."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anystore_doe.testing.faults import Answer, Cut, Delay, Fault, Flip, LoseReply, Rule, Side, Swap, Truncate
from anystore_doe.testing.http1 import (
    BrokenMessageError,
    Framing,
    Head,
    UntilClose,
    Wire,
    reply_framing,
    request_framing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PIECES_PER_S = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request that the proxy saw.

    Attributes:
        method: As sent.
        path: Request target as sent, percent-encoded, without query.
        query: Without ``?``.
        headers: Of the request, by lower-case name, without those that carry secrets.
        status: Of the reply; 0 when the client was sent no head of a reply (yet).
        received_bytes: Of the request's body.
        sent_bytes: Of the reply's body.
        fault: What was played on it.
        began_s: When its head had come, of the monotonic clock.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    fault: Fault | None = None
    began_s: float = 0.0


class StopExchangeError(Exception):
    """A fault ends the connection here; ``reset`` says how."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__("a fault ends the connection")
        self.reset = reset


class Bandwidth:
    """Bytes per second that all connections of one direction share; ``None`` is without limit."""

    def __init__(self, closed: threading.Event) -> None:
        """Stop waiting when ``closed`` is set."""
        self._closed = closed
        self._lock = threading.Lock()
        self._next_s = 0.0
        self.bytes_per_s: float | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` in pieces, each when its time has come."""
        rate = self.bytes_per_s
        if rate is None:
            yield data
            return
        step = max(1, int(rate / _PIECES_PER_S))
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            with self._lock:
                self._next_s = max(self._next_s, time.monotonic()) + len(piece) / rate
                wait_s = self._next_s - time.monotonic()
            if self._closed.wait(max(0.0, wait_s)):
                msg = "the proxy was closed"
                raise BrokenMessageError(msg)
            yield piece


class Script:
    """What all connections of a proxy share: rules, log, bandwidths. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[Rule, list[None]]] = []
        self._seen: dict[int, SeenRequest] = {}
        self._next = 0
        self.closed = threading.Event()
        self.down = Bandwidth(self.closed)
        self.up = Bandwidth(self.closed)

    def add(self, rules: tuple[Rule, ...]) -> None:
        """Append rules, their matches not yet counted."""
        with self._lock:
            self._rules.extend((rule, []) for rule in rules)

    def clear(self) -> None:
        """Forget rules and log."""
        with self._lock:
            self._rules.clear()
            self._seen.clear()

    def begin(self, seen: SeenRequest) -> tuple[int, SeenRequest]:
        """Log a request, with the fault that is its turn; return its number in the log, and what was logged."""
        with self._lock:
            seen = replace(seen, fault=self._fault_for(seen))
            number, self._next = self._next, self._next + 1
            self._seen[number] = seen
            return number, seen

    def update(self, number: int, seen: SeenRequest) -> None:
        """Replace an entry of the log, unless it was cleared."""
        with self._lock:
            if number in self._seen:
                self._seen[number] = seen

    def seen(self) -> list[SeenRequest]:
        """Return the log, in the order the requests came."""
        with self._lock:
            return [self._seen[number] for number in sorted(self._seen)]

    def _fault_for(self, seen: SeenRequest) -> Fault | None:
        for rule, matched in self._rules:
            if not rule.matches(seen.method, seen.path, seen.query, seen.headers):
                continue
            matched.append(None)
            if len(matched) >= rule.nth and (rule.count is None or len(matched) < rule.nth + rule.count):
                return rule.fault
        return None


class Exchange:
    """Relays one request and its reply."""

    def __init__(self, script: Script, client: Wire, upstream: Wire, head: Head) -> None:
        """Relay the request that begins with ``head`` from ``client`` to ``upstream``."""
        self._script = script
        self._client = client
        self._upstream = upstream
        self._head = head
        self._method, target, _ = head.start.split(" ", 2)
        path, _, query = target.partition("?")
        self._number, self._seen = script.begin(
            SeenRequest(method=self._method, path=path, query=query, headers=head.public, began_s=time.monotonic())
        )
        self._fault = self._seen.fault

    def play(self) -> bool:
        """Relay it; return whether another exchange may follow on these connections.

        Raises:
            StopExchangeError: the fault ends the connection.
            BrokenMessageError: one side ended.
        """
        fault = self._fault
        if isinstance(fault, Answer):
            return self._answer(fault)
        if isinstance(fault, Delay) and self._script.closed.wait(None if math.isinf(fault.s) else fault.s):
            raise StopExchangeError
        if isinstance(fault, Swap) and fault.after is None:
            fault.call()
            if fault.then_cut:
                raise StopExchangeError
        self._send_request()
        return self._send_reply()

    def _answer(self, answer: Answer) -> bool:
        waits = self._head.get("expect").lower() == "100-continue"
        if not waits:
            for _ in self._client.body(request_framing(self._head)):
                pass
        length = {"Content-Length": str(len(answer.body))}
        last = {"Connection": "close"} if waits else {}
        headers = tuple({**answer.headers, **length, **last}.items())
        self._update(status=answer.status)
        head = Head(start=f"HTTP/1.1 {answer.status} Fault", headers=headers)
        self._client.send(head.encode() + (b"" if self._method == "HEAD" else answer.body))
        return not (waits or self._head.closes)

    def _send_request(self) -> None:
        head = self._head
        if head.get("expect").lower() == "100-continue":
            self._client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = head.without("expect")
        self._upstream.send(head.encode())
        self._pass(self._client, self._upstream, request_framing(head), "request")

    def _send_reply(self) -> bool:
        reply = self._upstream.head()
        while reply is not None and reply.status < 200:
            reply = self._upstream.head()
        if reply is None:
            return False
        framing = reply_framing(reply, self._method)
        if isinstance(self._fault, LoseReply):
            for _ in self._upstream.body(framing):
                pass
            raise StopExchangeError
        if isinstance(self._fault, Truncate) and framing != 0:
            reply = reply.without("transfer-encoding").with_header("Content-Length", str(self._fault.to))
        self._update(status=reply.status)
        self._client.send(reply.encode())
        self._pass(self._upstream, self._client, framing, "reply")
        return not (isinstance(framing, UntilClose) or reply.closes or self._head.closes)

    def _pass(self, source: Wire, sink: Wire, framing: Framing, side: Side) -> None:
        bandwidth = self._script.down if side == "reply" else self._script.up
        passed = 0
        self._reach(passed, side)
        for payload, data in source.body(framing):
            if not payload:
                if not (side == "reply" and isinstance(self._fault, Truncate)):
                    sink.send(data)
                continue
            for piece in bandwidth.pieces(data):
                for part in self._split(piece, passed, side):
                    passed += len(part)
                    self._count(passed, side)
                    sink.send(self._flipped(part, passed - len(part), side))
                    self._reach(passed, side)

    def _count(self, passed: int, side: Side) -> None:
        if side == "reply":
            self._update(sent_bytes=passed)
        else:
            self._update(received_bytes=passed)

    def _update(self, **changes: int) -> None:
        self._seen = replace(self._seen, **changes)  # type: ignore[arg-type]  # only integer fields are changed
        self._script.update(self._number, self._seen)

    def _mark(self, side: Side) -> int | None:
        """Return the position in the body of ``side`` at which the fault does something."""
        fault = self._fault
        if isinstance(fault, Cut):
            return fault.after if fault.of == side else None
        if isinstance(fault, Swap):
            return fault.after if side == "reply" else None
        if isinstance(fault, Truncate):
            return fault.to if side == "reply" else None
        return None

    def _split(self, piece: bytes, passed: int, side: Side) -> list[bytes]:
        mark = self._mark(side)
        if mark is None or not passed < mark < passed + len(piece):
            return [piece]
        return [piece[: mark - passed], piece[mark - passed :]]

    def _reach(self, passed: int, side: Side) -> None:
        if self._mark(side) != passed:
            return
        fault = self._fault
        if isinstance(fault, Swap):
            fault.call()
            if not fault.then_cut:
                return
        raise StopExchangeError(reset=isinstance(fault, Cut) and fault.reset)

    def _flipped(self, part: bytes, start: int, side: Side) -> bytes:
        fault = self._fault
        if not (isinstance(fault, Flip) and fault.of == side and start <= fault.at < start + len(part)):
            return part
        at = fault.at - start
        return part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]
