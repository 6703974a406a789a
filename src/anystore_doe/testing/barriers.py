"""A storage plugin for tests of order and overlap: it writes down when transfers begin and end, and can hold them.

``barrier:///folder/key`` is ``file:///folder/key`` with a barrier before it, ``barrier+s3://bucket/key`` is
``s3://bucket/key``. It works across processes: events go to a file, and what a transfer waits for is a file too::

    [storage."barrier:///"]
    events = "/tmp/x/events.jsonl"
    hold = "push */0001/* = /tmp/x/second-run-solves; fetch *.zip = /tmp/x/go"

It is no entry point of this distribution; :func:`write_plugin` makes it one for the processes of a test.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anystore_doe.contract import NAME, Storage, StorageEntry, hookimpl, option
from anystore_doe.errors import DefinitionError, StorageError, UnknownSchemeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anystore_doe.contract import Policy, StorageContext, Watch
    from anystore_doe.model import ObjectInfo

POLL_S = 0.01
INNER = {"barrier": "file", "barrier+file": "file", "barrier+s3": "s3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierOptions:
    """Settings of a storage with barriers."""

    events: str = option("File that events are appended to.", default="", env="ANYSTORE_DOE_BARRIER_EVENTS")
    hold: str = option(
        "What waits for what: `fetch|push PATTERN = FILE`, several with `;` between.",
        default="",
        env="ANYSTORE_DOE_BARRIER_HOLD",
    )
    deadline_s: float = option("Seconds after which a transfer that is held fails.", default=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something began, ended or failed; ``at_s`` is of the machine's monotonic clock, the same in all processes."""

    verb: str
    key: str
    edge: Literal["begin", "end", "failed"]
    at_s: float
    pid: int


def note(events: Path, verb: str, key: str, edge: Literal["begin", "end", "failed"]) -> None:
    """Append an event; solvers of a test may do so as well."""
    event = Event(verb=verb, key=key, edge=edge, at_s=time.monotonic(), pid=os.getpid())
    line = json.dumps(dataclasses.asdict(event)) + "\n"
    # one write to an O_APPEND file: lines of several processes never mix
    handle = os.open(events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read_events(events: Path, verb: str = "*", key: str = "*", edge: str = "*") -> list[Event]:
    """Return the events that match the ``fnmatch`` patterns, in the order they were written."""
    lines = events.read_text().splitlines() if events.exists() else []
    found = [Event(**json.loads(line)) for line in lines]
    return [e for e in found if fnmatchcase(e.verb, verb) and fnmatchcase(e.key, key) and fnmatchcase(e.edge, edge)]


@dataclass(frozen=True, slots=True)
class Hold:
    """A transfer ``verb`` of a key that matches ``pattern`` waits until ``file`` exists."""

    verb: str
    pattern: str
    file: Path


def read_holds(text: str) -> tuple[Hold, ...]:
    """Parse the option ``hold``.

    Raises:
        DefinitionError: it does not read ``fetch|push PATTERN = FILE; ...``.
    """
    holds = []
    for rule in filter(None, (part.strip() for part in text.split(";"))):
        left, equals, file = rule.rpartition("=")
        verb, space, pattern = left.strip().partition(" ")
        if not (equals and space and verb in {"fetch", "push"} and file.strip()):
            raise DefinitionError(f"{rule!r} is not `fetch|push PATTERN = FILE`", where="hold")
        holds.append(Hold(verb, pattern.strip(), Path(file.strip())))
    return tuple(holds)


class BarrierStorage(Storage):
    """Passes everything on to ``inner``; each fetch and push is noted and may be held."""

    def __init__(self, url: str, inner: Storage, options: BarrierOptions) -> None:
        """Stand before ``inner``, which is closed with this."""
        self.url = url
        self.capabilities = inner.capabilities
        self.cloud = inner.cloud
        self._inner = inner
        self._events = Path(options.events) if options.events else None
        self._holds = read_holds(options.hold)
        self._deadline_s = options.deadline_s

    def stat(self, key: str) -> ObjectInfo:
        """See the contract."""
        with self._ours():
            return self._inner.stat(key)

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        """See the contract."""
        with self._noted("fetch", key, watch):
            return self._inner.fetch(key, dest, pin=pin, watch=watch)

    def walk(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See the contract."""
        return self._inner.walk(prefix)

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
        """See the contract."""
        with self._noted("push", key, watch):
            return self._inner.push(
                source, key, create_only=create_only, replacing=replacing, durable=durable, watch=watch
            )

    def delete(self, keys: Iterable[str]) -> None:
        """See the contract."""
        with self._ours():
            self._inner.delete(keys)

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        """See the contract."""
        with self._ours():
            return self._inner.read(key, start, end, pin=pin)

    def grants(
        self,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        delete: bool,
        form: str = "identity",
        principal: str = "",
    ) -> Policy:
        """See the contract."""
        return self._inner.grants(reads, writes, delete=delete, form=form, principal=principal)

    def close(self) -> None:
        """See the contract."""
        self._inner.close()

    @contextlib.contextmanager
    def _noted(self, verb: str, key: str, watch: Watch) -> Iterator[None]:
        self._note(verb, key, "begin")
        try:
            with self._ours():
                self._wait(verb, key, watch)
                yield
        except BaseException:
            self._note(verb, key, "failed")
            raise
        self._note(verb, key, "end")

    def _note(self, verb: str, key: str, edge: Literal["begin", "end", "failed"]) -> None:
        if self._events is not None:
            note(self._events, verb, key, edge)

    def _wait(self, verb: str, key: str, watch: Watch) -> None:
        until_s = time.monotonic() + self._deadline_s
        for hold in self._holds:
            if hold.verb != verb or not fnmatchcase(key, hold.pattern):
                continue
            while not hold.file.exists():
                watch.check(self.url_of(key))
                if time.monotonic() > until_s:
                    raise StorageError(verb, self.url_of(key), f"held for {self._deadline_s} s, and no {hold.file}")
                time.sleep(POLL_S)

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        """Let errors name the URL that was asked about, not the one behind the barrier."""
        try:
            yield
        except StorageError as error:
            error.url = error.url.replace(self._inner.url, self.url, 1)
            error.message = error.message.replace(self._inner.url, self.url, 1)
            raise


def _inner_entry(scheme: str) -> StorageEntry:
    """Find the storage entry that serves ``scheme``, by entry points as any host does."""
    for point in entry_points(group=NAME):
        offer = getattr(point.load(), "anystore_doe_storages", None) if point.name == scheme else None
        for entry in offer() if offer else ():
            if scheme in entry.schemes:
                found: StorageEntry = entry
                return found
    raise UnknownSchemeError(scheme, known=[])


def split(url: str) -> tuple[str, str]:
    """Split a URL as the storage behind the barrier would."""
    scheme, _, rest = url.partition("://")
    inner = INNER[scheme]
    root, key = _inner_entry(inner).split(f"{inner}://{rest}")
    return scheme + root.removeprefix(inner), key


def open_barrier(url: str | None, options: BarrierOptions, context: StorageContext) -> Storage:
    """Open the storage behind the barrier, its options from the environment and defaults, and stand before it."""
    scheme, _, rest = (url or "barrier://").partition("://")
    entry = _inner_entry(INNER[scheme])
    named = {field.name: os.environ.get(field.metadata.get("env") or "") for field in dataclasses.fields(entry.options)}
    inner_options = entry.options(**{name: value for name, value in named.items() if value is not None})
    inner = entry.open(f"{INNER[scheme]}://{rest}" if url else None, inner_options, context)
    return BarrierStorage(f"{scheme}://{rest}", inner, options)


@hookimpl
def anystore_doe_storages() -> list[StorageEntry]:
    """Offer ``barrier://`` and ``barrier+s3://``."""
    summary = "a store with barriers and a log of events, for tests"
    return [StorageEntry(schemes=tuple(INNER), open=open_barrier, summary=summary, options=BarrierOptions, split=split)]


def write_plugin(folder: Path, name: str, module: str, *, source: str | None = None) -> Path:
    """Make ``module`` a plugin for every process that has ``folder`` on its PYTHONPATH; return ``folder``.

    Args:
        folder: Made when it is not there.
        name: Of the distribution and of the entry point.
        module: What the entry point names, such as ``anystore_doe.testing.barriers``.
        source: Text of the module, which is then written into ``folder``.
    """
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{NAME}]\n{name} = {module}\n")
    if source is not None:
        (folder / f"{module}.py").write_text(source)
    return folder
