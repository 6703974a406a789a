"""What a storage provider promises. The kit (``anystore_doe.testing.StorageContract``) holds it to every line."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from anystore_doe.errors import (
    CancelledTransferError,
    ObjectNotFoundError,
    UnsupportedError,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.model import ObjectInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store can do beyond ``stat`` and ``fetch``; the kit asserts both the yes and the no.

    Attributes:
        list: ``walk`` works.
        write: ``push`` works.
        delete: ``delete`` works.
        ranges: ``read`` works, and moves only the asked bytes.
        create_only: ``push(create_only=True)`` is atomic.
        compare_and_set: ``push(replacing=pin)`` is atomic.
        pinned_reads: ``fetch`` and ``read`` with a ``pin`` never return bytes of another version.
        checksums: ``ObjectInfo.checksums`` is filled for objects that ``push`` wrote.
    """

    list: bool = False
    write: bool = False
    delete: bool = False
    ranges: bool = False
    create_only: bool = False
    compare_and_set: bool = False
    pinned_reads: bool = False
    checksums: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A least-privilege policy.

    Attributes:
        kind: Its language, such as ``aws-iam``, ``gcp-iam``, ``azure-rbac``; the word before the first ``-`` is the
            cloud.
        document: The policy itself, plain data.
        attach: What it is attached to, in words, such as ``bucket my-data``. Policies of one kind for the same are
            merged: lists are joined, everything else must be equal.
        notes: Sentences for whoever attaches it.
        limit: Most characters of the merged document as JSON, blanks not counted; 0: no limit.
        too_long: What to do about a document above the limit.
        commands: What attaches it, one command for a POSIX shell each, in their order; empty where only the merged
            document can be attached.
    """

    kind: str
    document: Mapping[str, object]
    attach: str = ""
    notes: tuple[str, ...] = ()
    limit: int = 0
    too_long: str = ""
    commands: tuple[str, ...] = ()


class Watch:
    """Sees a transfer's bytes pass and can cancel it. One watch may serve several transfers; thread-safe."""

    def __init__(self, advanced: Callable[[int], None] | None = None) -> None:
        """Call ``advanced(n)`` for every ``n`` bytes that a provider reports, on the provider's thread."""
        self._advanced = advanced
        self._cancelled = threading.Event()

    def advance(self, n: int) -> None:
        """Report ``n`` more bytes (a retried range may report them again).

        Raises:
            CancelledTransferError: :meth:`cancel` was called.
        """
        self.check()
        if self._advanced is not None:
            self._advanced(n)

    def check(self, url: str = "") -> None:
        """Raise if the transfer is cancelled.

        Raises:
            CancelledTransferError: :meth:`cancel` was called.
        """
        if self._cancelled.is_set():
            raise CancelledTransferError("transfer", url)

    def cancel(self) -> None:
        """Make every transfer that holds this watch stop soon."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled.is_set()


class ByteBudget:
    """A bound on the bytes that all transfers of this process buffer at once."""

    def __init__(self, total: int = 128 * 2**20) -> None:
        """Allow ``total`` bytes of buffers."""
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def lease(self, least: int, most: int, watch: Watch) -> Iterator[int]:
        """Wait until ``least`` bytes are free, take up to ``most``, yield what was taken, give it back.

        A transfer takes its whole lease before it starts and never asks for more: no two transfers can wait
        for each other. ``least`` above the total is cut to the total.

        Raises:
            CancelledTransferError: the watch was cancelled while waiting.
        """
        least = min(least, self.total)
        with self._changed:
            while self._free < least:
                watch.check()
                self._changed.wait(timeout=0.5)
            taken = max(least, min(most, self._free))
            self._free -= taken
        try:
            yield taken
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageContext:
    """What the process shares between all storages.

    Attributes:
        budget: Bound on buffered bytes.
        connections_per_host: Most requests at once to one host.
        state_folder: Where a provider may keep resumable state; ``None``: nowhere.
        logger: For the provider's messages; never for secrets.
    """

    logger: logging.Logger
    budget: ByteBudget = field(default_factory=ByteBudget)
    connections_per_host: int = 16
    state_folder: Path | None = None


class Storage(ABC):
    """One opened location; ``url`` is its root without trailing ``/`` and without secrets.

    Keys are relative to the root, ``/``-separated, never start with ``/``, and are taken literally: no globs,
    no percent-decoding, ``?`` and ``#`` are characters. Every method is safe to call from several threads at
    once. Only :class:`~anystore_doe.errors.StorageError` (and, for the local side of a transfer,
    :class:`~anystore_doe.errors.LocalResourceError`) gets out: an SDK's own exceptions stop here, kept as
    ``__cause__``. Nothing is cached between calls. ``repr`` shows no secrets.
    """

    url: str
    capabilities: Capabilities = Capabilities()
    region: str = ""
    """Where the store is, in its own words (``eu-west-1``), as far as that is known without asking."""
    cloud: str = ""
    """The first word of the kind of its policies, such as ``aws``; ``""`` where that is not known without them."""

    def __repr__(self) -> str:
        """Show the root and nothing else."""
        return f"<{type(self).__name__} {self.url}>"

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo:
        """Describe the object at ``key``.

        Raises:
            ObjectNotFoundError: there is no object at ``key`` (a folder or prefix is no object).
            AccessDeniedError: it may be there, but we may not know.
        """

    @abstractmethod
    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """Copy an object into the local file ``dest``, whose parent exists.

        ``dest`` appears whole and verified (size, and the store's checksum where it has one) or not at all; a
        file that was there is kept on failure. No part file is left, whatever happens short of kill -9.

        Returns:
            What was fetched; ``size`` is the bytes written, ``pin`` the version.

        Raises:
            ObjectNotFoundError: there is no object at ``key``.
            InputChangedError: the object is not the version ``pin``, or changed while it was read.
            ChecksumError: bytes differ from what the store says.
            CancelledTransferError: the watch was cancelled.
        """

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every object whose key is ``prefix`` + ``/`` + something, flat, sorted or not, never cached.

        ``prefix`` is a folder-like key without trailing ``/``; ``""`` is the whole root. A prefix that holds
        nothing yields nothing. A zero-byte ``prefix/`` marker is yielded with its key (it ends in ``/``).

        Raises:
            UnsupportedError: ``capabilities.list`` is off.
        """
        raise UnsupportedError("list", self.url_of(prefix))

    def push(
        self,
        source: Path | bytes,
        key: str,
        *,
        create_only: bool = False,
        replacing: str | None = None,
        durable: bool = True,
        watch: Watch,
    ) -> ObjectInfo:
        """Write the local file (or the bytes) ``source`` to ``key``, whole or not at all.

        Nobody ever sees a part of it; a failed push leaves what was there, and no open upload.

        Args:
            source: A regular file, read once; changing it meanwhile is an error. Or the bytes themselves.
            key: Where to.
            create_only: Only if there is no object; atomic.
            replacing: Only if the object is exactly the version with this pin; atomic.
            durable: The object must survive a power cut when this returns. Object stores always are.
            watch: Sees the bytes.

        Returns:
            What the store says it has now; verified against ``source`` (size, and a checksum where it can).

        Raises:
            ObjectExistsError: ``create_only``, and there is an object.
            PreconditionFailedError: ``replacing``, and the version is another, or there is none.
            UnsupportedError: ``capabilities`` say so.
        """
        raise UnsupportedError("push", self.url_of(key))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects and check that they are gone; a key that is not there is no error.

        Raises:
            AccessDeniedError: the store refused for at least one key, which is named.
            UnsupportedError: ``capabilities.delete`` is off.
        """
        raise UnsupportedError("delete", self.url)

    def read(
        self,
        key: str,
        start: int = 0,
        end: int | None = None,
        *,
        pin: str | None = None,
    ) -> bytes:
        """Return bytes ``start`` (inclusive) to ``end`` (exclusive; ``None``: the object's end).

        A range that reaches beyond the object is cut; ``start`` may be negative: counted from the end. For
        small objects and directories of archives: the caller bounds what it asks for.

        Raises:
            InputChangedError: the object is not the version ``pin``.
            UnsupportedError: ``capabilities.ranges`` is off.
        """
        raise UnsupportedError("read a range of", self.url_of(key))

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",
    ) -> Policy:
        """Return the least policy that lets ``reads`` be read and ``writes`` be read and written; asks no store.

        A key that ends in ``/`` is everything below it, and the right to list it; ``/`` alone is the whole root.
        Any other key is one object.

        Args:
            reads: What is read.
            writes: What is written, read back and listed.
            delete: Whether ``writes`` may be deleted too. Without it, a store that takes replacing for deleting
                lets be replaced what every run replaces: what is named ``model.CLAIM_PATH`` or
                lies below ``model.ATTEMPTS_PATH``, in ``writes`` or in a folder there.
            form: ``identity``: for the identity that runs the sweep; ``bucket-policy``: attached to the store.
            principal: Who may, in the store's words; ``""`` where the form needs nobody.

        Raises:
            UnsupportedError: there are no policies here, or none of this form; its ``detail`` says so.
            UsageError: ``principal`` is missing, superfluous, or nobody that the store could know.
        """
        raise UnsupportedError("write a policy for", self.url, "its plugin knows no policies")

    def fetch_many(self, items: Sequence[tuple[str, Path, str | None]], *, watch: Watch) -> list[ObjectInfo]:
        """Fetch ``(key, dest, pin)`` items, in their order; the first failure ends it. Parents of dests exist."""
        return [self.fetch(key, dest, pin=pin, watch=watch) for key, dest, pin in items]

    def push_many(
        self,
        items: Sequence[tuple[Path, str]],
        *,
        create_only: bool = False,
        durable: bool = True,
        watch: Watch,
    ) -> list[ObjectInfo]:
        """Push ``(source, key)`` items, in their order; the first failure ends it, what was pushed stays.

        With ``durable``, all of them survive a power cut when this returns.
        """
        return [self.push(source, key, create_only=create_only, durable=durable, watch=watch) for source, key in items]

    def close(self) -> None:
        """Release connections; the storage is not used afterwards. Calling it twice is no error."""

    @final
    def url_of(self, key: str) -> str:
        """Return the whole URL of ``key``."""
        return f"{self.url}/{key}" if key else self.url

    @final
    def find(self, key: str) -> ObjectInfo | None:
        """Describe the object at ``key``, or return ``None`` when there is none."""
        try:
            return self.stat(key)
        except ObjectNotFoundError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a URL points: a storage and a key in it (no leading, no trailing ``/``; ``""`` is the root)."""

    storage: Storage
    key: str

    @property
    def url(self) -> str:
        """The whole URL, without trailing ``/``."""
        return self.storage.url_of(self.key)

    def at(self, path: str) -> str:
        """Return the key of ``path`` below this place."""
        return f"{self.key}/{path}" if self.key else path
