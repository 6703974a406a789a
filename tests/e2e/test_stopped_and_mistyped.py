"""What is solved is not thrown away: not by Ctrl-C, not by a mistyped glob."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from sweeping import commit_of

from anystore_doe.testing.barriers import read_events, write_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Desk, FileBucket

DEADLINE_S = 40
SOLVER = """\
echo $n > a.out
set -C
echo $n 2> /dev/null > FIRST && exit 0
echo $n > SECOND
exec sleep 600
"""


def test_ctrl_c_lets_a_solved_run_be_pushed_and_committed(desk: Desk, files: FileBucket, tmp_path: Path) -> None:
    url = files.url.replace("file://", "barrier://")
    events, go = tmp_path / "events", tmp_path / "go"
    write_plugin(tmp_path / "plugins", "barriers", "anystore_doe.testing.barriers")
    executor = f'[executor]\nname = "{desk.executor}"\n'
    executor += 'pass_env = "PYTHONPATH"\n' if desk.executor != "local" else ""
    store = f'[storage."{url}"]\nevents = "{events}"\nhold = "push */a.out = {go}"\ndeadline_s = 60.0\n'
    desk.write("sweep.toml", store + executor)
    desk.write("runs.csv", f"n,output\n1,{url}/out/1\n2,{url}/out/2\n")
    desk.write("run.sh", SOLVER.replace("FIRST", str(tmp_path / "first")).replace("SECOND", str(tmp_path / "second")))
    command = [*desk.command("run")[:3], "run", "runs.csv", "-t", "run.sh", "-j1", "--lookahead", "1"]
    environ = desk.env(PYTHONPATH=str(tmp_path / "plugins"))
    engine = subprocess.Popen(command, cwd=desk.folder, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + DEADLINE_S
        while not (read_events(events, "push", "*/a.out", "begin") and (tmp_path / "second").exists()):
            assert time.monotonic() < until
            time.sleep(0.02)
        os.kill(engine.pid, signal.SIGINT)
        go.touch()
        said, _ = engine.communicate(timeout=DEADLINE_S)
    finally:
        engine.kill()
        engine.communicate()
    assert engine.returncode == 128 + signal.SIGINT
    assert "1 not finished" in said
    first, second = ((tmp_path / name).read_text().strip() for name in ("first", "second"))
    assert commit_of(files, f"out/{first}")["exit_code"] == 0
    assert f"out/{second}/_anystore/commit.json" not in files.paths()
    assert (desk.folder / f".anystore-doe/runs/runs/000{second}.1/work/a.out").read_text() == f"{second}\n"


def test_globs_that_match_nothing_fail_the_run_and_keep_its_work(desk: Desk, files: FileBucket) -> None:
    files.put("case/engine.in", b"rpm = ${rpm}\n")
    desk.write("runs.csv", "rpm\n1500\n")
    words = ("run", "runs.csv", "-i", f"{files.url}/case/", "-o", f"{files.url}/out", "--outputs")
    solve = ("--", "sh", "-c", "cat engine.in > thermo.out")
    failed = desk(*words, "termo*", *solve, exit_code=1)
    assert "none of the 1 new file(s) matches --outputs termo*: thermo.out" in failed.stdout
    assert (desk.folder / ".anystore-doe/runs/runs/0001.1/work/thermo.out").exists()
    failed = desk(*words, "thermo*", "--render", "*.inn", *solve, exit_code=1)
    assert "--render '*.inn' matches no file that the inputs brought" in failed.stdout
    desk(*words, "thermo*", "--render", "*.in", *solve)
    assert files.get("out/0001/thermo.out") == b"rpm = 1500\n"
    assert list((desk.folder / ".anystore-doe/runs/runs").iterdir()) == []


def test_a_solver_that_leaves_nothing_is_no_mistyped_glob(desk: Desk, files: FileBucket) -> None:
    desk.write("runs.csv", "rpm\n1500\n")
    done = desk("run", "runs.csv", "-o", f"{files.url}/out", "--outputs", "*.out", "--", "true")
    assert "no outputs were left" in done.stderr
