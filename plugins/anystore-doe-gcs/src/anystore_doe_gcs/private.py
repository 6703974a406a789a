"""The only module that touches gcsfs, google-auth and aiohttp objects; a test fails when upstream moves them.

The file system is used for its event loop, its HTTP session (with it, client certificates) and the address of the
store. Requests go over the session themselves: gcsfs's ``_call`` tries again for a minute on its own account, and
moves whole bodies. Credentials are google-auth's own: gcsfs asks for them, over the network, when it is made, and
falls back to none without a word.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import threading
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from anystore_doe.fsspec_storage.bridge import off_loop
from anystore_doe_gcs.errors import LoginError, RefusedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from anystore_doe_gcs.options import GcsOptions

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
LOGIN_TIMEOUT_S = 30
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_CHUNK = 2**20
_PIECE = 2**18
_ERROR_BYTES = 2**16
_LOGGERS = ("gcsfs", "fsspec", "google", "google_auth_httplib2", "urllib3", "requests", "aiohttp")


def _cap_loggers() -> None:
    """Keep the DEBUG records of the SDK, which hold tokens and session URLs, out of every log."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))


def make_file_system(options: GcsOptions) -> Any:
    """Make the gcsfs file system behind one storage; touches no network.

    Every parameter of its constructor is given: what is left out, fsspec fills in from ``FSSPEC_GS_*`` variables and
    its configuration files, tokens included. The class is the plain one: ``gcsfs.GCSFileSystem`` is another unless a
    variable says so before its import, asks what kind of bucket it has, and hangs where nobody answers that.
    """
    from aiohttp import ClientTimeout
    from gcsfs.core import GCSFileSystem

    _cap_loggers()
    arguments: dict[str, Any] = {
        name: parameter.default
        for name, parameter in inspect.signature(GCSFileSystem.__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    arguments |= {
        "project": "",
        "token": "anon",
        "endpoint_url": options.endpoint_url,
        # the bytes of a gzip-encoded object are wanted as they are stored: its size and checksums are of those
        "session_kwargs": {"auto_decompress": False, "timeout": timeout, "read_bufsize": _PIECE},
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }
    return GCSFileSystem(**arguments)


class Login:
    """Google's credentials: found on first use, refreshed when they are about to expire. Blocks; thread-safe."""

    def __init__(self, options: GcsOptions) -> None:
        """Remember where to look; nothing is read."""
        self._file = options.credentials_file
        self._lock = threading.Lock()
        self._credentials: Any = None

    @property
    def fresh(self) -> bool:
        """Whether :meth:`headers` needs neither file nor network."""
        from google.auth.credentials import TokenState

        return self._credentials is not None and self._credentials.token_state == TokenState.FRESH

    def headers(self) -> dict[str, str]:
        """Return the headers that say who asks.

        Raises:
            LoginError: the file is none of the kinds that are taken.
            Exception: whatever google-auth raises.
        """
        import requests
        from google.auth.transport.requests import Request

        found: dict[str, str] = {}
        with self._lock:
            if not self.fresh:
                with requests.Session() as session:
                    request = partial(Request(session), timeout=LOGIN_TIMEOUT_S)
                    if self._credentials is None:
                        self._credentials = self._read() if self._file else self._default(request)
                    if not self.fresh:
                        self._credentials.refresh(request)
            self._credentials.apply(found)
        return found

    @staticmethod
    def _default(request: Any) -> Any:
        import google.auth

        return google.auth.default(scopes=[SCOPE], request=request)[0]

    def _read(self) -> Any:
        """Make credentials of the file; by kind, as google-auth asks for: some kinds name programs to be started."""
        from google.oauth2.credentials import Credentials
        from google.oauth2.service_account import Credentials as ServiceAccount

        try:
            info = json.loads(Path(self._file or "").expanduser().read_bytes())
            kind = info["type"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no JSON key file"
            raise LoginError(f"can not be read: {why}") from error
        if kind == "service_account":
            return ServiceAccount.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        if kind == "authorized_user":
            return Credentials.from_authorized_user_info(info)  # type: ignore[no-untyped-call]
        raise LoginError(f"is of type {kind!r}: name it in GOOGLE_APPLICATION_CREDENTIALS instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the store answered: status, headers by lower-case name, and its body if that was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def resource(self) -> dict[str, Any]:
        """The body as the JSON object that it should be.

        Raises:
            ValueError: it is something else.
        """
        found = json.loads(self.body)
        if not isinstance(found, dict):
            msg = "the answer is no JSON object"
            raise ValueError(msg)
        return found


class Requests:
    """Sends requests for one storage, each once; raises ``RefusedError``, ``LoginError``, or the SDK's own errors."""

    def __init__(self, options: GcsOptions, *, connections: int) -> None:
        """Make the file system; nothing is sent."""
        self._fs = make_file_system(options)
        self._connections = connections
        self._session: Any = None
        self.location = str(self._fs._location).rstrip("/")
        emulator = not options.endpoint_url and os.environ.get("STORAGE_EMULATOR_HOST", "") not in {"", "default"}
        known = options.credentials_file or not (emulator or self.location.startswith("http://"))
        self._login = Login(options) if known and not options.anonymous else None
        self._query = options.on_every_request()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all requests run on."""
        loop: asyncio.AbstractEventLoop = self._fs.loop
        return loop

    @property
    def anonymous(self) -> bool:
        """Whether no credentials are sent."""
        return self._login is None

    def session_url(self, location: str) -> str:
        """Return where an upload session is reached: never at a host that is not the store's, which gets our token.

        An emulator, or a proxy in front of the store, may name an address that is its own.
        """
        named, ours = urlsplit(location), urlsplit(self.location)
        family = "." + ours.netloc.partition(".")[2]
        if named.scheme == ours.scheme == "https" and named.netloc.endswith(family):
            return location
        return f"{self.location}{named.path}{f'?{named.query}' if named.query else ''}"

    async def send(
        self,
        method: str,
        target: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] = (),
        good: Sequence[int] = (200,),
    ) -> Answer:
        """Send one request and read the whole answer, which is small.

        Args:
            method: Of HTTP.
            target: Path below the store's address, or a session's whole URL, which gets no query; percent-encoded.
            query: Not yet encoded.
            headers: Beside those that say who asks.
            body: Pieces of the request's body; they are not copied.
            good: The status that are expected; any other is a ``RefusedError``.
        """
        async with self.opened(method, target, query=query, headers=headers, body=body, good=good) as (answer, chunks):
            whole = b"".join([chunk async for chunk in chunks])
            return Answer(status=answer.status, headers=answer.headers, body=whole)

    @contextlib.asynccontextmanager
    async def opened(
        self,
        method: str,
        target: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] = (),
        good: Sequence[int] = (200,),
    ) -> AsyncIterator[tuple[Answer, AsyncGenerator[bytes, None]]]:
        """Send one request; yield status and headers of the answer, and its body in chunks of up to 1 MiB."""
        import yarl

        session = await self._ready()
        url = target  # a session's, which is taken as the store gave it
        if "://" not in target:
            asked = urlencode({**(query or {}), **self._query}, quote_via=quote)
            url = f"{self.location}{target}{f'?{asked}' if asked else ''}"
        sent = {"Accept-Encoding": "identity", **(headers or {}), **await self._who(url)}
        size = sum(len(piece) for piece in body)
        if size or method != "GET":
            sent["Content-Length"] = str(size)
        async with session.request(
            method,
            yarl.URL(url, encoded=True),
            headers=sent,
            data=_pieces(body) if size else None,
            allow_redirects=False,  # 308 is how an upload says that it wants more
            proxy=_proxy(url),
        ) as response:
            answer = Answer(
                status=response.status, headers={name.lower(): value for name, value in response.headers.items()}
            )
            if response.status not in good:
                raise RefusedError(answer.status, answer.headers, await response.content.read(_ERROR_BYTES))
            async with contextlib.aclosing(_chunks(response)) as chunks:
                yield answer, chunks

    async def _who(self, url: str) -> dict[str, str]:
        if self._login is None:
            return {}
        at = urlsplit(url)
        if at.scheme != "https" and at.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise LoginError(f"is not sent over http:// to {at.hostname}, where everybody could read it")
        return self._login.headers() if self._login.fresh else await off_loop(self._login.headers)

    async def _ready(self) -> Any:
        """Return the session; one that sends every request once, over a bounded number of connections.

        aiohttp sends some requests again by itself when a connection that was kept ends before the reply: nobody
        knows then that a reply was lost.
        """
        if self._session is None:
            from aiohttp import TCPConnector

            if not self._fs._use_client_cert:  # with one, gcsfs makes the connector
                self._fs.session_kwargs["connector"] = TCPConnector(limit=self._connections)
            self._session = await self._fs._set_session()
            self._session._retry_connection = False  # aiohttp has no other switch
        return self._session

    async def close(self) -> None:
        """Close the connections; twice is no error."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _pieces(body: Sequence[bytes | memoryview]) -> AsyncGenerator[memoryview, None]:
    """Yield a body in small pieces, without a copy, so that what waits in the socket's buffer stays small."""
    for piece in body:
        view = memoryview(piece)
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


async def _chunks(response: Any) -> AsyncGenerator[bytes, None]:
    while chunk := await response.content.read(_CHUNK):
        yield chunk


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for ``url``.

    Not aiohttp's ``trust_env``: it looks into ~/.netrc too, and refuses a host that is named there.
    """
    at = urlsplit(url)
    if urllib.request.proxy_bypass(at.netloc):
        return None
    return urllib.request.getproxies().get(at.scheme)
