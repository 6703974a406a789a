"""The one place where errors of fsspec, its file systems and their libraries become ours."""

from __future__ import annotations

import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    CredentialsError,
    InputChangedError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REJECTED = {"AuthenticationException", "BadAuthenticationType", "PasswordRequiredException", "LogonFailure"}
_UNKNOWN_HOST_KEY = "not found in known_hosts"
_BUSY = {408, 425, 429, 500, 502, 503, 504}

_REQUEST_IDS = ("x-amz-request-id", "x-ms-request-id", "x-guploader-uploadid", "x-amzn-requestid", "x-request-id")
"""Headers in which a server names the request; a store's protocol may be spoken by another's servers."""

SET_THE_CLOCK = "set this machine's clock (timedatectl set-ntp true), and run it again"
"""The hint of a refusal because a request's time is not the server's."""


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return what the server calls the request, by the headers of its answer (lower-case names); ``""``: nothing."""
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")


def off_by(headers: Mapping[str, str]) -> str:
    """Return how far this machine's clock is from the server's, by the ``date`` of its answer, in words."""
    try:
        minutes = round((time.time() - parsedate_to_datetime(headers["date"]).timestamp()) / 60)
    except (KeyError, ValueError):
        return "off"
    return f"{abs(minutes)} minutes {'ahead of' if minutes > 0 else 'behind'} the store's" if minutes else "off"


def _of_status(status: int, doing: str, url: str) -> StorageError:
    """Return the error for an HTTP status."""
    if status in {401, 407}:
        return CredentialsError(doing, url, "the server asks for credentials")
    if status == 403:
        return AccessDeniedError(doing, url)
    if status in {404, 410}:
        return ObjectNotFoundError(doing, url)
    if status == 412:
        return InputChangedError(doing, url)
    return StorageError(doing, url, "the server answered with an error", retryable=status in _BUSY)


def _headers_of(error: Exception) -> dict[str, str]:
    """Return the headers of the answer that an error of aiohttp carries, with lower-case names."""
    headers = getattr(error, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def translated(error: Exception, doing: str, url: str) -> Exception:
    """Return the error to raise ``from error``; our own come back as they are.

    fsspec's http reports whatever goes wrong as "not found": there the cause decides.
    """
    if isinstance(error, AnystoreDoeError):
        return error
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return _of_status(status, doing, url).answered(str(status), request_id_of(_headers_of(error)))
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        return translated(error.__cause__, doing, url)
    if _names(error) & _REJECTED:
        return CredentialsError(doing, url, f"the server rejects the login ({type(error).__name__})")
    why = printable(str(error)).partition("\n")[0] or type(error).__name__
    if _UNKNOWN_HOST_KEY in why or "BadHostKeyException" in _names(error):
        return CredentialsError(doing, url, why, hint="compare the host's key and add it with ssh-keyscan")
    if isinstance(error, IsADirectoryError):
        return ObjectNotFoundError(doing, url, "that is a folder")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ObjectNotFoundError(doing, url)
    if isinstance(error, FileExistsError):
        return ObjectExistsError(doing, url)
    if isinstance(error, PermissionError):
        return AccessDeniedError(doing, url)
    if isinstance(error, NotImplementedError):
        return UnsupportedError(doing, url)
    lost = isinstance(error, OSError | EOFError) or bool(_names(error) & {"SSHException", "ClientError"})
    return StorageError(doing, url, why, retryable=lost)


@contextmanager
def foreign(doing: str, url: str) -> Iterator[None]:
    """Let nothing but errors of ours out of the block."""
    try:
        yield
    except Exception as error:
        ours = translated(error, doing, url)
        if ours is error:
            raise
        raise ours from error
