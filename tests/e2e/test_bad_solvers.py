"""Solvers that fail, each in its own way: said with its last lines, recorded in the store, kept on disk."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sweeping import record_of

if TYPE_CHECKING:
    from sweeping import Desk, FileBucket

SCRIPT = """
echo "reading the mesh"
echo "partial" > partial.out
echo "solver: starting ${how}" >&2
case ${how} in
    exit1) echo "FATAL: negative volume in cell 7" >&2; exit 1 ;;
    missing) convergee engine.in || exit ;;
    killed) kill -SEGV $$ ;;
    slow) sleep 100 ;;
    nothing) rm partial.out ;;
    chatty) seq 1 20000 >&2; exit 9 ;;
    silent) exec 2> /dev/null; exit 4 ;;
esac
test "${how}" = nothing || echo 1 > thermo.out
"""
HOW = {
    "exit1": ("the solver ended with exit code 1", "FATAL: negative volume in cell 7"),
    "missing": ("the solver ended with exit code 127", "convergee: command not found"),
    "killed": ("the solver was killed by SIGSEGV", "solver: starting killed"),
    "slow": ("the solver timed out after 3 s", "solver: starting slow"),
    "nothing": ("the solver ended well, and left nothing that matches 'thermo.out'", "solver: starting nothing"),
    "chatty": ("the solver ended with exit code 9", "20000"),
    "silent": ("the solver ended with exit code 4", "solver: starting silent"),
}
RUN = ("run", "t.csv", "-t", "run.sh", "--timeout", "3s", "--require", "thermo.out", "-j", "2")


def test_each_failure_is_said_recorded_and_kept_and_other_runs_go_on(desk: Desk, files: FileBucket):
    names = [*HOW, "fine"]
    desk.write("t.csv", "run_id,how,output\n" + "".join(f"{how},{how},{files.url}/{how}\n" for how in names))
    desk.write("run.sh", SCRIPT)
    done = desk(*RUN, exit_code=1)
    assert "t: 1 committed, 7 failed" in done.stdout
    assert files.paths("fine/thermo")
    for how, (reason, last) in HOW.items():
        said = done.stdout.partition(f"run {how} failed at solve: ")[2].partition("\nrun ")[0]
        assert said.startswith(reason), done.stdout
        assert last in said
        folder = desk.folder / f".anystore-doe/t/runs/{how}.1"
        assert f"kept in:   {folder}\n" in said
        assert (folder / "work/partial.out").is_file() == (how != "nothing")
        assert f"logs:      anystore-doe logs {how} t.csv" in said
        record = record_of(files, how)
        assert (record["state"], record["step"], record["error_class"]) == ("failed", "solve", 1)
        assert record["reason"].startswith(reason)
        assert record["stdout_tail"] == "reading the mesh\n"
        assert last in record["stderr_tail"]
        stored = set(files.paths(f"{how}/")) - {f"{how}/_anystore/claim.json", f"{how}/_anystore/attempts/1.json"}
        assert stored == ({f"{how}/_anystore/attempts/1.stderr.log"} if how == "chatty" else set())
    assert files.get("chatty/_anystore/attempts/1.stderr.log").endswith(b"\n19999\n20000\n")
    assert "      | 19996\n      | 19997\n      | 19998\n      | 19999\n      | 20000\n" in done.stdout
    assert "hint:      a longer --timeout\n" in done.stdout
    assert "hint:      exit code 127 of a shell means: command not found" in done.stdout
    logs = desk("logs", "exit1", "t.csv")
    assert (logs.stdout, logs.stderr.splitlines()[-1]) == ("reading the mesh\n", "FATAL: negative volume in cell 7")
    states = {row["run_id"]: (row["state"], row["exit_code"]) for row in desk.results("t.csv")}
    assert states["fine"] == ("committed", "0")
    assert states["exit1"] == ("failed", "1")


def test_the_same_command_tries_only_what_failed_again(desk: Desk, files: FileBucket):
    desk.write("t.csv", f"run_id,output\na,{files.url}/a\nb,{files.url}/b\n")
    desk.write("run.sh", 'test -e "$GATE" || test $ANYSTORE_DOE_RUN_ID = a || exit 1\necho 1 > x.out\n')
    gate = desk.folder / "gate"
    desk("run", "t.csv", "-t", "run.sh", exit_code=1, GATE=str(gate))
    gate.touch()
    done = desk("run", "t.csv", "-t", "run.sh", "--pass-env", "GATE", "--json", GATE=str(gate))
    document = json.loads(done.stdout)
    assert (document["committed"], document["skipped"]) == (["b"], ["a"])


def test_a_command_that_is_not_there_is_named_with_the_way_out(desk: Desk, files: FileBucket):
    desk.write("t.csv", f"rpm,output\n1,{files.url}/a\n")
    done = desk("run", "t.csv", "--", "convergee", "engine.in", exit_code=1)
    assert "run 0001 failed at solve: the solver could not be started: command not found: convergee" in done.stdout
    assert "hint:      give its whole path, or add its folder to PATH" in done.stdout
    assert record_of(files, "a")["exit"]["how"] == "not-started"
    solver = desk.write("bin/convergee", "#!/bin/sh\necho $1 > x.out\n")
    done = desk("run", "t.csv", "--", str(solver), "engine.in", exit_code=1)
    assert "could not be started: " in done.stdout
    assert "permission" in done.stdout.lower()
    solver.chmod(0o755)
    desk("run", "t.csv", "--", "convergee", "engine.in", PATH=f"{solver.parent}:{os.environ['PATH']}")
    assert files.get("a/x.out") == b"engine.in\n"


def test_what_a_solver_writes_can_not_forge_the_end_of_a_sweep(desk: Desk, files: FileBucket):
    desk.write("t.csv", f"rpm,output\n1,{files.url}/a\n")
    desk.write("run.sh", "printf 'fine\\033[2J\\rt: 1 committed\\n' >&2; exit 1\n")
    done = desk("run", "t.csv", "-t", "run.sh", exit_code=1)
    assert "\033" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert "      | fine\\x1b[2J\n      | t: 1 committed\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("t: 1 failed")


def test_metrics_that_fail_fail_the_run_and_say_why(desk: Desk, files: FileBucket):
    desk.write("t.csv", f"rpm,output\n1,{files.url}/a\n")
    desk.write("run.sh", "echo 1 > x.out\n")
    metrics = "sh -c 'echo no column pressure >&2; exit 2'"
    done = desk("run", "t.csv", "-t", "run.sh", "--metrics", metrics, exit_code=1)
    said = "run 0001 failed at measure: the metrics command ended with exit code 2: no column pressure"
    assert said in done.stdout
    assert files.paths("a/x") == []
    assert (desk.folder / ".anystore-doe/t/runs/0001.1/work/x.out").is_file()
