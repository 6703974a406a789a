"""The executor suite notices: each executor below has one bug, and the test named beside it fails on it."""

import dataclasses
import time
from pathlib import Path

import pytest

from anystore_doe.testing.executor_contract import ExecutorContract
from anystore_doe.testing.seeded import Bugs
from anystore_doe.testing.worker_process import WorkerProcessOptions
from anystore_doe.testing.worker_process.executor import WorkerProcessExecutor


class Seeded(ExecutorContract):
    subject = WorkerProcessExecutor
    within_s = 20.0
    at_once_s = 1.0

    def open(self, context):
        return self.subject(WorkerProcessOptions(workers=2, grace_s=3), context)


BUGS = Bugs(globals(), Seeded)
NEVER = 2.0  # how long to wait for what a bug keeps from coming


@BUGS.caught_by("test_it_takes_at_least_one_order")
class TakesNone(WorkerProcessExecutor):
    def __init__(self, options, context):
        super().__init__(options, context)
        self.max_orders = 0


@BUGS.caught_by("test_an_order_is_lived_and_its_end_told_once")
class TellsEndsTwice(WorkerProcessExecutor):
    told = ()

    def completed(self, timeout_s):
        again, self.told = self.told, super().completed(timeout_s)
        return [*again, *self.told]


@BUGS.caught_by("test_an_order_is_lived_and_its_end_told_once")
class StartsTwice(WorkerProcessExecutor):
    def submit(self, order):
        super().submit(order)
        super().submit(order)


@BUGS.caught_by("test_an_order_is_lived_and_its_end_told_once", within_s=NEVER)
class ForgetsWhatEnded(WorkerProcessExecutor):
    def completed(self, timeout_s):
        super().completed(timeout_s)
        return []


@BUGS.caught_by("test_the_worker_gets_the_order_as_it_is_however_long")
class CutsLongOrders(WorkerProcessExecutor):
    def submit(self, order):
        super().submit(dataclasses.replace(order, runs=order.runs[:1000]))


@BUGS.caught_by("test_a_worker_whose_runs_failed_has_ended")
class OneIsLost(WorkerProcessExecutor):
    def completed(self, timeout_s):
        ends = super().completed(timeout_s)
        return [dataclasses.replace(end, how="lost") if "1" in end.detail else end for end in ends]


@BUGS.caught_by("test_a_worker_that_breaks_is_lost_and_says_why")
class LostIsEnded(WorkerProcessExecutor):
    def completed(self, timeout_s):
        return [dataclasses.replace(end, how="ended") for end in super().completed(timeout_s)]


@BUGS.caught_by("test_a_worker_that_breaks_is_lost_and_says_why")
class SaysNotWhy(WorkerProcessExecutor):
    def completed(self, timeout_s):
        return [dataclasses.replace(end, detail="") for end in super().completed(timeout_s)]


@BUGS.caught_by("test_as_many_orders_as_it_takes_are_all_lived", within_s=NEVER)
class LivesOnlyTheFirst(WorkerProcessExecutor):
    def submit(self, order):
        if not self._workers:
            super().submit(order)


@BUGS.caught_by("test_an_order_can_be_submitted_again_when_it_has_ended", within_s=NEVER)
class NeverTheSameTwice(WorkerProcessExecutor):
    def submit(self, order):
        self.known = getattr(self, "known", set())
        if order.order_id not in self.known:
            self.known.add(order.order_id)
            super().submit(order)


@BUGS.caught_by("test_submit_returns_at_once")
class SubmitWaits(WorkerProcessExecutor):
    def submit(self, order):
        super().submit(order)
        self._workers[-1]._process.wait(None) if order.sweep == "quick" else time.sleep(1.5)


@BUGS.caught_by("test_completed_waits_no_longer_than_told")
class CompletedWaitsLonger(WorkerProcessExecutor):
    def completed(self, timeout_s):
        return super().completed(timeout_s + 1.5)


@BUGS.caught_by("test_completed_returns_with_the_first_end", within_s=NEVER)
class CompletedSleepsItOut(WorkerProcessExecutor):
    def completed(self, timeout_s):
        time.sleep(timeout_s)
        return super().completed(0)


@BUGS.caught_by("test_a_cancelled_worker_ends_and_says_so", within_s=NEVER)
class IgnoresCancel(WorkerProcessExecutor):
    def cancel(self, order_ids):
        if len(order_ids) > 1:
            super().cancel(order_ids)

    def close(self):
        super().cancel([worker.order_id for worker in self._workers])
        super().close()


@BUGS.caught_by("test_a_cancelled_worker_ends_and_says_so")
class CancelledIsEnded(WorkerProcessExecutor):
    def completed(self, timeout_s):
        return [dataclasses.replace(end, how="ended") for end in super().completed(timeout_s)]


@BUGS.caught_by("test_cancel_of_some_leaves_the_others")
class CancelsAll(WorkerProcessExecutor):
    def cancel(self, order_ids):
        super().cancel([worker.order_id for worker in self._workers])


@BUGS.caught_by("test_cancel_of_what_is_unknown_or_over_does_nothing")
class UnknownIsAnError(WorkerProcessExecutor):
    def cancel(self, order_ids):
        for order_id in order_ids:
            super().cancel([{worker.order_id: worker for worker in self._workers}[order_id].order_id])


@BUGS.caught_by("test_close_ends_every_worker")
class CloseLeavesWorkers(WorkerProcessExecutor):
    def close(self):
        """Leave them: they end with the process of this test, as their stdin does."""


@BUGS.caught_by("test_close_may_be_called_twice_and_without_an_order")
class ClosesOnce(WorkerProcessExecutor):
    def close(self):
        super().close()
        del self._workers


# ---- the proof


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return BUGS.outcomes(Path(__file__), tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("name", BUGS.caught)
def test_the_suite_catches_the_bug(outcomes, name):
    assert "failure" in outcomes[name], f"{BUGS.caught[name]} does not notice {name}"


def test_without_a_bug_the_same_tests_pass(outcomes):
    assert outcomes["Seeded"] <= {"passed", "skipped"}
