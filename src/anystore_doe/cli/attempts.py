"""The folders that attempts have on this machine, beside their work folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def last_folder(runs_folder: Path, run_id: str) -> Path | None:
    """Return the folder ``<run_id>.<n>`` with the highest attempt number, or ``None`` when there is none."""
    prefix = f"{run_id}."
    try:
        found = [path for path in runs_folder.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return None
    numbered = [(int(path.name[len(prefix) :]), path) for path in found if path.name[len(prefix) :].isdecimal()]
    return max(numbered)[1] if numbered else None
