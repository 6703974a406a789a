"""The suite that holds an executor to its contract."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from anystore_doe.contract import Executor, ExecutorContext
from anystore_doe.testing.executor_bench import Bench, order_digest, until
from anystore_doe.testing.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anystore_doe.model import WorkerEnd, WorkOrder


class ExecutorContract(Suite):
    """Subclass it, name it ``Test...``, and give a method ``open``::

        class TestMyExecutor(ExecutorContract):
            def open(self, context: ExecutorContext) -> Executor:
                return MyExecutor(MyOptions(), context)

    The suite's orders run a few lines of Python, which need neither the engine nor a store, only the work root:
    a temporary folder that the workers must see.

    Attributes:
        within_s: How long a worker may take to begin or to end before the test gives up.
        at_once_s: What counts as returning at once.
    """

    within_s: ClassVar[float] = 30.0
    at_once_s: ClassVar[float] = 3.0

    def open(self, context: ExecutorContext) -> Executor:
        """Open the executor under test."""
        msg = f"{type(self).__name__} must give a method `open`"
        raise NotImplementedError(msg)

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        """Give the maker of orders."""
        root = tmp_path / "work-root"
        root.mkdir()
        return Bench(root)

    @pytest.fixture
    def context(self, bench: Bench) -> ExecutorContext:
        """Give what the engine lends an executor."""
        return ExecutorContext(
            live=bench.live,
            work_root=bench.root,
            worker_env=dict(os.environ),
            logger=logging.getLogger("anystore_doe.testing"),
        )

    @pytest.fixture
    def executor(self, context: ExecutorContext) -> Iterator[Executor]:
        """Give the executor, and close it."""
        executor = self.open(context)
        yield executor
        executor.close()

    def ends(self, executor: Executor, count: int) -> list[WorkerEnd]:
        """Wait for ``count`` ends, and a moment longer for what must not come."""
        found: list[WorkerEnd] = []
        for _ in until(self.within_s):
            found += executor.completed(0.2)
            if len(found) >= count:
                break
        return found + executor.completed(0.1)

    def wait_until_begun(self, bench: Bench, order: WorkOrder) -> None:
        """Wait until a worker has begun with ``order``."""
        for _ in until(self.within_s):
            if bench.began(order):
                return
        pytest.fail(f"no worker began with {order.order_id} within {self.within_s} s")

    def test_it_takes_at_least_one_order(self, executor: Executor) -> None:
        assert executor.max_orders >= 1

    def test_an_order_is_lived_and_its_end_told_once(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("quick")
        executor.submit(order)
        assert [(end.order_id, end.how) for end in self.ends(executor, 1)] == [(order.order_id, "ended")]
        assert len(bench.began(order)) == 1

    def test_the_worker_gets_the_order_as_it_is_however_long(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("quick", runs=5000)
        executor.submit(order)
        assert [end.how for end in self.ends(executor, 1)] == ["ended"]
        assert [path.read_text() for path in bench.began(order)] == [order_digest(order)]

    def test_a_worker_whose_runs_failed_has_ended(self, executor: Executor, bench: Bench) -> None:
        executor.submit(bench.order("failing"))
        assert [end.how for end in self.ends(executor, 1)] == ["ended"]

    def test_a_worker_that_breaks_is_lost_and_says_why(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("broken")
        executor.submit(order)
        (end,) = self.ends(executor, 1)
        assert (end.order_id, end.how) == (order.order_id, "lost")
        assert "broken on purpose" in end.detail

    def test_as_many_orders_as_it_takes_are_all_lived(self, executor: Executor, bench: Bench) -> None:
        orders = [bench.order("quick") for _ in range(min(executor.max_orders, 8))]
        for order in orders:
            executor.submit(order)
        ends = self.ends(executor, len(orders))
        assert sorted(end.order_id for end in ends) == sorted(order.order_id for order in orders)
        assert [len(bench.began(order)) for order in orders] == [1] * len(orders)

    def test_orders_can_follow_each_other(self, executor: Executor, bench: Bench) -> None:
        for kind in ("quick", "broken", "quick"):
            order = bench.order(kind)
            executor.submit(order)
            assert [end.order_id for end in self.ends(executor, 1)] == [order.order_id]

    def test_an_order_can_be_submitted_again_when_it_has_ended(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("quick")
        for times in (1, 2):
            executor.submit(order)
            assert [end.order_id for end in self.ends(executor, 1)] == [order.order_id]
            assert len(bench.began(order)) == times

    def test_submit_returns_at_once(self, executor: Executor, bench: Bench) -> None:
        began_s = time.monotonic()
        executor.submit(bench.order("long"))
        assert time.monotonic() - began_s < self.at_once_s

    def test_completed_waits_no_longer_than_told(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("long")
        executor.submit(order)
        self.wait_until_begun(bench, order)
        for timeout_s in (0.0, 0.2):
            began_s = time.monotonic()
            assert executor.completed(timeout_s) == []
            assert time.monotonic() - began_s < timeout_s + self.at_once_s

    def test_completed_returns_with_the_first_end(self, executor: Executor, bench: Bench) -> None:
        executor.submit(bench.order("quick"))
        began_s = time.monotonic()
        assert len(executor.completed(2 * self.within_s)) == 1
        assert time.monotonic() - began_s < self.within_s

    def test_a_cancelled_worker_ends_and_says_so(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("long")
        executor.submit(order)
        self.wait_until_begun(bench, order)
        executor.cancel([order.order_id])
        assert [(end.order_id, end.how) for end in self.ends(executor, 1)] == [(order.order_id, "cancelled")]
        assert not bench.alive(order)

    def test_an_order_that_is_cancelled_at_once_ends(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("long")
        executor.submit(order)
        executor.cancel([order.order_id])
        assert [(end.order_id, end.how) for end in self.ends(executor, 1)] == [(order.order_id, "cancelled")]
        assert not bench.alive(order)

    def test_cancel_of_some_leaves_the_others(self, executor: Executor, bench: Bench) -> None:
        if executor.max_orders < 2:
            pytest.skip("it takes one order at a time")
        kept, dropped = bench.order("long"), bench.order("long")
        for order in (kept, dropped):
            executor.submit(order)
            self.wait_until_begun(bench, order)
        executor.cancel([dropped.order_id])
        assert [end.order_id for end in self.ends(executor, 1)] == [dropped.order_id]
        assert bench.alive(kept)

    def test_cancel_of_what_is_unknown_or_over_does_nothing(self, executor: Executor, bench: Bench) -> None:
        executor.cancel(["no-such-order"])
        order = bench.order("quick")
        executor.submit(order)
        assert [end.how for end in self.ends(executor, 1)] == ["ended"]
        executor.cancel([order.order_id, "no-such-order"])
        assert executor.completed(0.1) == []

    def test_close_ends_every_worker(self, executor: Executor, bench: Bench) -> None:
        orders = [bench.order("long") for _ in range(min(executor.max_orders, 3))]
        for order in orders:
            executor.submit(order)
            self.wait_until_begun(bench, order)
        executor.close()
        assert [bench.alive(order) for order in orders] == [False] * len(orders)

    def test_close_before_a_worker_began_leaves_none(self, executor: Executor, bench: Bench) -> None:
        order = bench.order("long")
        executor.submit(order)
        executor.close()
        for _ in until(0.5):
            assert not bench.alive(order)

    def test_close_may_be_called_twice_and_without_an_order(self, executor: Executor, bench: Bench) -> None:
        executor.submit(bench.order("quick"))
        self.ends(executor, 1)
        executor.close()
        executor.close()

    def test_close_of_an_unused_executor_does_nothing(self, executor: Executor) -> None:
        executor.close()
