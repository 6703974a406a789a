"""The kit: suites for plugin authors, real servers, a fault proxy, and plugins that only tests need.

The names below are found on first use, so that a worker process that needs one module of this package does not
import pytest.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anystore_doe.testing.archive_contract import ArchiveContract, Crafted
    from anystore_doe.testing.executor_contract import ExecutorContract
    from anystore_doe.testing.faults import (
        Answer,
        Cut,
        Delay,
        Flip,
        LoseReply,
        Rule,
        Swap,
        Truncate,
        azure_error,
        gcs_error,
        s3_error,
    )
    from anystore_doe.testing.memory import MemoryStorage
    from anystore_doe.testing.proxy import FaultProxy
    from anystore_doe.testing.seeded import Bugs
    from anystore_doe.testing.servers import (
        AzuriteServer,
        FakeGcsServer,
        MotoServer,
        OpenSshServer,
        ServerMissingError,
        ServerProcess,
        require,
        start_azurite,
        start_fake_gcs,
        start_moto,
        start_sshd,
    )
    from anystore_doe.testing.storage_contract import StorageContract
    from anystore_doe.testing.storage_faults import HttpFaultsContract

__all__ = [
    "Answer",
    "ArchiveContract",
    "AzuriteServer",
    "Bugs",
    "Crafted",
    "Cut",
    "Delay",
    "ExecutorContract",
    "FakeGcsServer",
    "FaultProxy",
    "Flip",
    "HttpFaultsContract",
    "LoseReply",
    "MemoryStorage",
    "MotoServer",
    "OpenSshServer",
    "Rule",
    "ServerMissingError",
    "ServerProcess",
    "StorageContract",
    "Swap",
    "Truncate",
    "azure_error",
    "gcs_error",
    "require",
    "s3_error",
    "start_azurite",
    "start_fake_gcs",
    "start_moto",
    "start_sshd",
]

_MODULES = {
    "archive_contract": ("ArchiveContract", "Crafted"),
    "executor_contract": ("ExecutorContract",),
    "faults": (
        "Answer",
        "Cut",
        "Delay",
        "Flip",
        "LoseReply",
        "Rule",
        "Swap",
        "Truncate",
        "azure_error",
        "gcs_error",
        "s3_error",
    ),
    "memory": ("MemoryStorage",),
    "proxy": ("FaultProxy",),
    "seeded": ("Bugs",),
    "servers": (
        "AzuriteServer",
        "FakeGcsServer",
        "MotoServer",
        "OpenSshServer",
        "ServerMissingError",
        "ServerProcess",
        "require",
        "start_azurite",
        "start_fake_gcs",
        "start_moto",
        "start_sshd",
    ),
    "storage_contract": ("StorageContract",),
    "storage_faults": ("HttpFaultsContract",),
}
_WITH_ASSERTS = (
    "archive_contract",
    "executor_contract",
    "fixtures",
    "storage_conditions",
    "storage_contract",
    "storage_escapes",
    "storage_faults",
    "storage_honesty",
    "storage_lists",
    "storage_names",
    "storage_reads",
    "storage_writes",
)

if "pytest" in sys.modules:  # so that an assert of a suite shows what it compared; a worker process has no pytest
    import pytest

    pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _WITH_ASSERTS))


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
