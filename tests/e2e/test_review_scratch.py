"""Two sweeps that share a scratch folder at the same time, with the same run ids."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeping import Desk, FileBucket

DEADLINE_S = 60


def test_sweeps_that_share_a_scratch_folder_do_not_meet(desk: Desk, files: FileBucket) -> None:
    started = desk.folder / "started"
    desk.write("slow.csv", "n\n1\n")
    desk.write("fast.csv", "n\n2\n")
    desk.write(
        "slow.sh",
        f"echo slow > a.out; touch {started}; until [ -e {started}.go ]; do sleep 0.05; done; test -e a.out\n",
    )
    words = ("-o", f"{files.url}/out/${{n}}", "--scratch", "scratch")
    slow = subprocess.Popen(desk.command("run", "slow.csv", "-t", "slow.sh", *words), cwd=desk.folder, env=desk.env())
    try:
        until = time.monotonic() + DEADLINE_S
        while not started.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        desk("run", "fast.csv", *words, "--", "sh", "-c", "echo fast > a.out")
    finally:
        (desk.folder / "started.go").touch()
        assert slow.wait(DEADLINE_S) == 0
    assert files.get("out/1/a.out") == b"slow\n"
    assert files.get("out/2/a.out") == b"fast\n"


def test_the_kept_folder_and_the_logs_of_a_failed_run_are_found_in_scratch(desk: Desk, files: FileBucket) -> None:
    desk.write("runs.csv", "n\n1\n")
    words = (
        "run",
        "runs.csv",
        "-o",
        f"{files.url}/out",
        "--scratch",
        "scratch",
        "--",
        "sh",
        "-c",
        "echo why >&2; exit 3",
    )
    failed = desk(*words, exit_code=1)
    assert f"{desk.folder}/scratch/runs-" in failed.stdout
    assert "why" in desk("logs", "1", "runs.csv").stderr


def test_a_scratch_folder_that_can_not_be_made_is_a_matter_of_this_machine(desk: Desk, files: FileBucket) -> None:
    desk.write("runs.csv", "n\n1\n2\n")
    desk.write("file", "no folder")
    failed = desk("run", "runs.csv", "-o", f"{files.url}/out", "--scratch", "file", "--", "true", exit_code=8)
    assert "can not be made" in failed.stdout
