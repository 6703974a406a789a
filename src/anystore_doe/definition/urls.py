"""URLs as table and settings write them: literal, absolute, and one spelling for one place."""

from __future__ import annotations

import posixpath
import re

from anystore_doe.errors import has_password

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)", re.ASCII)
_SIGNED = re.compile(
    r"[?&](sig|signature|sas|access_token|x-amz-(signature|credential|security-token)|x-goog-(signature|credential)"
    r"|awsaccesskeyid|googleaccessid)=",
    re.ASCII | re.IGNORECASE,
)
"""Query parameters by which whoever has the URL has the object: shared access signatures and presigned URLs."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class BadUrlError(ValueError):
    """A cell or setting is no URL that can be used; the sentence goes after its name. Never leaves this room."""


def is_url(text: str) -> bool:
    """Tell whether ``text`` starts with ``scheme://``; anything else is a path."""
    return _SCHEME.match(text) is not None


def holds_signature(url: str) -> bool:
    """Tell whether a query lets whoever has the URL have the object."""
    return _SIGNED.search(url) is not None


def absolute_url(text: str, base: str) -> str:
    """Return the one spelling of the place that ``text`` names.

    A path is taken relative to the absolute folder ``base`` and becomes ``file:///…`` with ``.`` and ``..``
    resolved as text (links are not looked at). A URL stays as it is, but for the case of its scheme; nothing is
    percent-decoded, and ``?`` and ``#`` are characters. A trailing ``/`` is kept.

    Raises:
        BadUrlError: it is empty, has one slash for two, holds control characters, a ``.`` or ``..`` part (in a URL),
            a password or a signature, or nothing after its scheme.
    """
    if _CONTROL.search(text):
        raise BadUrlError("holds a control character")
    match = _SCHEME.match(text)
    if match is None:
        return _file_url(text, base)
    scheme, rest = match[1].lower(), text[match.end() :]
    if "/." in rest and {".", ".."} & set(rest.split("/")):
        raise BadUrlError("holds a '.' or '..' part")
    if scheme == "file":
        if not rest.startswith("/"):
            raise BadUrlError("names a host; a file URL has three slashes: file:///folder/file")
        rest = re.sub("//+", "/", rest)
    if has_password(text):
        raise BadUrlError("holds a password, which would end up in records; put it into [storage] settings")
    if holds_signature(rest):
        raise BadUrlError(
            "holds a signature, which would end up in records; leave the query away, and put what opens the store "
            "into [storage] settings"
        )
    if not rest.strip("/"):
        raise BadUrlError("names no place")
    return f"{scheme}://{rest}"


def _file_url(path: str, base: str) -> str:
    if not path:
        raise BadUrlError("is empty")
    if one := _ONE_SLASH.match(path):
        url = path.replace(":/", ":///" if one[1].lower() == "file" else "://", 1)
        raise BadUrlError(f"has one slash after its scheme; write {url}, or ./{path} for a folder here")
    if path.startswith("~"):
        raise BadUrlError("starts with '~', which only a shell knows; write the whole path")
    whole = "/" + posixpath.normpath(posixpath.join(base, path)).lstrip("/")
    return f"file://{whole}/" if path.endswith("/") and whole != "/" else f"file://{whole}"
