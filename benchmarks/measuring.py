"""What all benchmarks share: measured child processes, alternation, medians with spread, and where results go."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
CLI = [sys.executable, "-m", "anystore_doe.cli"]
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python compiles a module once, not at each start


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measured process: seconds of wall clock and CPU (it and its reaped children), peak RSS of itself in bytes."""

    wall_s: float
    cpu_s: float
    rss_bytes: int


@dataclass(kw_only=True)
class Figure:
    """One row of a benchmark: what was measured, how often, beside which peer.

    ``demanded`` is the ratio to the peer (or to the bound) that must not be exceeded, ``None`` when there is none.
    """

    name: str
    unit: str
    ours: list[float]
    peer_name: str = ""
    peer: list[float] = field(default_factory=list)
    demanded: float | None = None
    note: str = ""
    cpu_s: float | None = None
    rss_mb: float | None = None

    @property
    def ratio(self) -> float | None:
        """Median of ours over the median of the peer's."""
        return statistics.median(self.ours) / statistics.median(self.peer) if self.peer else None


# A small process stands between us and the one that is measured: a process keeps, across exec, the peak RSS of the one
# that it was forked from, and ours holds a test server's SDK.
_BETWEEN = """
import json, os, sys, time
began = time.perf_counter()
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
taken = time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
os.write(int(sys.argv[1]), json.dumps([os.waitstatus_to_exitcode(status), *taken]).encode())
"""


def measured(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, expect: int = 0
) -> Sample:
    """Run ``argv`` to its end and measure it; another exit code than ``expect`` ends the benchmark."""
    reading, writing = os.pipe()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _BETWEEN, str(writing), *argv],
        env=None if env is None else dict(env),
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writing],
        check=True,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        code, wall_s, cpu_s, rss_bytes = json.load(told)
    if code != expect:
        sys.exit(f"{list(argv)} ended with {code}:\n{done.stderr.decode(errors='replace')[-3000:]}")
    return Sample(wall_s=wall_s, cpu_s=cpu_s, rss_bytes=rss_bytes)


def alternated(times: int, *turns: Callable[[], Sample]) -> list[list[Sample]]:
    """Call the turns one after the other, ``times`` rounds, so that a drift of the machine meets all alike."""
    samples: list[list[Sample]] = [[] for _ in turns]
    for _ in range(times):
        for turn, taken in zip(turns, samples, strict=True):
            taken.append(turn())
    return samples


def median(values: Sequence[float]) -> str:
    """Return ``median (min-max)``."""
    return f"{statistics.median(values):.4g} ({min(values):.4g}-{max(values):.4g})"


def machine() -> dict[str, str]:
    """Return what a reader must know of the machine: never its name."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def publish(benchmark: str, figures: Sequence[Figure], remarks: Mapping[str, str] | None = None) -> None:
    """Print the figures as a table and keep them in ``results/<benchmark>.json`` for the documentation."""
    print(f"\n{benchmark}   {machine()}   {dict(remarks or {})}")
    for figure in figures:
        line = f"  {figure.name}: ours {median(figure.ours)} {figure.unit}"
        if figure.peer:
            line += f", {figure.peer_name} {median(figure.peer)} {figure.unit}, ratio {figure.ratio:.3g}"
        if figure.demanded is not None:
            line += f" (demanded: at most {figure.demanded:g})"
        if figure.cpu_s is not None:
            line += f", CPU {figure.cpu_s:.3g} s"
        if figure.rss_mb is not None:
            line += f", peak RSS {figure.rss_mb:.0f} MB"
        print(line + (f"   [{figure.note}]" if figure.note else ""))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    body = {
        "benchmark": benchmark,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "remarks": dict(remarks or {}),
        "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in figures],
    }
    (results / f"{benchmark}.json").write_text(json.dumps(body, indent=1) + "\n")


def file_system_of(folder: Path) -> str:
    """Return the type of the file system that ``folder`` lies on, as ``stat -f`` names it."""
    done = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()
