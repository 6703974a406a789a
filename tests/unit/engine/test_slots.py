"""Slots lend seats in order of arrival, each with cores of its own, until they are closed."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from solving import LOGGER, in_thread, until

from anystore_doe.engine import slots
from anystore_doe.engine.cores import cpu_quota, usable_cpus
from anystore_doe.engine.environment import solver_environment
from anystore_doe.engine.slots import SlotPool, SlotsClosedError
from anystore_doe.model import Recipe, Run

needs_two_cores = pytest.mark.skipif(
    len(usable_cpus()) < 2 or (cpu_quota() or 1e9) < len(usable_cpus()), reason="needs two cores without a quota"
)

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
    with pool.measuring() as measuring:  # what is solved is measured
        assert measuring.solve(request_for("true")).ok


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
