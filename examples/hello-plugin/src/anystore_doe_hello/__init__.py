"""hello:// for anystore-doe. Light to import: what does the work is imported when it is used first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.contract import ArchiveEntry, ExecutorEntry, StorageEntry, hookimpl, option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anystore_doe.contract import Archive, Executor, ExecutorContext, Storage, StorageContext


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloOptions:
    """What can be said in [storage."hello://..."] of sweep.toml, or in the environment."""

    folder: str = option("Folder of the stores, absolute.", default="~/.hello", env="HELLO_FOLDER")
    wait_s: float = option("Seconds to wait for another writer.", default=60.0, env="HELLO_WAIT_S")


def open_hello(url: str | None, options: HelloOptions, context: StorageContext | None = None) -> Storage:
    """Open the store hello://NAME; nothing is read or made yet."""
    from anystore_doe_hello.storage import HelloStorage

    return HelloStorage(url or "hello://unnamed", options)


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer hello://."""
    yield StorageEntry(
        schemes=("hello",),
        open=open_hello,
        options=HelloOptions,
        summary="Objects in SQLite databases, one for each hello://NAME",  # what the list of plugins says of it
    )


def open_hello_archive() -> Archive:
    """Return what reads and writes .hello archives."""
    from anystore_doe_hello.archive import HelloArchive

    return HelloArchive()


@hookimpl
def anystore_doe_archives() -> Iterable[ArchiveEntry]:
    """Offer .hello."""
    yield ArchiveEntry(
        suffixes=(".hello",),
        magic=((0, b"HELLO 1 "),),
        open=open_hello_archive,
        summary="Files behind a line of JSON that lists them",
        can_pack=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloExecutorOptions:
    """What can be said in [executor] of sweep.toml."""

    workers: int = option("Worker processes; the runs are shared out among them.", default=1)
    grace_s: float = option("Seconds that a cancelled worker has before it is killed.", default=45.0)


def open_hello_executor(options: HelloExecutorOptions, context: ExecutorContext) -> Executor:
    """Open the executor; it starts nothing yet."""
    from anystore_doe_hello.executor import HelloExecutor

    return HelloExecutor(options, context)


@hookimpl
def anystore_doe_executors() -> Iterable[ExecutorEntry]:
    """Offer the executor hello."""
    yield ExecutorEntry(
        name="hello",
        open=open_hello_executor,
        options=HelloExecutorOptions,
        summary="every order in a process of its own on this machine",
    )
