"""Which cores this process may use, and which of them each slot gets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CGROUPS = Path("/sys/fs/cgroup")
TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """Which CPUs each slot gets: one tuple per slot, empty ones when slots are not pinned; ``why_not`` says why."""

    cpus: tuple[tuple[int, ...], ...]
    why_not: str = ""


def usable_cpus() -> tuple[int, ...]:
    """Return the CPUs that the scheduler lets this process use, in ascending order."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return how many CPUs' worth of time this process gets: affinity, cut by the cgroup's quota; at least 1."""
    quota = cpu_quota()
    allowed = len(usable_cpus())
    return max(1, allowed if quota is None else min(allowed, int(quota)))


def default_slots(cores_per_slot: int) -> int:
    """Return how many slots of ``cores_per_slot`` cores this machine has room for, at least 1."""
    return max(1, usable_cores() // cores_per_slot)


def cpu_quota(memberships: str | None = None, root: Path = CGROUPS) -> float | None:
    """Return the CPUs' worth of time that control groups leave to this process; ``None``: no limit.

    Version 2 says it in ``cpu.max``, version 1 in ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` (the kernel's
    cgroup-v2.rst and sched-bwc.rst). Every group up to the root counts; inside a container the path of the group
    may not be visible, and the root of the mount is the group itself.

    Args:
        memberships: Content of ``/proc/self/cgroup``; ``None``: read it.
        root: Where the control groups are mounted.
    """
    if memberships is None:
        memberships = _text(Path("/proc/self/cgroup"))
    quotas = [quota for folder in _groups(memberships, root) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _groups(memberships: str, root: Path) -> Iterator[Path]:
    for line in memberships.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = controllers.split(",")
        if hierarchy == "0":
            mounts = [root, root / "unified"]
        elif "cpu" in names:
            mounts = [root / "cpu", root / controllers]
        else:
            continue
        parts = [part for part in path.split("/") if part not in {"", "..", "."}]
        for mount in mounts:
            yield from (mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _quota_of(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split() or [
        _text(folder / "cpu.cfs_quota_us").strip(),
        _text(folder / "cpu.cfs_period_us").strip(),
    ]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def pin_slots(count: int, cores_per_slot: int, *, topology: Path = TOPOLOGY) -> Pinning:
    """Give each of ``count`` slots its own ``cores_per_slot`` CPUs, disjoint, where this machine has that many.

    Physical cores come first: a solver that shares a core with another one's hyper-thread runs at half its speed.
    Only when there are too few are hyper-threads used too, and then a slot gets the threads of the same core.
    """
    cpus = usable_cpus()
    if not hasattr(os, "sched_setaffinity"):
        return _unpinned(count, "this system can not bind processes to cores")
    if count * cores_per_slot > len(cpus):
        return _unpinned(
            count, f"{count} slots of {cores_per_slot} cores are more than the {len(cpus)} cores that are usable here"
        )
    quota = cpu_quota()
    if quota is not None and quota < len(cpus):
        # The quota may be spent on any CPU. Every container of this machine would pin to the same first ones.
        return _unpinned(count, f"a quota of {quota:g} cores is shared out over {len(cpus)} CPUs")
    return Pinning(cpus=_share_out(_physical_cores(cpus, topology), count, cores_per_slot))


def _unpinned(count: int, why_not: str) -> Pinning:
    return Pinning(cpus=((),) * count, why_not=why_not)


def _physical_cores(cpus: Sequence[int], topology: Path) -> list[list[int]]:
    """Group CPUs by physical core, cores of one package beside each other."""
    cores: dict[tuple[int, int], list[int]] = {}
    for cpu in cpus:
        folder = topology / f"cpu{cpu}" / "topology"
        package, core = (_text(folder / name).strip() for name in ("physical_package_id", "core_id"))
        # without a word about it, every CPU counts as a core
        where = (int(package), int(core)) if package.isdecimal() and core.isdecimal() else (-1, cpu)
        cores.setdefault(where, []).append(cpu)
    return [cores[where] for where in sorted(cores)]


def _share_out(cores: Sequence[Sequence[int]], count: int, cores_per_slot: int) -> tuple[tuple[int, ...], ...]:
    if count * cores_per_slot <= len(cores):
        in_order = [threads[0] for threads in cores]
    else:
        in_order = [cpu for threads in cores for cpu in threads]
    starts = range(0, count * cores_per_slot, cores_per_slot)
    return tuple(tuple(sorted(in_order[start : start + cores_per_slot])) for start in starts)
