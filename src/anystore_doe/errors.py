"""Every error that anystore-doe raises on purpose, and the words around them.

::

    AnystoreDoeError                      1   (Exception) base; carries ``hint`` and an exit code
    ├── UsageError                        2   the command line makes no sense
    ├── PlanError                         3   refused before anything started
    │   └── DefinitionError               3   (ValueError) table, template or settings file; has ``where``
    ├── PluginError                       3   a plugin is missing, broken or in conflict
    │   ├── UnknownSchemeError            3   (LookupError) nobody serves the scheme of a URL
    │   ├── UnknownExecutorError          3   (LookupError) nobody offers an executor of that name
    │   └── PluginClashError              3   two distributions offer the same thing
    ├── StorageError                      5   a store did not do what was asked; has ``url``, ``retryable``
    │   ├── ObjectNotFoundError           3   (FileNotFoundError) no object at this URL
    │   ├── ObjectExistsError             7   (FileExistsError) create-only, and there is an object
    │   ├── PreconditionFailedError       7   replacing a version that is no longer there
    │   ├── AccessDeniedError             4   (PermissionError) the store knows us and says no
    │   ├── CredentialsError              4   (PermissionError) no, expired or malformed credentials
    │   ├── UnsupportedError              3   (NotImplementedError) this store can not do this
    │   ├── CancelledTransferError        1   the transfer was cancelled through its watch
    │   └── IntegrityError                6   bytes are not what they should be
    │       ├── InputChangedError         6   another version than the pinned one
    │       └── ChecksumError             6   size or checksum differs
    ├── ArchiveError                      6   refused or damaged archive; has ``reason``
    ├── RunError                          1   this run failed: solver, required file, colliding inputs
    ├── BusyError                         7   another process holds the work root or the claim
    ├── ExecutorError                     1   the executor could not keep a worker alive
    ├── LocalResourceError                8   (OSError) disk, memory, file limits of this machine
    ├── StateError                        9   our own records are damaged or of a newer schema
    └── InternalError                    70   a bug of ours
        └── PluginBugError               70   a bug of a plugin; the error that it raised is the ``__cause__``
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self


_LONGEST_NAME = 200
"""Characters that are shown of a server's code or request id."""


_SAID = 300
"""Characters of a foreign error that are quoted."""


def printable(text: str) -> str:
    """Escape control characters (but line feed and tab), so that foreign text can not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def safe_url(url: str) -> str:
    """Return ``url`` for a message: :func:`masked_url`, with control characters escaped."""
    return printable(masked_url(url))


def masked_url(url: str) -> str:
    """Return ``url`` without what may be a secret: user information, and the query of an http(s) URL."""
    scheme, sep, rest = url.partition("://")
    if not sep:
        return url
    user = _user_part(rest)
    if user and (":" in user or not scheme.startswith("abfs")):  # abfs names its container there
        rest = f"***{rest.removeprefix(user)}"
    if scheme.lower() in {"http", "https"} and "?" in rest:
        rest = rest.partition("?")[0] + "?***"
    return f"{scheme}://{rest}"


def has_password(url: str) -> bool:
    """Tell whether a password, or a key and its secret, stands before the host of ``url``."""
    _, sep, rest = url.partition("://")
    return bool(sep) and ":" in _user_part(rest)


def _user_part(rest: str) -> str:
    """Return what stands before the ``@`` of a URL's host, ``""`` when there is none.

    A secret key may hold a ``/``, and would seem to end the host: then what follows the ``:`` is no port.
    """
    host = rest.partition("/")[0]
    if "@" in host:
        return host.rpartition("@")[0]
    after = host.partition(":")[2]
    if after and not after.isdigit() and not host.startswith("["):
        return rest.rpartition("@")[0]
    return ""


def scrubbed(text: str, url: str = "") -> str:
    """Return foreign words about ``url`` without what :func:`masked_url` masks, in any URL that they quote."""
    scheme, _, rest = url.partition("://")
    user = _user_part(rest)
    if user and masked_url(url) != url:
        text = text.replace(f"{user}@", "***@")
    query = rest.partition("?")[2]
    if query and scheme in {"http", "https"}:
        text = text.replace(query, "***")
    text = re.sub(r"(?i)(https?://[^\s?'\"]*)\?[^\s'\"<>)\]]+", r"\1?***", text)
    return re.sub(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/:@'\"]*:[^\s/@'\"]*@", r"\1***@", text)


class AnystoreDoeError(Exception):
    """Base of all errors that are part of the interface.

    Attributes:
        hint: One command or option that helps, or ``""``.
        exit_code: What the command line ends with when this error ends it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the sentence ``message`` and the ``hint``."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message; without this, an OSError parent would print its own fields."""
        return self.message


class UsageError(AnystoreDoeError):
    """The command line makes no sense."""

    exit_code = 2


class PlanError(AnystoreDoeError):
    """The plan is refused and nothing was started.

    ``exit_code`` is 3; the engine's plan makes one with 4 when every finding is about permission.
    """

    exit_code = 3


class DefinitionError(PlanError, ValueError):
    """A run table, template or settings file is wrong; ``where`` is ``file:line[:column]`` or a key."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        """Put ``where`` in front of the message."""
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where


class PluginError(AnystoreDoeError):
    """A plugin is missing, broken or in conflict with another."""

    exit_code = 3


class UnknownSchemeError(PluginError, LookupError):
    """No installed plugin serves the scheme of a URL."""

    def __init__(self, scheme: str, *, known: Collection[str], hint: str = "anystore-doe plugins") -> None:
        """Name the scheme and what is installed; ``hint`` is the line that installs its plugin."""
        super().__init__(
            f"no storage plugin serves {scheme}:// (installed: {', '.join(sorted(known))})",
            hint=hint,
        )
        self.scheme = scheme


class UnknownExecutorError(PluginError, LookupError):
    """No installed plugin offers an executor of this name."""

    def __init__(self, name: str, *, known: Collection[str]) -> None:
        """Name the executor and what is installed."""
        super().__init__(
            f"no plugin offers the executor {name!r} (installed: {', '.join(sorted(known))})",
            hint="anystore-doe plugins",
        )


class PluginClashError(PluginError):
    """Two distributions offer the same scheme, executor name or archive suffix."""


class StorageError(AnystoreDoeError):
    """A store did not do what was asked; the SDK's own error is the ``__cause__``.

    Attributes:
        url: What it was asked about, without secrets.
        detail: What went wrong.
        sentence: The message without what :meth:`answered` adds: the same for every request that fails likewise.
        retryable: Whether the same call may go through later (throttling, time-out, 5xx).
        code: What the server calls it, or the status; ``""`` where none answered.
        request_id: What the server calls the request, which is what its support asks for; ``""`` where it did not say.
    """

    exit_code = 5

    def __init__(
        self,
        doing: str,
        url: str,
        detail: str = "",
        *,
        hint: str = "",
        retryable: bool = False,
    ) -> None:
        """Say ``<doing> <url>: <detail>``; ``doing`` is a verb such as ``fetch``.

        ``detail`` may be an SDK's words: what is secret in ``url``, and in URLs that they quote, is masked.
        """
        detail, hint = scrubbed(detail, url), scrubbed(hint, url)
        url = safe_url(url)
        super().__init__(f"{doing} {url}: {detail or self._default()}", hint=hint)
        self.url = url
        self.detail = detail
        self.sentence = self.message
        self.retryable = retryable
        self.code = ""
        self.request_id = ""

    def answered(self, code: str, request_id: str) -> Self:
        """Add to the message what the server's answer calls the failure and the request; return this error.

        The one place that writes them: ``... (AccessDenied, request 4442587FB7D0A2F9)``. What is empty is left out.
        """
        self.code, self.request_id = printable(code)[:_LONGEST_NAME], printable(request_id)[:_LONGEST_NAME]
        said = [part for part in (self.code, self.request_id and f"request {self.request_id}") if part]
        if said:
            self.message += f" ({', '.join(said)})"
        return self

    @classmethod
    def _default(cls) -> str:
        return "failed"


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """There is no object at this URL."""

    exit_code = 3

    @classmethod
    def _default(cls) -> str:
        return "there is no such object"


class ObjectExistsError(StorageError, FileExistsError):
    """Create-only was asked for, and there is an object already."""

    exit_code = 7

    @classmethod
    def _default(cls) -> str:
        return "there is an object already"


class PreconditionFailedError(StorageError):
    """The object is not the version that was to be replaced."""

    exit_code = 7

    @classmethod
    def _default(cls) -> str:
        return "the object is another version than the one to be replaced"


class AccessDeniedError(StorageError, PermissionError):
    """The store knows who asks, and refuses."""

    exit_code = 4

    @classmethod
    def _default(cls) -> str:
        return "access denied"


class CredentialsError(StorageError, PermissionError):
    """There are no credentials, or they are expired or malformed."""

    exit_code = 4

    @classmethod
    def _default(cls) -> str:
        return "no usable credentials"


class UnsupportedError(StorageError, NotImplementedError):
    """This store can not do this; its ``capabilities`` say so."""

    exit_code = 3

    @classmethod
    def _default(cls) -> str:
        return "this store can not do that"


class CancelledTransferError(StorageError):
    """The transfer was cancelled through its watch; nothing of it is left."""

    exit_code = 1

    @classmethod
    def _default(cls) -> str:
        return "cancelled"


class IntegrityError(StorageError):
    """Bytes are not what they should be."""

    exit_code = 6


class InputChangedError(IntegrityError):
    """The object is another version than the one that was pinned."""

    @classmethod
    def _default(cls) -> str:
        return "changed since it was pinned"


class ChecksumError(IntegrityError):
    """Size or checksum differs from what the store, or the source, says."""

    @classmethod
    def _default(cls) -> str:
        return "checksum mismatch"


class ArchiveError(AnystoreDoeError):
    """An archive is refused before a byte is written, or turned out to be damaged.

    Attributes:
        reason: A short code such as ``path-traversal``, ``encrypted`` or ``truncated``.
        detail: What was found, in words.
    """

    exit_code = 6

    def __init__(self, archive: str, reason: str, detail: str, *, hint: str = "") -> None:
        """Say ``<archive> is refused (<reason>): <detail>``."""
        super().__init__(
            f"archive {printable(archive)} is refused ({reason}): {printable(detail)}",
            hint=hint,
        )
        self.reason = reason
        self.detail = detail


class RunError(AnystoreDoeError):
    """This run failed on its own account: solver, required file, colliding inputs."""


class BusyError(AnystoreDoeError):
    """Another process holds the work root or a run's claim."""

    exit_code = 7


class ExecutorError(AnystoreDoeError):
    """The executor could not start or keep a worker."""


class LocalResourceError(AnystoreDoeError, OSError):
    """This machine ran out of disk, memory or file handles."""

    exit_code = 8


class StateError(AnystoreDoeError):
    """Our own records are damaged beyond doubt, or written by a newer version."""

    exit_code = 9


class InternalError(AnystoreDoeError):
    """A bug of ours."""

    exit_code = 70


class PluginBugError(InternalError):
    """A plugin raised what is no error of this tree, or can not be called as the contract says."""

    def __init__(self, plugin: str, error: BaseException) -> None:
        """Name the plugin and what it raised: in words, for whoever writes the plugin."""
        said = " ".join(scrubbed(str(error)).split())
        words = f"{type(error).__name__}: {said[:_SAID]}{'…' if said[_SAID:] else ''}"
        super().__init__(f"a bug of the plugin {plugin}: {words}", hint="please report it to whoever makes the plugin")
