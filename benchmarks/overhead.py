"""Overhead: 2,000 rows of ``true`` on ``file://``, all steps and commits included, beside GNU parallel.

GNU parallel with ``--joblog`` starts the same command as often on as many seats, and keeps a line per job; it
neither stages, claims nor commits. The baseline creates as many files as a run's life does, and nothing else.

What the rounds leave is removed after the last one: where ext4 has no journal, each new file is looked for among all
inodes that were freed within the last minute, and the next round would pay for the clean-up of this one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measuring import CLI, Figure, Sample, alternated, file_system_of, measured, publish

ROWS = 2000
ROUNDS = 5
CREATE = """
import os, sys
for n in range(int(sys.argv[2])):
    folder = os.path.join(sys.argv[1], str(n)); os.mkdir(folder)
    for name in ("claim", "record", "commit", "stdout", "stderr"):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(b"x" * 500)
"""


def ours(folder: Path, number: list[int]) -> Sample:
    """Run a fresh sweep of 2,000 rows."""
    number[0] += 1
    sweep = folder / f"sweep{number[0]}"
    sweep.mkdir()
    rows = "".join(f"{n}\n" for n in range(ROWS))
    (sweep / "runs.csv").write_text(f"n\n{rows}")
    taken = measured([*CLI, "run", "runs.csv", "-o", f"file://{sweep}/out/", "--slots", "2", "--", "true"], cwd=sweep)
    commits = sum(1 for _ in (sweep / "out").glob("*/_anystore/commit.json"))
    if commits != ROWS:
        sys.exit(f"{commits} commits of {ROWS}")
    return taken


def parallel(folder: Path) -> Sample:
    """Start ``true`` as often with GNU parallel."""
    return measured(["bash", "-c", f"seq {ROWS} | parallel -j2 --joblog {folder}/joblog true '#'"])


def created(folder: Path) -> Sample:
    """Create as many files as the runs' lives do."""
    made = Path(tempfile.mkdtemp(dir=folder))
    return measured([sys.executable, "-c", CREATE, str(made), str(ROWS)])


def main() -> None:
    """Measure and publish."""
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), [0]
        us, peer, baseline = alternated(
            ROUNDS, lambda: ours(folder, number), lambda: parallel(folder), lambda: created(folder)
        )
        system = file_system_of(folder)
    per_run = [one.wall_s / ROWS * 1000 for one in us]
    publish(
        "overhead",
        [
            Figure(
                name=f"{ROWS} runs of true, 2 slots",
                unit="ms a run",
                ours=per_run,
                peer_name="GNU parallel --joblog",
                peer=[one.wall_s / ROWS * 1000 for one in peer],
                demanded=1.6,
                cpu_s=sorted(one.cpu_s for one in us)[ROUNDS // 2],
                rss_mb=max(one.rss_bytes for one in us) / 2**20,
            ),
            Figure(
                name="the same beside creating 5 files a run",
                unit="ms a run",
                ours=per_run,
                peer_name="file creation",
                peer=[one.wall_s / ROWS * 1000 for one in baseline],
            ),
        ],
        {"file system": system},
    )


if __name__ == "__main__":
    main()
