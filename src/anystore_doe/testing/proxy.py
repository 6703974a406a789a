"""A small HTTP proxy on loopback that plays faults between a client and a server, and logs what passes.

It stands in front of one upstream and relays requests as they are, ``Host`` included, so that a signature made
for the proxy's address reaches the upstream unchanged. ``Expect: 100-continue`` is answered by the proxy.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from anystore_doe.testing.faults import LoseReply, Rule
from anystore_doe.testing.http1 import BrokenMessageError, Wire
from anystore_doe.testing.relay import Exchange, Script, SeenRequest, StopExchangeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_CONNECT_TIMEOUT_S = 30.0
_ACCEPT_POLL_S = 0.1
_BUFFER_BYTES = 128 * 2**10
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """Relays HTTP/1.1 to ``upstream`` and plays faults by rule; a context manager.

    Example::

        with FaultProxy(server.endpoint_url) as proxy:
            proxy.add(Rule(method="GET", path="*/case.zip", fault=Cut(after=1000)))
            ...  # talk to proxy.url
            assert [seen.status for seen in proxy.seen("GET")] == [206, 206]

    Leaving the context ends every connection, waits for its threads, and raises what a ``Swap`` call raised.
    """

    def __init__(self, upstream: str) -> None:
        """Relay to ``upstream``, such as ``http://127.0.0.1:5000``; only plain http."""
        target = urlsplit(upstream)
        if target.scheme != "http" or target.hostname is None:
            msg = f"only http:// can be relayed, not {upstream}"
            raise ValueError(msg)
        self._target = (target.hostname, target.port or 80)
        self._script = Script()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        # a small buffer, inherited by what is accepted: a throttled client must not run far ahead of the upstream
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._listener.settimeout(_ACCEPT_POLL_S)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._acceptor.start()

    def add(self, *rules: Rule) -> None:
        """Add rules; of several whose turn it is, the one added first is played."""
        self._script.add(rules)

    def clear(self) -> None:
        """Forget all rules and the log; the throttle stays."""
        self._script.clear()

    def throttle(self, *, down_bytes_s: float | None = None, up_bytes_s: float | None = None) -> None:
        """Let all reply bodies together pass at ``down_bytes_s``, all request bodies at ``up_bytes_s``."""
        self._script.down.bytes_per_s = down_bytes_s
        self._script.up.bytes_per_s = up_bytes_s

    def seen(self, method: str = "*", path: str = "*", query: str = "*") -> list[SeenRequest]:
        """Return the requests that match the ``fnmatch`` patterns, in the order they came."""
        kind = Rule(fault=LoseReply(), method=method, path=path, query=query)
        return [seen for seen in self._script.seen() if kind.matches(seen.method, seen.path, seen.query, seen.headers)]

    def close(self) -> None:
        """End every connection and wait for the threads; twice is no error.

        Raises:
            Exception: whatever a ``Swap`` call raised.
        """
        self._script.closed.set()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        """Return the proxy, which relays already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _accept(self) -> None:
        while not self._script.closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(client,), name="fault-proxy-connection", daemon=True)
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with self._held(client):
            try:
                with self._held(socket.create_connection(self._target, timeout=_CONNECT_TIMEOUT_S)) as upstream:
                    self._relay(Wire(client), Wire(upstream))
            except StopExchangeError as stop:
                if stop.reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            except (OSError, BrokenMessageError):
                pass  # one side is gone: the other sees its connection end, as through any proxy
            except Exception as error:  # noqa: BLE001  what a Swap call raises is the test's: kept for close()
                self._errors.append(error)

    def _relay(self, client: Wire, upstream: Wire) -> None:
        while not self._script.closed.is_set():
            head = client.head()
            if head is None or not Exchange(self._script, client, upstream, head).play():
                return

    @contextlib.contextmanager
    def _held(self, connection: socket.socket) -> Iterator[socket.socket]:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(connection)
            if self._script.closed.is_set():
                connection.shutdown(socket.SHUT_RDWR)
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
