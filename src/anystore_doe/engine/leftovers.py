"""Ends what is left of a solver whose supervisor died. **The most dangerous lines of this program**: they kill by scan.

A process is ended only when all of this holds: its environment contains the whole entry ``ANYSTORE_DOE_TOKEN=`` and
128 random bits that this program made for one supervisor; it belongs to this user; it was not started before that
supervisor. It is ended through a pidfd that was opened before all of this was looked at again, so that a process
that got the number of another meanwhile is never hit. Without pidfds nothing is ended. What tests this runs in a
PID namespace of its own.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anystore_doe.processes import start_ticks

TOKEN_NAME = "ANYSTORE_DOE_TOKEN"  # noqa: S105  the name of a mark, not a secret
"""The environment variable that marks every process of a supervisor's trees."""
ROUND_S = 0.05
"""Between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What a scan did: the processes that were ended, and those that did not die."""

    ended: frozenset[int]
    alive: frozenset[int]


def new_token() -> str:
    """Make the mark of one supervisor's trees: 128 random bits in hex."""
    return secrets.token_hex(16)


def end_leftovers(token: str, *, since_ticks: int, patience_s: float = 10.0) -> Leftovers:
    """Kill every process that carries ``token``, again and again until none is left or ``patience_s`` is over.

    Args:
        token: From :func:`new_token`.
        since_ticks: When the supervisor was started, in clock ticks since boot: nothing older is touched.
        patience_s: How long to wait for the last one to die.

    Raises:
        ValueError: ``token`` is not one of ours, or ``since_ticks`` is no time.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", token) or since_ticks <= 0:
        raise ValueError("this is no token of a supervisor that was started; nothing was ended")
    entry = f"{TOKEN_NAME}={token}".encode()
    ended: set[int] = set()
    deadline = time.monotonic() + patience_s
    while True:
        alive = {pid for pid in _processes() if _is_leftover(pid, entry, since_ticks)}
        if not alive or time.monotonic() >= deadline:
            return Leftovers(ended=frozenset(ended - alive), alive=frozenset(alive))
        ended |= {pid for pid in alive if _kill(pid, entry, since_ticks)}
        time.sleep(ROUND_S)


def _processes() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]


def _is_leftover(pid: int, entry: bytes, since_ticks: int) -> bool:
    if pid <= 1 or pid == os.getpid():
        return False
    process = Path(f"/proc/{pid}")
    try:
        mine = process.stat().st_uid == os.getuid()
        marked = entry in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it is gone, or not ours to read
        return False
    started = start_ticks(pid)
    return mine and marked and started is not None and started >= since_ticks


def _kill(pid: int, entry: bytes, since_ticks: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        if not _is_leftover(pid, entry, since_ticks):
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        return True
    finally:
        os.close(process)
