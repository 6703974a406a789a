"""The folders that attempts left on this machine are found in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.cli.attempts import last_folder, last_folders

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_folder_of_each_run_is_found(tmp_path: Path) -> None:
    for name in ("a.1", "a.9", "a.10", "a.b.2", "0001.1", "lost+found", ".5", "c.x"):
        (tmp_path / name).mkdir()
    found = last_folders(tmp_path)
    assert {run_id: path.name for run_id, path in found.items()} == {"a": "a.10", "a.b": "a.b.2", "0001": "0001.1"}
    assert last_folder(tmp_path, "a") == tmp_path / "a.10"
    assert last_folder(tmp_path, "b") is None
    assert last_folders(tmp_path / "nowhere") == {}
