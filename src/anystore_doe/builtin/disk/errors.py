"""Turn errors of the operating system into ours."""

from __future__ import annotations

import errno

from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    LocalResourceError,
    ObjectNotFoundError,
    StorageError,
)

_FULL = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOMEM: "out of memory",
}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_PASSING = {errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN}


def resource_error(doing: str, where: str, error: OSError) -> LocalResourceError | None:
    """Return the error of a machine that ran out of something, or ``None`` when ``error`` is of another kind."""
    if error.errno not in _FULL:
        return None
    return LocalResourceError(f"{doing} {where}: {_FULL[error.errno]}", hint="df -h; ulimit -n")


def store_error(doing: str, url: str, error: OSError) -> AnystoreDoeError:
    """Turn the error of a system call on the store's side into ours."""
    full = resource_error(doing, url, error)
    if full is not None:
        return full
    if error.errno in _DENIED:
        return AccessDeniedError(doing, url, error.strerror or "", hint=f"ls -ld '{url.removeprefix('file://')}'")
    if error.errno in {errno.ENOENT, errno.ENOTDIR} and doing != "push":
        return ObjectNotFoundError(doing, url)
    return StorageError(doing, url, error.strerror or repr(error), retryable=error.errno in _PASSING)
