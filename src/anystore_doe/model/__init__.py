"""Frozen values without I/O: what a sweep is, what an order is, what is written into a store.

Everything here can be encoded as JSON as it stands (msgspec encodes dataclasses): tuples, mappings
of plain values, numbers, strings. Sizes are bytes, durations are seconds and end in ``_s``, instants
are seconds since the epoch and end in ``_at``. Keys are relative and ``/``-separated; URLs are whole.
"""

from anystore_doe.model.order import (
    SCHEMA,
    ObjectInfo,
    OrderedRun,
    PinnedInput,
    PinnedObject,
    Resources,
    WorkerEnd,
    WorkOrder,
)
from anystore_doe.model.records import (
    ATTEMPTS_PATH,
    CLAIM_PATH,
    OUR_FOLDER,
    STEPS,
    AttemptRecord,
    Claim,
    Commit,
    ExitRecord,
    FileRecord,
    InputIdentity,
    RunEvent,
    Solved,
    SolveRequest,
    Step,
)
from anystore_doe.model.sweep import (
    InputFile,
    Plain,
    Recipe,
    Run,
    StoreSettings,
    Sweep,
    Template,
)

__all__ = [
    "ATTEMPTS_PATH",
    "CLAIM_PATH",
    "OUR_FOLDER",
    "SCHEMA",
    "STEPS",
    "AttemptRecord",
    "Claim",
    "Commit",
    "ExitRecord",
    "FileRecord",
    "InputFile",
    "InputIdentity",
    "ObjectInfo",
    "OrderedRun",
    "PinnedInput",
    "PinnedObject",
    "Plain",
    "Recipe",
    "Resources",
    "Run",
    "RunEvent",
    "SolveRequest",
    "Solved",
    "Step",
    "StoreSettings",
    "Sweep",
    "Template",
    "WorkOrder",
    "WorkerEnd",
]
