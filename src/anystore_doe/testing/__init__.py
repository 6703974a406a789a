"""The kit: contract suites for plugin authors, real servers, a fault proxy, and plugins that only tests need.

The names below are found on first use, so that a worker process that needs one module of this package does not
import pytest.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anystore_doe.testing.faults import Answer, Cut, Delay, Flip, LoseReply, Rule, Swap, Truncate, s3_error
    from anystore_doe.testing.proxy import FaultProxy
    from anystore_doe.testing.servers import MotoServer, ServerMissingError, require, start_moto

__all__ = [
    "Answer",
    "Cut",
    "Delay",
    "FaultProxy",
    "Flip",
    "LoseReply",
    "MotoServer",
    "Rule",
    "ServerMissingError",
    "Swap",
    "Truncate",
    "require",
    "s3_error",
    "start_moto",
]

_ROOMS = {
    "faults": ("Answer", "Cut", "Delay", "Flip", "LoseReply", "Rule", "Swap", "Truncate", "s3_error"),
    "proxy": ("FaultProxy",),
    "servers": ("MotoServer", "ServerMissingError", "require", "start_moto"),
}
_CONTRACTS = ("archive_contract", "executor_contract", "storage_contract")

if "pytest" in sys.modules:  # plugin authors see what an assert compared; a worker process has no pytest
    import pytest

    pytest.register_assert_rewrite(*(f"{__name__}.{room}" for room in _CONTRACTS))


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
