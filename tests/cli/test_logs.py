"""``logs``: which attempt's, of which run, and what is said when there are none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from anystore_doe.cli.main import main

TABLE = "rpm,output\n1500,out/a\n1600,out/b\n"
PROGRAM = (sys.executable, "-m", "anystore_doe.cli")
WITHIN_S = 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "run.sh").write_text("echo said ${rpm}\necho 1 > x.out\n")
    return tmp_path


def call(*words):
    return CliRunner().invoke(main, list(words))


def wait_for(found):
    deadline = time.monotonic() + WITHIN_S
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_kept_folder_of_an_older_attempt_is_not_the_log_of_a_committed_run(folder):
    (folder / "run.sh").write_text("echo first\nexit 3\n")
    assert call("run", "t.csv", "-t", "run.sh", "--select", "1").exit_code == 1
    kept = folder / ".anystore-doe/t/runs/0001.1"
    assert call("logs", "0001").stdout == "first\n"
    shutil.copytree(kept, folder / "aside")
    (folder / "run.sh").write_text("echo second\necho 1 > x.out\n")
    assert call("run", "t.csv", "-t", "run.sh", "--select", "1").exit_code == 0
    shutil.copytree(folder / "aside", kept, dirs_exist_ok=True)
    assert call("logs", "0001").stdout == "second\n"


def test_an_unknown_run_is_said_with_the_runs_there_are(folder):
    call("run", "t.csv", "-t", "run.sh")
    result = call("logs", "hsdi")
    assert result.exit_code == 3
    assert "there is no run 'hsdi'; the runs are 0001, 0002\n" in result.stderr
    assert "--select" not in result.stderr
    assert "did you mean '000" in call("logs", "000x").stderr


def test_table_and_run_may_come_in_either_order(folder):
    call("run", "t.csv", "-t", "run.sh")
    assert call("logs", "t.csv", "0002").stdout == call("logs", "0002", "t.csv").stdout == "said 1600\n"
    assert "Hint:  anystore-doe logs RUN TABLE" in call("logs", "t.csv").stderr


def test_of_a_solver_that_wrote_nothing_it_is_said_why(folder):
    (folder / "run.sh").write_text("echo 1 > x.out\ntest ${rpm} = 1500 || exit 4\n")
    call("run", "t.csv", "-t", "run.sh")
    committed, failed = call("logs", "0001"), call("logs", "0002")
    assert (committed.exit_code, committed.stdout) == (0, "")
    assert committed.stderr == "run 0001: the solver wrote nothing\n"
    assert failed.stderr == "run 0002: the solver wrote nothing: the solver ended with exit code 4\n"
    assert call("logs", "0001", "--stdout").stderr == "run 0001: the solver wrote nothing to stdout\n"


def test_a_command_that_is_not_there_is_said_to_be_the_reason(folder):
    call("run", "t.csv", "--select", "1", "--", "no-such-solver-anywhere")
    result = call("logs", "0001")
    assert "run 0001: the solver wrote nothing: the solver could not be started" in result.stderr
    assert "Hint:  " in result.stderr


def test_a_run_that_waits_for_a_slot_is_followed_until_it_has_solved(folder):
    (folder / "run.sh").write_text(
        'touch "$MARK/${rpm}"; while ! test -e "$GO"; do sleep 0.05; done; echo said ${rpm}; echo 1 > x.out\n'
    )
    marks, go = folder / "marks", folder / "go"
    marks.mkdir()
    environ = {**os.environ, "MARK": str(marks), "GO": str(go)}
    running = subprocess.Popen(
        [*PROGRAM, "run", "t.csv", "-t", "run.sh", "-j1"], env=environ, stderr=subprocess.DEVNULL
    )
    follower = None
    try:
        wait_for(lambda: any(marks.iterdir()))
        (solving,) = marks.iterdir()
        waiting, rpm = ("0002", "1600") if solving.name == "1500" else ("0001", "1500")
        wait_for(lambda: (folder / f".anystore-doe/t/runs/{waiting}.1").is_dir())
        now = call("logs", waiting)
        assert (now.exit_code, "has not started to solve yet" in now.stderr) == (3, True)
        assert f"logs {waiting} -f" in now.stderr
        follower = subprocess.Popen([*PROGRAM, "logs", waiting, "-f"], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            follower.wait(1)
        go.touch()
        assert follower.communicate(timeout=WITHIN_S)[0] == f"said {rpm}\n"
        assert (follower.returncode, running.wait(WITHIN_S)) == (0, 0)
    finally:
        go.touch()
        for process in filter(None, (follower, running)):
            process.kill()
            process.wait()
