"""``results`` on a terminal: a table, a table without URLs, or CSV, and a note on stderr."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(folder, columns: int) -> tuple[list[str], str]:
    ours, its = os.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    try:
        ended = subprocess.run(
            [*PROGRAM, "results", "t.csv"], cwd=folder, env=environ, stdout=its, stderr=subprocess.PIPE, check=True
        )
        shown = STYLE.sub("", os.read(ours, 4096).decode())
        return shown.splitlines(), ended.stderr.decode()
    finally:
        os.close(ours)
        os.close(its)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "t.csv").write_text(f"pressure_bar,output\n115.67,file://{tmp_path}/out/a\n")
    return tmp_path


def test_with_room_enough_there_is_nothing_to_note(folder):
    lines, note = on_a_terminal(folder, 300)
    assert (lines[0].split()[:3], note) == (["run_id", "pressure_bar", "output"], "")
    assert f"file://{folder}/out/a" in lines[2]


def test_with_little_room_urls_are_left_out_and_that_is_said(folder):
    lines, note = on_a_terminal(folder, 76)
    assert lines[0].split()[:3] == ["run_id", "pressure_bar", "state"]
    assert lines[2].split()[:3] == ["0001", "115.67", "pending"]
    assert "76 columns are too few: output; -o FILE writes all" in note


def test_with_no_room_it_is_csv_and_that_is_said(folder):
    lines, note = on_a_terminal(folder, 40)
    assert lines[1] == f"0001,115.67,file://{folder}/out/a,pending,,0,,,"
    assert "does not fit into 40 columns; this is CSV" in note
