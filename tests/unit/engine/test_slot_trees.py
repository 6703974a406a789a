"""A slot ends the whole process tree of a solver: on time-out, cancel and close, and what a solver leaves."""

import os
import signal
import sys

import pytest
from solving import in_thread, sleepers, until


@pytest.mark.own_pid_namespace
def test_a_time_out_is_polite_first(solve, tmp_path):
    record = solve("sh", "-c", "trap 'echo bye; exit 5' TERM; sleep 987 & wait", timeout_s=1.5, grace_s=20)
    assert (record.how, record.code) == ("timed-out", 5)
    assert 1.5 <= record.wall_s < 15
    assert (tmp_path / "stdout.log").read_text() == "bye\n"
    assert sleepers(987) == []


@pytest.mark.own_pid_namespace
def test_everybody_is_asked_once(solve, tmp_path):
    """A second TERM means "at once" to an mpirun."""
    script = "import signal, time; signal.signal(15, lambda *_: print('asked', flush=True)); time.sleep(987)"
    record = solve(sys.executable, "-c", script, timeout_s=2.0, grace_s=0.5)
    assert (record.how, record.signal) == ("timed-out", signal.SIGKILL)
    assert (tmp_path / "stdout.log").read_text() == "asked\n"


@pytest.mark.own_pid_namespace
def test_a_time_out_ends_the_whole_tree_whatever_it_does(solve):
    """It ignores TERM, and its descendants have sessions and parents of their own."""
    script = "trap '' TERM; setsid sleep 981 & (setsid sleep 982 &) ; sleep 983 & sleep 984"
    record = solve("sh", "-c", script, timeout_s=1.5, grace_s=0.3)
    assert (record.how, record.signal) == ("timed-out", signal.SIGKILL)
    assert record.wall_s < 10
    assert sleepers(981, 982, 983, 984) == []


@pytest.mark.own_pid_namespace
def test_what_a_solver_leaves_running_is_ended_and_counted(solve):
    record = solve("sh", "-c", "setsid sleep 971 & (trap '' TERM; setsid sleep 972 &) ; sleep 973 & exit 4")
    assert (record.how, record.code, record.strays) == ("exited", 4, 3)
    assert record.wall_s < 10
    assert sleepers(971, 972, 973) == []


@pytest.mark.own_pid_namespace
def test_what_ends_by_itself_right_after_the_solver_is_no_stray(solve, tmp_path):
    record = solve("bash", "-c", "exec > >(sleep 0.03; cat); echo to the end of the pipe")
    assert (record.code, record.strays) == (0, 0)
    assert (tmp_path / "stdout.log").read_text() == "to the end of the pipe\n"


@pytest.mark.own_pid_namespace
def test_cancel_ends_running_solvers(pool, request_for):
    with pool.seat() as seat:
        result = in_thread(lambda: seat.solve(request_for("sh", "-c", "trap : TERM; sleep 961; sleep 962")))
        until(lambda: sleepers(961), "the solver runs")
        pool.cancel(grace_s=20)
        until(lambda: sleepers(962), "the first sleep was asked to end")
        pool.cancel(grace_s=0)  # now in a hurry
        record = result()
    assert (record.how, record.signal) == ("cancelled", signal.SIGKILL)
    assert record.wall_s < 15
    assert sleepers(961, 962) == []


@pytest.mark.own_pid_namespace
def test_an_interrupted_solve_leaves_nothing_to_the_next_one(pool, request_for):
    def interrupt():
        until(lambda: sleepers(955), "the solver runs")
        os.kill(os.getpid(), signal.SIGINT)

    with pool.seat() as seat:
        interrupted = in_thread(interrupt)
        with pytest.raises(KeyboardInterrupt):
            seat.solve(request_for("sleep", "955"))
        interrupted()
        assert sleepers(955) == []
        assert seat.solve(request_for("sh", "-c", "exit 6")).code == 6


@pytest.mark.own_pid_namespace
def test_close_ends_running_solvers_too(pool, request_for):
    with pool.seat() as seat:
        result = in_thread(lambda: seat.solve(request_for("sh", "-c", "setsid sleep 951 & sleep 952")))
        until(lambda: len(sleepers(951, 952)) == 2, "the solver runs")
        pool.close()
        assert result().how == "cancelled"
    assert sleepers(951, 952) == []
