"""The plugin author's room: the hooks, and the three contracts behind them. Read ``hooks.py`` first."""

from anystore_doe.contract.archive import Archive, Limits, Member
from anystore_doe.contract.executor import Executor, ExecutorContext
from anystore_doe.contract.hooks import (
    NAME,
    ArchiveEntry,
    ExecutorEntry,
    NoOptions,
    StorageEntry,
    hookimpl,
    hookspec,
    option,
)
from anystore_doe.contract.storage import (
    ByteBudget,
    Capabilities,
    Place,
    Policy,
    Storage,
    StorageContext,
    Watch,
)

__all__ = [
    "NAME",
    "Archive",
    "ArchiveEntry",
    "ByteBudget",
    "Capabilities",
    "Executor",
    "ExecutorContext",
    "ExecutorEntry",
    "Limits",
    "Member",
    "NoOptions",
    "Place",
    "Policy",
    "Storage",
    "StorageContext",
    "StorageEntry",
    "Watch",
    "hookimpl",
    "hookspec",
    "option",
]
