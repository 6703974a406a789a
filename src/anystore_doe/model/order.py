"""What a worker gets and gives back: objects, pinned inputs, work orders, worker ends."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  resolved at run time when JSON is decoded
from dataclasses import dataclass, field
from typing import Literal

from anystore_doe.model.sweep import Recipe, Run, StoreSettings  # noqa: TC001  resolved at run time when JSON is decoded

SCHEMA = 1
"""Version of the work order and of the records in a store; a higher one is refused with exit code 9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One object of a store at one moment.

    Attributes:
        key: Relative to the root of the storage it came from.
        size: Bytes.
        pin: Names this version (ETag, generation, or size+mtime+inode of a file); ``None`` where the store has none.
        checksums: Algorithm (``md5``, ``crc32c``, ``crc32``, ``sha256`` ...) to lower-case hex, of the whole object.
        modified_at: Seconds since the epoch, or ``None``.
    """

    key: str
    size: int
    pin: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    modified_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedObject:
    """One object of an input, as plan saw it; ``path`` is where it goes in the work folder."""

    path: str
    url: str
    size: int
    pin: str | None
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedInput:
    """One input of one run, as plan saw it: a tree has many objects, any other exactly one."""

    url: str
    kind: Literal["archive", "file", "tree"]
    objects: tuple[PinnedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedRun:
    """A run that plan found ready: its row, its pinned inputs and the digest of its definition."""

    run: Run
    inputs: tuple[PinnedInput, ...]
    definition_digest: str
    attempts: int = 0
    """Attempts that plan saw."""
    earlier: bool = False
    """Plan saw something of ours under the output URL: its history is read after the claim."""
    replace: bool = False
    """``--overwrite``: an older commit and what it listed may be removed after the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one worker may use: ``slots`` solvers at once, each on ``cores_per_slot`` cores."""

    slots: int
    cores_per_slot: int = 1
    lookahead: int = 2
    memory_bytes: int | None = None
    gpus: int | None = None
    walltime_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """Plain data that makes a worker live some runs, on this machine or another; holds no secrets.

    Attributes:
        order_id: Unique within the sweep.
        argv: The worker's command; the order comes on its stdin.
        sweep: Name of the sweep.
        runs: Taken in this order, by claim.
        recipe: What is done with every run.
        resources: Of this worker.
        stores: Settings per URL prefix, without secret values.
        work_root: Absolute path of the folder for work folders, records and logs; made by the worker.
        scratch: Absolute path for work folders; ``""``: below ``work_root``.
        fail_fast: Take no further run after one failed.
    """

    order_id: str
    argv: tuple[str, ...]
    sweep: str
    runs: tuple[OrderedRun, ...]
    recipe: Recipe
    resources: Resources
    stores: tuple[StoreSettings, ...] = ()
    work_root: str = ""
    scratch: str = ""
    fail_fast: bool = False
    schema: int = SCHEMA

    def as_line(self) -> bytes:
        """Return the order as its worker reads it: one line of JSON, with the line feed."""
        from msgspec import json  # not at the top: who lists plugins imports this module, and needs no JSON

        return json.encode(self) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """How an executor saw a worker end; says nothing about runs: those are read from the store.

    Attributes:
        detail: Why, in words.
        error_class: The exit code that an end other than ``ended`` belongs to; 1 where that is not known.
    """

    order_id: str
    how: Literal["ended", "lost", "cancelled", "refused"]
    detail: str = ""
    error_class: int = 1
