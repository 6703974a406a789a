"""Keys of object stores: the URL that a key has, and which keys can travel to a store and back as they are."""

from __future__ import annotations

from anystore_doe.errors import UnsupportedError


class Keys:
    """The keys below one root; a cloud's client is one, and says in :meth:`flaw_in` what its store takes.

    Attributes:
        root: URL of the root, without ``/`` at its end.
    """

    most_bytes = 1024
    """What S3 and Google Cloud Storage take."""

    def __init__(self, root: str) -> None:
        """Remember the root."""
        self.root = root

    def url_of(self, key: str) -> str:
        """Return the whole URL of ``key``."""
        return f"{self.root}/{key}" if key else self.root

    def check_key(self, doing: str, key: str) -> str:
        """Return ``key`` as it is.

        Raises:
            UnsupportedError: :meth:`flaw_in` finds something.
        """
        what = unprintable_in(key) or self.flaw_in(key)
        if what:
            raise UnsupportedError(doing, self.url_of(key.encode(errors="replace").decode()), f"the key {what}")
        return key

    def flaw_in(self, key: str) -> str:
        """Say why the store does not take ``key``, as in ``has no bytes``, or return ``""``.

        Empty and too long keys; and those with ``.`` or ``..`` as a part, which HTTP software on the way rewrites and
        no local folder takes literally.
        """
        size = len(key.encode())
        if not 0 < size <= self.most_bytes:
            return f"has {size} bytes; the store takes 1 to {self.most_bytes}"
        return "has '.' or '..' as a part" if {".", ".."} & set(key.split("/")) else ""


def unprintable_in(key: str) -> str:
    """Say that no store could take ``key``, because of control characters or broken Unicode, or return ``""``."""
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in key):
        return "has control characters"
    return "is not valid Unicode" if any(0xD800 <= ord(c) < 0xE000 for c in key) else ""
