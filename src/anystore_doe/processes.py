"""Which process is which on this machine, and whether one is gone: what claims and notes of open uploads rest on."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process, named so that a later process with the same number is another one.

    Attributes:
        boot_id: Random per boot (Linux: ``/proc/sys/kernel/random/boot_id``), ``""`` where there is none.
        pid_namespace: The namespace in which ``pid`` counts, ``""`` where there is none.
        pid_started: Start time in clock ticks since boot (field 22 of ``/proc/<pid>/stat``, proc(5)), 0 if unknown.
    """

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    pid_started: int


def start_ticks(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since boot; ``None``: it is dead or hidden, or never was."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name (field 2) may hold blanks and brackets: count from the last bracket
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])  # dead, and only not reaped yet


def this_process() -> ProcessIdentity:
    """Return the identity of the calling process."""
    pid = os.getpid()
    return ProcessIdentity(
        host=socket.gethostname(),
        boot_id=_text(Path("/proc/sys/kernel/random/boot_id")),
        pid_namespace=_namespace(),
        pid=pid,
        pid_started=start_ticks(pid) or 0,
    )


def is_gone(owner: ProcessIdentity, me: ProcessIdentity) -> bool:
    """Tell whether ``owner`` ran on this host, in this boot and pid namespace, and is no more.

    ``False`` also means "can not tell": another host; another boot, which may be that of another host with the same
    name; another namespace; another user's process that ``/proc`` hides.
    """
    if not owner.boot_id or (owner.boot_id, owner.pid_namespace) != (me.boot_id, me.pid_namespace):
        return False
    started = start_ticks(owner.pid)
    if started is None and _is_hidden(owner.pid):
        return False
    return started != owner.pid_started


def _is_hidden(pid: int) -> bool:
    """Tell whether there is a process that this one may not look at (``hidepid``, see proc(5))."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
