"""The only module that touches s3fs, aiobotocore and botocore objects; a test fails when upstream moves them.

The file system is used for its event loop and for the client it keeps alive (``set_session``). Requests go to the
client itself: s3fs's ``_call_s3`` drops arguments that a botocore does not know - a dropped ``IfMatch`` would be an
unpinned read - and tries some errors 5 or 25 times on its own account.
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    from anystore_doe_s3.options import S3Options

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_CHUNK = 2**20
_LOGGERS = ("botocore", "aiobotocore", "s3fs", "fsspec", "boto3")


def _cap_loggers() -> None:
    """Keep the SDK's DEBUG records, which hold keys and signatures, out of every log."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))


def _session(options: S3Options) -> Any:
    """Make a session that finds credentials as the options say, without touching ``os.environ``.

    With ``config_file`` that file stands for both of AWS's files - so keys are found in a file of either style,
    and none in the user's own - and naming a profile makes botocore ignore keys in the environment.
    """
    from aiobotocore.session import AioSession

    profile = options.profile or ("default" if options.config_file else None)
    session = AioSession(profile=profile)
    if options.config_file:
        path = str(Path(options.config_file).expanduser())
        session.set_config_variable("config_file", path)
        session.set_config_variable("credentials_file", path)
    return session


def _http_session_class() -> Any:
    """Return aiobotocore's HTTP session, but one that sends every request once.

    aiohttp sends a PUT again by itself when the connection ended before the reply: a creation whose reply was lost
    then looks as if somebody else had been there first, and nobody knows that the reply was lost.
    """
    from aiobotocore.httpsession import AIOHTTPSession

    class OnceSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is not typed
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            session._retry_connection = False  # aiohttp has no other switch
            return session

    return OnceSession


def make_file_system(options: S3Options, *, connections: int) -> Any:
    """Make the s3fs file system behind one storage; touches no network.

    Every parameter of its constructor is given: what is left out, fsspec fills in from ``FSSPEC_S3_*`` variables
    and its configuration files, keys included.
    """
    from s3fs import S3FileSystem

    _cap_loggers()
    arguments: dict[str, Any] = {
        name: parameter.default
        for name, parameter in inspect.signature(S3FileSystem.__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    arguments |= {
        "anon": options.anonymous,
        "endpoint_url": options.endpoint_url,
        "session": _session(options),
        "client_kwargs": {"region_name": options.region} if options.region else {},
        "config_kwargs": {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "max_pool_connections": connections,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "http_session_cls": _http_session_class(),
        },
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }
    return S3FileSystem(**arguments)


class Requests:
    """Sends requests for one storage over its file system's client; raises the SDK's own errors."""

    def __init__(self, options: S3Options, *, connections: int) -> None:
        """Make the file system; nothing is sent."""
        self._fs = make_file_system(options, connections=connections)
        self._client: Any = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all requests run on."""
        loop: asyncio.AbstractEventLoop = self._fs.loop
        return loop

    @property
    def region(self) -> str:
        """The region that requests are signed for; ``""`` before the first one, and where none was said."""
        name = str(self._client.meta.region_name or "") if self._client is not None else ""
        return "" if name == "aws-global" else name

    async def send(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, once; ``operation`` is the client's method, such as ``get_object``."""
        self._client = await self._fs.set_session()
        answer: dict[str, Any] = await getattr(self._client, operation)(**arguments)
        return answer

    async def body(self, answer: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer in chunks of up to 1 MiB; the connection is given back or closed at the end."""
        stream = answer["Body"]
        try:
            while chunk := await stream.read(_CHUNK):
                yield chunk
        finally:
            stream.close()

    async def close(self) -> None:
        """Close the connections; twice is no error."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
