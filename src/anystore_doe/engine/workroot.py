"""The work root: one local folder per sweep, used by one engine at a time.

Two files are locked in it: ``lock`` by the engine, and ``workers.lock`` by every worker, shared. When an engine was
killed, its worker processes may still be ending their solvers and releasing their claims: the next engine
waits for them, so that it finds every run free.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.errors import BusyError, LocalResourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKERS_END_WITHIN_S = 60.0
"""How long the workers of an engine that was killed may take to end their solvers (30 s of grace, and some)."""

POLL_S = 0.05


@contextmanager
def locked(work_root: Path) -> Iterator[None]:
    """Make the work root and hold its lock; the kernel gives the lock back when this process ends, however.

    Raises:
        BusyError: another process holds it; the message names pid, host and since when.
        LocalResourceError: the folder can not be made or written.
    """
    try:
        work_root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(work_root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LocalResourceError(
            f"the work root {work_root} can not be used: {error.strerror}", hint="--work-dir DIR"
        ) from error
    try:
        _lock(descriptor, work_root)
        _await_workers(work_root)
        yield
    finally:
        os.close(descriptor)


def runs_folder(work_root: Path, scratch: Path | None) -> Path:
    """Return the folder that holds the attempts' folders of one work root.

    Several sweeps may share a ``scratch``, and their runs may have the same ids: each work root has a folder of its
    own there.
    """
    if scratch is None:
        return work_root / "runs"
    return scratch / f"{work_root.name}-{hashlib.sha256(os.fsencode(work_root)).hexdigest()[:8]}"


@contextmanager
def worker_at_work(work_root: Path) -> Iterator[None]:
    """Show to the next engine in ``work_root`` that a worker is still at work."""
    descriptor = os.open(work_root / "workers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: the claims still keep runs apart
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _await_workers(work_root: Path) -> None:
    """Wait until the workers of an engine that was killed are gone."""
    descriptor = os.open(work_root / "workers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    until = time.monotonic() + WORKERS_END_WITHIN_S
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BusyError(
                        f"workers of an earlier run are still at work in {work_root}", hint="wait for them"
                    ) from None
                time.sleep(POLL_S)
            except OSError:
                return  # a file system without locks
            else:
                return
    finally:
        os.close(descriptor)


def _lock(descriptor: int, work_root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        raise BusyError(
            f"another run is at work in {work_root}: {owner or 'process unknown'}",
            hint="wait for it; status says how far it is",
        ) from error
    except OSError:
        return  # a file system without locks: the claims still keep runs apart
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)
