"""The folders that attempts have on this machine, beside their work folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def last_folder(runs_folder: Path, run_id: str) -> Path | None:
    """Return the folder ``<run_id>.<n>`` with the highest attempt number, or ``None`` when there is none."""
    return last_folders(runs_folder).get(run_id)


def attempt_of(folder: Path) -> int:
    """Return the attempt number of a folder ``<run_id>.<n>``."""
    return int(folder.name.rpartition(".")[2])


def last_folders(runs_folder: Path) -> dict[str, Path]:
    """Return for each run id its folder ``<run_id>.<n>`` with the highest attempt number, in one pass."""
    found: dict[str, tuple[int, Path]] = {}
    try:
        for path in runs_folder.iterdir():
            run_id, _, number = path.name.rpartition(".")
            if run_id and number.isdecimal():
                found[run_id] = max(found.get(run_id, (0, path)), (int(number), path))
    except OSError:
        return {}
    return {run_id: path for run_id, (_, path) in found.items()}
