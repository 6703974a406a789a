"""``worker``: one order on stdin, results in the store, and an end when the engine is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from anystore_doe.model import OrderedRun, Recipe, Resources, Run, WorkOrder

PROGRAM = (sys.executable, "-P", "-m", "anystore_doe.cli", "worker")


def order_line(folder, script: str) -> bytes:
    run = Run(run_id="r1", row=1, line=2, values={"rpm": "7"}, inputs=(), output=f"file://{folder}/out")
    order = WorkOrder(
        order_id="o-1",
        argv=PROGRAM,
        sweep="s",
        runs=(OrderedRun(run=run, inputs=(), definition_digest="d"),),
        recipe=Recipe(command=("sh", "-c", script)),
        resources=Resources(slots=1, lookahead=0),
        work_root=str(folder / "root"),
    )
    return msgspec.json.encode(order) + b"\n"


@pytest.fixture
def worker():
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.mark.parametrize(("script", "committed"), [("echo $rpm > x.out", True), ("exit 1", False)])
def test_an_order_is_lived_and_ends_with_0_whatever_became_of_its_runs(worker, tmp_path, script, committed):
    worker.stdin.write(order_line(tmp_path, script))
    worker.stdin.flush()
    assert worker.wait(40) == 0
    assert (tmp_path / "out/_anystore/commit.json").exists() is committed
    assert (tmp_path / "out/_anystore/attempts/1.json").exists()


@pytest.mark.parametrize("how", ["end of stdin", "SIGTERM"])
def test_it_ends_its_solver_when_the_engine_is_gone_or_says_so(worker, tmp_path, how):
    mark = tmp_path / "pid"
    worker.stdin.write(order_line(tmp_path, f"echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 60"))
    worker.stdin.flush()
    deadline = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < deadline
        assert worker.poll() is None
        time.sleep(0.02)
    solver = int(mark.read_text())
    if how == "SIGTERM":
        worker.send_signal(signal.SIGTERM)
        worker.wait(40)
    else:
        worker.stdin.close()
        worker.wait(40)
    assert worker.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(solver, 0)
    assert not (tmp_path / "out/_anystore/commit.json").exists()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (b"", 2, "stdin holds no work order"),
        (b"nonsense\n", 2, "stdin holds no work order"),
        (b"{}\n", 2, "stdin holds no work order"),
        (b'{"schema": 99}\n', 9, "the work order has schema 99"),
    ],
)
def test_what_is_no_order_is_refused(line, code, said):
    done = subprocess.run(PROGRAM, input=line, capture_output=True, check=False, timeout=40)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr
