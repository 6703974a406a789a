"""A folder with inputs, a table and a script."""

from __future__ import annotations

import pytest
from calling import SCRIPT, TABLE


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("A\n")
    (tmp_path / "in/b.txt").write_text("B\n")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "run.sh").write_text(SCRIPT)
    return tmp_path
