"""The one place where errors of fsspec, its file systems and their libraries become ours."""

from __future__ import annotations

from contextlib import contextmanager
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
    from collections.abc import Iterator

_REJECTED = {"AuthenticationException", "BadAuthenticationType", "PasswordRequiredException", "LogonFailure"}
_UNKNOWN_HOST_KEY = "not found in known_hosts"
_BUSY = {408, 425, 429, 500, 502, 503, 504}


def _of_status(status: int, doing: str, url: str) -> StorageError:
    """Return the error for an HTTP status."""
    if status in {401, 407}:
        return CredentialsError(doing, url, f"the server asks for credentials (status {status})")
    if status == 403:
        return AccessDeniedError(doing, url)
    if status in {404, 410}:
        return ObjectNotFoundError(doing, url)
    if status == 412:
        return InputChangedError(doing, url)
    return StorageError(doing, url, f"the server answered with status {status}", retryable=status in _BUSY)


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
        return _of_status(status, doing, url)
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
