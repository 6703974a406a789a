"""Slots lend seats in order of arrival, and a seat runs a solver to the end of its whole process tree."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from anystore_doe.engine import slots
from anystore_doe.engine.cores import cpu_quota, usable_cpus
from anystore_doe.engine.environment import solver_environment
from anystore_doe.engine.slots import SlotPool, SlotsClosedError
from anystore_doe.errors import AnystoreDoeError, RunError
from anystore_doe.model import Recipe, Run, SolveRequest

LOGGER = logging.getLogger("anystore_doe.test")
needs_two_cores = pytest.mark.skipif(
    len(usable_cpus()) < 2 or (cpu_quota() or 1e9) < len(usable_cpus()), reason="needs two cores without a quota"
)


@pytest.fixture
def pool():
    with SlotPool(count=1, cores_per_slot=1, logger=LOGGER) as pool:
        yield pool


@pytest.fixture
def request_for(tmp_path):
    def make(*argv, env=None, **more):
        fields = {
            "cwd": str(tmp_path),
            "env": {"PATH": os.environ["PATH"]} if env is None else env,
            "stdout": str(tmp_path / "stdout.log"),
            "stderr": str(tmp_path / "stderr.log"),
        }
        return SolveRequest(argv=argv, **(fields | more))

    return make


@pytest.fixture
def solve(pool, request_for):
    def run(*argv, **more):
        with pool.seat() as seat:
            return seat.solve(request_for(*argv, **more))

    return run


def until(condition, what, timeout_s=20.0):
    """Poll until ``condition()`` is true, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)
    return found


def in_thread(function):
    """Run ``function`` in a thread; return a function that waits for its result."""
    results = []

    def body():
        try:
            results.append(function())
        except AnystoreDoeError as error:
            results.append(error)

    thread = threading.Thread(target=body)
    thread.start()

    def result():
        thread.join(30)
        assert results, "the thread did not end"
        return results[0]

    return result


def sleepers(*seconds):
    """Return the living processes ``sleep N``, zombies not counted."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == b"sleep" and words[1].decode() in map(str, seconds):
                found.append(int(process.name))
    return found


# ── how a solver ends ────────────────────────────────────────────────────────────────────────────


def test_a_solver_that_ends_well_is_ok_and_is_measured(solve, tmp_path):
    record = solve("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo out; echo err >&2")
    assert record.ok
    assert (record.how, record.code, record.signal, record.strays, record.detail) == ("exited", 0, None, 0, "")
    assert 0 < record.cpu_s < 20
    assert 0 < record.wall_s < 20
    assert 500_000 < record.max_rss_bytes < 2**30
    assert (tmp_path / "stdout.log").read_text() == "out\n"
    assert (tmp_path / "stderr.log").read_text() == "err\n"


def test_memory_of_the_largest_process_is_told_in_bytes(solve):
    record = solve(sys.executable, "-I", "-S", "-c", "b = bytearray(100_000_000); b[::4096] = b'x' * len(b[::4096])")
    assert 100_000_000 < record.max_rss_bytes < 200_000_000


def test_an_exit_code_is_kept(solve):
    record = solve("sh", "-c", "exit 3")
    assert (record.how, record.code, record.ok) == ("exited", 3, False)


def test_a_signal_is_kept(solve):
    record = solve("sh", "-c", "kill -SEGV $$")
    assert (record.how, record.code, record.signal) == ("signalled", None, signal.SIGSEGV)


def test_logs_are_made_anew(solve, tmp_path):
    solve("sh", "-c", "echo a long first line")
    solve("echo", "x")
    assert (tmp_path / "stdout.log").read_text() == "x\n"


def test_both_streams_may_go_to_one_file(solve, tmp_path):
    both = str(tmp_path / "both.log")
    solve("sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout=both, stderr=both)
    assert Path(both).read_text() == "1\n2\n3\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("no-such-solver",), "command not found: no-such-solver (in the PATH"),
        (("./no-such-solver",), "command not found: ./no-such-solver"),
        (("./plain",), "./plain is not executable"),
        (("./lost",), "./lost is there, but the interpreter that its first line names is not"),
        (("./unknown",), "./unknown is no program for this machine"),
        (("true", "a\0b"), "holds a NUL"),
        (("true", *["x" * 100_000] * 100), "longer than this system allows"),
    ],
)
def test_what_can_not_be_started_says_why(solve, tmp_path, argv, says):
    for name, text, mode in (("plain", "", 0o644), ("lost", "#!/no/such/sh\n", 0o755), ("unknown", "\x01\x02", 0o755)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    record = solve(*argv)
    assert record.how == "not-started"
    assert says in record.detail
    assert (record.code, record.ok) == (None, False)


def test_a_missing_folder_and_a_log_that_can_not_be_made_are_named(solve, tmp_path):
    record = solve("true", cwd=str(tmp_path / "gone"))
    assert (record.how, record.detail) == (
        "not-started",
        f"can not enter the folder {tmp_path}/gone: No such file or directory",
    )
    record = solve("true", stdout=str(tmp_path / "gone" / "log"))
    assert (record.how, record.detail) == (
        "not-started",
        f"can not start the solver: {tmp_path}/gone/log: No such file or directory",
    )
    assert solve("true").ok


# ── what a solver is given ───────────────────────────────────────────────────────────────────────


def test_a_solver_gets_its_environment_and_nothing_else_but_the_mark(solve, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-engine")
    env = {"PATH": "/usr/bin:/bin", "NAME": "ä b\n€", "RAW": os.fsdecode(b"\xff\xfe"), "LONG": "x" * 100_000}
    assert solve("env", "-0", env=env).ok
    seen = dict(entry.split(b"=", 1) for entry in (tmp_path / "stdout.log").read_bytes().split(b"\0") if entry)
    mark = seen.pop(b"ANYSTORE_DOE_TOKEN")
    assert len(mark) == 32
    assert seen == {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


def test_the_supervisor_keeps_no_secret_that_a_solver_could_read(solve, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-engine")
    assert solve("sh", "-c", "cat /proc/$PPID/environ /proc/$PPID/cmdline").ok
    assert b"canary" not in (tmp_path / "stdout.log").read_bytes()


def test_a_solver_starts_clean(solve, tmp_path):
    """No open files but three, no signal blocked or ignored, a session of its own, stdin at its end."""
    script = "ls /proc/self/fd; cat; cut -d' ' -f6 /proc/$$/stat; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert solve("sh", "-c", script).ok
    finally:
        signal.signal(signal.SIGHUP, previous)
    lines = (tmp_path / "stdout.log").read_text().split("\n")
    assert lines[:4] == ["0", "1", "2", "3"]  # 3 is the folder that ls itself reads
    assert lines[4] == lines[5]
    of_libc = 0b11 << 31  # signals 32 and 33 are the C library's own: whoever inherits them ignored can not change it
    assert [int(line.split()[1], 16) & ~of_libc for line in lines[6:8]] == [0, 0]


def test_file_names_need_not_be_text(solve, tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff folder")
    Path(folder).mkdir()
    assert solve("sh", "-c", "echo x > here", cwd=folder, stdout=f"{folder}/out").ok
    assert sorted(path.name for path in Path(folder).iterdir()) == ["here", "out"]


def test_commands_are_looked_for_in_the_path_of_their_own_environment(solve, tmp_path):
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexit 7\n")
    tool.chmod(0o755)
    assert solve("tool", env={"PATH": f"/no/such/folder:{tool.parent}"}).code == 7
    assert solve("tool").how == "not-started"
    assert solve("true", env={}).ok


# ── seats ────────────────────────────────────────────────────────────────────────────────────────


def test_seats_are_handed_out_in_order_of_arrival(pool):
    order = []

    def take(name):
        with pool.seat():
            order.append(name)

    with pool.seat():
        waiting = []
        for name in "abcde":
            waiting.append(in_thread(lambda name=name: take(name)))
            until(lambda: len(pool._slots._waiting) == len(waiting), "it waits")
        assert order == []
    for result in waiting:
        result()
    assert order == list("abcde")


def test_many_threads_share_few_slots(request_for, tmp_path):
    with SlotPool(count=2, cores_per_slot=1, logger=LOGGER) as pool:
        pool.start()

        def work(number):
            log = str(tmp_path / f"{number}.log")
            with pool.seat() as seat:
                return seat.solve(request_for("sh", "-c", f"exit {number}", stdout=log, stderr=log)).code

        assert [result() for result in [in_thread(lambda n=n: work(n)) for n in range(20)]] == list(range(20))


def test_a_supervisor_serves_many_solvers(pool, request_for, tmp_path):
    with pool.seat() as seat:
        parents = set()
        for _ in range(3):
            seat.solve(request_for("sh", "-c", "echo $PPID"))
            parents.add((tmp_path / "stdout.log").read_text())
    assert len(parents) == 1


@needs_two_cores
def test_each_slot_has_cores_of_its_own(request_for, tmp_path):
    with SlotPool(count=2, cores_per_slot=1, logger=LOGGER) as pool:
        assert (pool.pins, pool.why_not_pinned) == (True, "")
        with pool.seat() as first, pool.seat() as second:
            assert (first.index, second.index) == (0, 1)
            for seat in (first, second):
                seat.solve(request_for("grep", "Cpus_allowed_list", "/proc/self/status"))
                assert (tmp_path / "stdout.log").read_text().split() == ["Cpus_allowed_list:", str(seat.cpus[0])]
            assert first.cpus != second.cpus


def test_more_slots_than_cores_are_not_pinned(request_for, tmp_path):
    count = len(usable_cpus()) + 1
    with SlotPool(count=count, cores_per_slot=1, logger=LOGGER) as pool:
        assert not pool.pins
        assert f"{count} slots of 1 cores are more than the {count - 1} cores" in pool.why_not_pinned
        with pool.seat() as seat:
            assert seat.cpus == ()
            seat.solve(request_for(sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"))
        assert json.loads((tmp_path / "stdout.log").read_text()) == list(usable_cpus())


def test_the_measuring_seat_is_another_one_and_there_is_one(pool, request_for):
    with pool.seat() as slot, pool.measuring() as measuring:
        assert (slot.index, measuring.index, measuring.cpus) == (0, -1, ())
        assert measuring.solve(request_for("true")).ok
        second = in_thread(lambda: pool.measuring().__enter__().index)
        until(lambda: pool._measuring._waiting, "it waits")
    assert second() == -1


@needs_two_cores
def test_mpi_ranks_of_two_slots_run_on_two_cores(request_for, tmp_path):
    """Open MPI binds ranks to the machine's first cores, whatever its own affinity is, unless it is told not to."""
    if shutil.which("mpirun") is None:
        if os.environ.get("ANYSTORE_DOE_REQUIRE_SERVERS") == "1":
            pytest.fail("mpirun is missing: apt install openmpi-bin")
        pytest.skip("mpirun is missing: apt install openmpi-bin")
    command = ("mpirun", "--allow-run-as-root", "-np", "1", "grep", "Cpus_allowed_list", "/proc/self/status")
    run = Run(run_id="0001", row=1, line=2, values={}, inputs=(), output="file:///out")

    def rank_cpus(seat):
        env = solver_environment(
            {"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            recipe=Recipe(command=command),
            run=run,
            exports={},
            attempt=1,
            seat_index=seat.index,
            cpus=seat.cpus,
            cores=1,
            work_dir=tmp_path,
            machinefile=tmp_path / "machinefile",
        )
        log = tmp_path / f"{seat.index}.log"
        record = seat.solve(request_for(*command, env=env, stdout=str(log), stderr=str(log), timeout_s=60))
        assert record.ok, log.read_text()
        return log.read_text().split()[1]

    with SlotPool(count=2, cores_per_slot=1, logger=LOGGER) as pool, pool.seat() as first, pool.seat() as second:
        results = [in_thread(lambda seat=seat: rank_cpus(seat)) for seat in (first, second)]
        assert [result() for result in results] == [str(first.cpus[0]), str(second.cpus[0])]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def test_cancelling_wakes_those_who_wait_and_starts_nothing_more(pool, request_for):
    def wait():
        with pool.seat():
            return "got a seat"

    with pool.seat() as seat:
        waiting = in_thread(wait)
        until(lambda: pool._slots._waiting, "it waits")
        pool.cancel()
        assert isinstance(waiting(), SlotsClosedError)
        assert seat.solve(request_for("true")).how == "cancelled"
    with pytest.raises(SlotsClosedError, match="cancelled"), pool.seat():
        pass
    with pytest.raises(SlotsClosedError, match="cancelled"), pool.measuring():
        pass


def test_a_closed_pool_leaves_no_process(request_for):
    with SlotPool(count=2, cores_per_slot=1, logger=LOGGER) as pool:
        pool.start()
        pids = [seat._supervisor.pid for seat in pool._slots.seats]
        assert len(set(pids)) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    pool.close()
    with pytest.raises(SlotsClosedError, match="closed"), pool.seat():
        pass


def test_a_pool_that_was_never_used_starts_no_process(monkeypatch):
    monkeypatch.setattr(slots, "SupervisorProcess", None)  # calling it would be a TypeError
    SlotPool(count=3, cores_per_slot=1, logger=LOGGER).close()


# ── ending process trees: in a PID namespace of their own ────────────────────────────────────────


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
