"""A relay that notes what passes: names of objects may be in a request's body, and addresses in a reply's head."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Exchange:
    """A request and how it was answered; ``headers`` are the request's, ``answered`` the reply's, lower-case names."""

    method: str
    target: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    answered: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """Relays HTTP/1.1 to ``upstream`` and notes every exchange, whole bodies of requests included."""

    def __init__(self, upstream: str) -> None:
        self.exchanges: list[Exchange] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(urlsplit(upstream).netloc, self.exchanges))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{urlsplit(upstream).path}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="recorder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(upstream: str, exchanges: list[Exchange]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10  # a client keeps its connection open: the thread ends nevertheless

        def _relay(self) -> None:
            body = self._body()
            headers = {name.lower(): value for name, value in self.headers.items()}
            server = HTTPConnection(upstream, timeout=60)
            try:
                sent = {name: value for name, value in headers.items() if name not in _HOP}
                if body or self.command in {"POST", "PUT"}:
                    sent["content-length"] = str(len(body))
                server.request(self.command, self.path, body=body or None, headers=sent)
                reply = server.getresponse()
                content = reply.read()
            finally:
                server.close()
            answered = {name.lower(): value for name, value in reply.getheaders()}
            exchanges.append(Exchange(self.command, self.path, reply.status, body, headers, answered))
            self.send_response(reply.status)
            length = answered.get("content-length", "0") if self.command == "HEAD" else str(len(content))
            for name, value in answered.items():
                if name not in _HOP | {"server", "date"}:
                    self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", length)
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            pieces = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _relay  # noqa: N815  the names that the server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
