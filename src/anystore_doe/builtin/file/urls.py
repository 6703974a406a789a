"""From ``file://`` URLs and bare paths to keys."""

from __future__ import annotations

import os

from anystore_doe.errors import StorageError


def split(url: str) -> tuple[str, str]:
    """Split ``file:///a/b``, ``/a/b`` or ``a/b`` into the root ``file://`` and the absolute path as key.

    ``..``, ``.`` and repeated ``/`` are resolved in the text, as ``cd -L`` does; a relative path starts in the
    current folder. Nothing is percent-decoded.

    Raises:
        StorageError: the URL names a host.
    """
    path = url
    if url.startswith("file://"):
        path = url[len("file://") :].removeprefix("localhost")
        if not path.startswith("/"):
            raise StorageError("open", url, "a file URL names no host", hint=f"file:///{path}  or  ./{path}")
    return "file://", os.path.abspath(path).lstrip("/")  # noqa: PTH100  no link is followed
