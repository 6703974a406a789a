"""A supervisor that dies, a solver that does not, an engine that is killed: what becomes of slot and solver."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from solving import LOGGER, in_thread, sleepers, until

from anystore_doe.engine.slots import SlotPool
from anystore_doe.errors import RunError


@pytest.mark.own_pid_namespace
def test_a_dead_supervisor_is_reported_cleaned_up_after_and_replaced(pool, request_for, caplog):
    with pool.seat() as seat:
        result = in_thread(lambda: seat.solve(request_for("sh", "-c", "setsid sleep 941 & (sleep 942 &) ; sleep 943")))
        until(lambda: len(sleepers(941, 942, 943)) == 3, "the solver runs")
        pid = seat._supervisor.pid
        os.kill(pid, signal.SIGKILL)
        record = result()
        assert record.how == "lost"
        assert f"the supervisor of this slot (process {pid}) ended with signal 9" in record.detail
        assert "processes that it left were ended" in record.detail
        assert sleepers(941, 942, 943) == []
        assert seat.solve(request_for("true")).ok
    with pool.seat() as again:
        assert again is seat


@pytest.mark.own_pid_namespace
def test_a_supervisor_that_died_with_nothing_to_do_costs_no_run(pool, request_for, caplog):
    with pool.seat() as seat:
        assert seat.solve(request_for("true")).ok
        os.kill(seat._supervisor.pid, signal.SIGKILL)
        until(lambda: not seat._supervisor.alive, "it is dead")
        assert seat.solve(request_for("true")).ok
    assert "its supervisor" in caplog.text


@pytest.mark.own_pid_namespace
def test_a_slot_whose_solver_does_not_die_is_given_up_and_the_others_go_on(request_for, tmp_path, caplog):
    """A process that another one traces is not reaped by its parent when it is killed (ptrace(2))."""
    tracer_code = (
        "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True)\n"
        "ok = libc.ptrace(0x4206, int(sys.argv[1]), None, None) == 0\n"  # PTRACE_SEIZE
        "print(ok, ctypes.get_errno(), flush=True); sys.stdin.read()"
    )
    with SlotPool(count=2, cores_per_slot=1, logger=LOGGER, give_up_s=0.5) as pool:
        with pool.seat() as seat:
            result = in_thread(lambda: seat.solve(request_for("sleep", "931")))
            pid = until(lambda: sleepers(931), "the solver runs")[0]
            command = [sys.executable, "-c", tracer_code, str(pid)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tracer:
                seized = tracer.stdout.readline()
                if not seized.startswith("True"):
                    tracer.communicate("")
                    seat._supervisor.cancel(grace_s=0.1)
                    result()
                    pytest.skip(f"processes can not be traced here: {seized}")
                seat._supervisor.cancel(grace_s=0.1)
                record = result()
                tracer.communicate("")
        assert record.how == "cancelled"
        assert f"did not die within 0.5 s of KILL: process {pid}" in record.detail
        assert "slot 0 is not used any more" in caplog.text
        with pool.seat() as other:
            assert other.index == 1
            assert other.solve(request_for("true")).ok
            other.given_up = True
        with pytest.raises(RunError, match="no slot is left"), pool.seat():
            pass


ENGINE = """
import logging, os, sys, threading, time
from anystore_doe.engine.slots import SlotPool
from anystore_doe.errors import AnystoreDoeError, RunError
from anystore_doe.model import SolveRequest

pool = SlotPool(count=1, cores_per_slot=1, logger=logging.getLogger())
pool.start()
if sys.argv[2] == "with a child" and os.fork() == 0:
    time.sleep(60)  # holds the pipe to the supervisor open
log = sys.argv[1] + "/log"
with pool.seat() as seat:
    script = "trap '' TERM; setsid sleep 921 & (sleep 922 &) ; sleep 923"
    seat.solve(SolveRequest(argv=("sh", "-c", script), cwd="/", env=dict(os.environ), stdout=log, stderr=log))
"""


@pytest.mark.own_pid_namespace
@pytest.mark.parametrize("situation", ["alone", "with a child"])
def test_no_solver_outlives_an_engine_that_is_killed(tmp_path, situation):
    with subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path), situation]) as engine:
        until(lambda: len(sleepers(921, 922, 923)) == 3, "the solver runs")
        engine.kill()
    until(lambda: not sleepers(921, 922, 923), "the solver is dead")


@pytest.mark.own_pid_namespace
def test_a_direct_solver_dies_with_its_supervisor_even_when_the_engine_is_killed_too(tmp_path):
    code = ENGINE.replace('("sh", "-c", script)', '("sleep", "911")')
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "alone"]) as engine:
        sleeper = until(lambda: sleepers(911), "the solver runs")[0]
        supervisor = int(Path(f"/proc/{sleeper}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(engine.pid, signal.SIGSTOP)
        os.kill(supervisor, signal.SIGKILL)
        engine.kill()
    until(lambda: not sleepers(911), "the solver is dead")
