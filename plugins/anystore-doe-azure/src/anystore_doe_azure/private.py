"""The only module that touches objects of azure-storage-blob, azure-core and aiohttp; a test fails when they move.

Requests go through the pipeline of a ``BlobServiceClient`` of our own, which signs them. Not through adlfs's
``AzureBlobFileSystem.service_client``: adlfs (2026.8.0) has no switch for the retries of the client that it builds,
lets ``AZURE_STORAGE_*`` variables win over settings (a connection string for another account, say), takes an endpoint
that is not https from connection strings only, and keeps every file system alive by its finalizers. Nor through the
client's own methods: ``download_blob`` holds 32 MiB at once and tries three times on its own account.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    import asyncio
    import io
    from collections.abc import AsyncGenerator, Mapping

    from anystore_doe_azure.account import Account

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_CHUNK = 2**20
_SENT_AT_ONCE = 256 * 2**10
_LOGGERS = ("azure", "msal", "msal_extensions")
_REQUEST_LOGGER = "azure.core.pipeline.policies.http_logging_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A store's answer; header names in lower case, ``body`` is empty where it is streamed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


def _cap_loggers() -> None:
    """Keep the SDK's DEBUG records, which hold signatures, out of every log, and its record of every request too."""
    for name, least in (*((name, logging.INFO) for name in _LOGGERS), (_REQUEST_LOGGER, logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(max(least, logger.getEffectiveLevel()))


def _transport(connections: int) -> Any:
    """Return azure-core's transport over aiohttp, but one that sends every request once.

    aiohttp sends a PUT again by itself when the connection ended before the reply: a creation whose reply was lost
    then looks as if somebody else had been there first, and nobody knows that the reply was lost.
    """
    import aiohttp
    from azure.core.pipeline.transport import AioHttpTransport

    class OnceTransport(AioHttpTransport):  # type: ignore[misc]  # azure-core is not typed strictly
        async def open(self) -> None:
            if self.session is None and not self._has_been_opened:
                session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=connections),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=True,
                )
                session._retry_connection = False  # aiohttp has no other switch
                self.session: Any = session
            await super().open()

    return OnceTransport(
        connection_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, connection_data_block_size=_CHUNK
    )


def _credential(account: Account) -> Any:
    """Return what the SDK calls a credential; only where the user gave none is azure.identity imported."""
    if account.kind == "key":
        return {"account_name": account.name, "account_key": account.secret}
    if account.kind == "sas":
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(account.secret)
    if account.kind == "default":
        from azure.identity.aio import DefaultAzureCredential

        return DefaultAzureCredential()
    return None


async def _pieces(body: io.BytesIO) -> AsyncGenerator[bytes, None]:
    """Yield a body in pieces: handed over whole, aiohttp would copy it."""
    while piece := body.read(_SENT_AT_ONCE):
        yield piece


class Requests:
    """Sends requests to one account; raises the SDK's own errors when no answer comes."""

    def __init__(self, account: Account, *, connections: int) -> None:
        """Remember what to connect with; nothing is made or sent.

        Raises:
            ImportError: the SDK is not installed; said here, where no request is half done.
        """
        import azure.storage.blob.aio
        from fsspec.asyn import get_loop

        if account.kind == "default":
            import azure.identity.aio  # noqa: F401

        _cap_loggers()
        self._account = account
        self._connections = connections
        self._service: Any = None
        self._identity: Any = None
        self.loop: asyncio.AbstractEventLoop = get_loop()

    def _opened(self) -> Any:
        """Return the service client, made on the loop when it is first needed."""
        if self._service is None:
            from azure.storage.blob.aio import BlobServiceClient

            credential = _credential(self._account)
            self._identity = credential if self._account.kind == "default" else None
            self._service = BlobServiceClient(
                self._account.endpoint,
                credential=credential,
                transport=_transport(self._connections),
                retry_total=0,
                permit_redirects=False,
            )
        return self._service

    async def _run(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: io.BytesIO | None
    ) -> Any:
        from azure.core.rest import HttpRequest

        service = self._opened()
        url = f"{self._account.endpoint}/{quote(path, safe='~/')}"
        if query:
            url += f"?{urlencode(query, quote_via=quote)}"
        sent = {"x-ms-version": service.api_version, "Accept-Encoding": "identity", **headers}
        if body is not None:
            size = body.seek(0, 2)  # not by its buffer, which would be a copy
            body.seek(0)
            sent |= {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        elif method == "PUT":
            sent["Content-Length"] = "0"
        content = _pieces(body) if body is not None and int(sent["Content-Length"]) else None
        request = HttpRequest(method, url, headers=sent, content=content)
        return (await service._pipeline.run(request, stream=True)).http_response

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: io.BytesIO | None = None,
    ) -> Answer:
        """Send one request, once, and return its answer, whatever it says, with its whole body.

        ``path`` is ``container/key``, not encoded; ``body`` stands at its start.
        """
        response = await self._run(method, path, query or {}, headers or {}, body)
        try:
            read: bytes = b"" if method == "HEAD" else await response.read()
        finally:
            await response.close()
        return _answer(response, read)

    async def stream(self, path: str, headers: Mapping[str, str]) -> tuple[Answer, AsyncGenerator[bytes, None]]:
        """Send one GET, once; return its answer's head, and its body, which the caller closes (``aclose``)."""
        response = await self._run("GET", path, {}, headers, None)
        return _answer(response), _body(response)

    async def close(self) -> None:
        """Close the connections; twice is no error."""
        service, self._service = self._service, None
        identity, self._identity = self._identity, None
        if service is not None:
            await service.close()
        if identity is not None:
            await identity.close()


def _answer(response: Any, body: bytes = b"") -> Answer:
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Answer(status=int(response.status_code), headers=headers, body=body)


async def _body(response: Any) -> AsyncGenerator[bytes, None]:
    """Yield the body in chunks of up to 1 MiB, as it is stored; the connection is given back or closed at the end."""
    try:
        async for chunk in response.iter_raw():
            yield chunk
    finally:
        await response.close()
