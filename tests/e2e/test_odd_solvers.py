"""Solvers that leave odd things behind: folders without a bottom, links where logs were, folders nobody may enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sweeping import Desk, FileBucket, record_of

if TYPE_CHECKING:
    from pathlib import Path

DEEP = "import os\nfor _ in range(1500):\n    os.mkdir('a' * 20)\n    os.chdir('a' * 20)\n"


@pytest.fixture
def odd(tmp_path: Path, files: FileBucket) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, {})
    desk.write("runs.csv", "n\n1\n2\n")
    desk.write("deep.py", DEEP)
    return desk


def test_folders_without_a_bottom_fail_their_run_alone_and_can_be_removed(odd: Desk, files: FileBucket) -> None:
    script = f'if [ "$n" = 1 ]; then python3 {odd.folder}/deep.py; fi; echo done > x.out\n'
    odd.write("run.sh", script)
    words = ("run", "runs.csv", "-o", f"{files.url}/out/", "-t", "run.sh")
    done = odd(*words, exit_code=1)
    assert "File name too long" in done.stdout + done.stderr
    assert files.get("out/0002/x.out") == b"done\n"
    odd.write("run.sh", "echo again > x.out\n")
    odd(*words, "--overwrite")
    assert files.get("out/0001/x.out") == b"again\n"
    assert not list((odd.folder / ".anystore-doe/runs/runs").iterdir())


def test_a_link_where_a_log_was_shows_nothing_of_its_target(odd: Desk, files: FileBucket, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim123\n")
    odd.write(
        "run.sh", f"rm ../stdout.log; ln -s {tmp_path}/secret ../stdout.log; ln -s {tmp_path}/secret ../m\nfalse\n"
    )
    odd("run", "runs.csv", "-o", f"{files.url}/out/", "-t", "run.sh", exit_code=1)
    assert "geheim123" not in str(record_of(files, "out/0001"))
    assert (tmp_path / "secret").read_text() == "geheim123\n"


def test_a_link_in_the_place_of_the_work_folder_is_not_followed(odd: Desk, files: FileBucket, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/secret").write_text("geheim123\n")
    odd.write("run.sh", f"mv ../work ../was; ln -s {tmp_path}/other ../work\n")
    odd("run", "runs.csv", "-o", f"{files.url}/out/", "-t", "run.sh", exit_code=1)
    assert not [path for path in files.paths("out/") if path.endswith("secret")]
    assert "there is a link where the work folder was" in record_of(files, "out/0001")["reason"]


def test_what_an_executor_was_told_in_secret_is_not_written_down(odd: Desk, files: FileBucket) -> None:
    odd.write(
        "sweep.toml",
        f'table = "runs.csv"\noutput = "{files.url}/out/"\ncommand = ["true"]\n'
        '[executor]\nname = "worker-process"\npass_env = "GEHEIM123"\n',
    )
    odd("run")
    memo = odd.folder / ".anystore-doe/runs/called.json"
    assert "GEHEIM123" not in memo.read_text()
    assert memo.stat().st_mode & 0o077 == 0
    assert [row["state"] for row in odd.results("runs.csv")] == ["committed", "committed"]


def test_a_word_that_is_no_text_is_refused(odd: Desk) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "anystore_doe.cli", "run", "runs.csv", "-o", b"out/\xff/", "--", "true"]
    done = subprocess.run(command, cwd=odd.folder, env=odd.env(), capture_output=True, check=False)
    assert done.returncode == 2
    assert b"is not valid UTF-8" in done.stderr
