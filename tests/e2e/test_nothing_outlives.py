"""kill -9 of the engine leaves no solver alive, whatever it forked. In a PID namespace of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from anystore_doe.testing.servers import require

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Desk

NAMESPACE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]

# Runs as the first process of its namespace: what is in its /proc is the engine, its supervisors and its solvers.
INSIDE = """\
import os, signal, subprocess, sys, time
from pathlib import Path

def others():
    mine = {1, os.getpid()}
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) not in mine:
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
                command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\\0", b" ").decode()
            except OSError:
                continue
            if stat.rpartition(")")[2].split()[0] not in "ZX":
                found.append(f"{name} {command}")
    return found

def until(true, what):
    end = time.monotonic() + 40
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what}: {others()}")
        time.sleep(0.05)

engine = subprocess.Popen(sys.argv[1:])
until(lambda: Path("children").exists() and len(Path("children").read_text().split()) == 4, "the solvers did not start")
before = others()
assert len(before) >= 7, before
os.kill(engine.pid, signal.SIGKILL)
engine.wait()
until(lambda: not others(), "left alive")
print("nothing is left of", len(before), "processes")
"""

# A child that is forked away twice, one in a session of its own, one that ignores polite signals.
SOLVER = """\
(setsid sh -c 'echo $$ >> "$CHILDREN"; exec sleep 1000' &) &
(sh -c 'trap "" TERM HUP INT; echo $$ >> "$CHILDREN"; while :; do sleep 1; done' &)
sleep 1000
"""


def test_no_solver_outlives_a_killed_engine(desk: Desk, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], check=False).returncode:
        require("this machine lets us make no PID namespace")
    desk.write("runs.csv", "n\n1\n2\n")
    desk.write("run.sh", SOLVER.replace("$CHILDREN", str(desk.folder / "children")))
    desk.write("inside.py", INSIDE)
    command = desk.command("run", "runs.csv", "-t", "run.sh", "-o", f"{tmp_path}/out/", "--slots", "2")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "inside.py", *command],
        cwd=desk.folder,
        env=desk.env(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is left" in done.stdout
