"""The driver: what became of runs whose worker told nothing is read from the store; exit codes; bounds."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Executor, Place, Watch
from anystore_doe.engine import claim, history
from anystore_doe.engine.crew import Surroundings
from anystore_doe.engine.outcome import Outcome
from anystore_doe.engine.plan import Plan, PlannedRow
from anystore_doe.engine.sweep import TAIL_CHARS, Setting, SweepOutcome, run_sweep
from anystore_doe.errors import StorageError
from anystore_doe.model import (
    AttemptRecord,
    Commit,
    FileRecord,
    OrderedRun,
    Recipe,
    Run,
    Sweep,
    WorkerEnd,
    WorkOrder,
)
from anystore_doe.processes import this_process
from anystore_doe.testing.memory import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from anystore_doe.contract import ExecutorContext

NO_ARCHIVES = type("NoArchives", (), {"for_name": lambda self, name: None, "by_content": lambda self, head: None})()


def the_run(number: int) -> Run:
    return Run(run_id=str(number), row=number, line=number, values={}, inputs=(), output=f"m://s/{number}")


def ordered(number: int, **more: object) -> OrderedRun:
    return OrderedRun(run=the_run(number), inputs=(), definition_digest="d", **more)  # type: ignore[arg-type]


@dataclass
class FarExecutor(Executor):
    """A worker of which nothing is heard but its end."""

    work: Callable[[], None]
    end: WorkerEnd
    ends: list[WorkerEnd] = field(default_factory=list)
    max_orders = 1

    def submit(self, order: WorkOrder) -> None:
        self.work()
        self.ends.append(self.end)

    def completed(self, timeout_s: float) -> list[WorkerEnd]:
        ends, self.ends = self.ends, []
        return ends

    def cancel(self, order_ids: Collection[str]) -> None:
        raise AssertionError(order_ids)

    def close(self) -> None:
        pass


@dataclass
class Far:
    folder: Path
    store: MemoryStorage = field(default_factory=MemoryStorage)

    def place(self, number: int) -> Place:
        return Place(storage=self.store, key=str(number))

    def open(self, url: str) -> Place:
        if url.endswith("/404"):
            raise StorageError("open", url, "no answer", hint="try again")
        return Place(storage=self.store, key=url.removeprefix("m://s/"))

    def sweep(self, *runs: OrderedRun, work: Callable[[], None] = lambda: None, how: str = "ended") -> SweepOutcome:
        detail = "" if how == "ended" else "the node is gone"
        end = WorkerEnd(order_id="t-1", how=how, detail=detail, error_class=8)  # type: ignore[arg-type]
        sweep = Sweep(name="t", table="t.csv", runs=tuple(one.run for one in runs), recipe=Recipe(command=("true",)))
        rows = tuple(PlannedRow(run=one.run, action="run", ordered=one) for one in runs)

        def opened(_context: ExecutorContext) -> Executor:
            return FarExecutor(work, end)

        setting = Setting(open_executor=opened, work_root=self.folder, worker_argv=(), environ={})
        around = Surroundings(
            open_storage=self.open,
            archives=NO_ARCHIVES,
            environ=os.environ,
            credential_env=(),
            blank_env={},
            notify=lambda _event: None,
            logger=logging.getLogger("test-sweep"),
        )
        return run_sweep(Plan(sweep=sweep, rows=rows), setting, around, threading.Event())

    def record(self, number: int, attempt: int = 1, **more: object) -> None:
        record = AttemptRecord(
            run_id=str(number),
            attempt=attempt,
            nonce="n",
            host="h",
            started_at=0.0,
            **more,  # type: ignore[arg-type]
        )
        history.write_attempt(self.place(number), record, first=True)

    def claim(self, number: int, *, release: bool = True) -> None:
        held = claim.take(self.place(number), the_run(number), this_process())
        if release:
            claim.release(held, Watch())

    def commit(self, number: int, attempt: int = 1, files: int = 1) -> None:
        commit = Commit(
            run_id=str(number),
            nonce="n",
            attempt=attempt,
            fingerprint="d",
            values={},
            inputs=(),
            record_digest="",
            files=files,
            bytes_in=0,
            bytes_out=0,
            exit_code=0,
            committed_at=0.0,
        )
        history.write_commit(self.place(number), commit, durable=True)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path / "root")


def test_what_a_far_worker_did_is_read_from_the_store(far: Far) -> None:
    def work() -> None:
        far.record(1, state="done", links=("pointer",))
        far.commit(1)
        far.claim(2)
        far.record(2, state="failed", reason="the solver ended with exit code 3", error_class=1)

    outcome = far.sweep(ordered(1), ordered(2), work=work)
    assert outcome.committed == ("1",)
    assert outcome.remarks == {"1": "links and special files are not pushed: pointer"}
    assert [(one.run.run_id, one.reason) for one in outcome.failed] == [("2", "the solver ended with exit code 3")]
    assert outcome.exit_code == 1


def test_a_lost_worker_is_the_reason_of_runs_that_it_left(far: Far) -> None:
    outcome = far.sweep(ordered(1), how="lost")
    assert [one.reason for one in outcome.failed] == ["worker t-1 lost: the node is gone"]
    assert outcome.exit_code == 8


def test_a_worker_that_ended_well_without_a_run_has_no_class(far: Far) -> None:
    assert far.sweep(ordered(1)).exit_code == 1


def test_an_old_commit_is_not_taken_for_the_one_that_should_replace_it(far: Far) -> None:
    far.commit(1, attempt=1)
    outcome = far.sweep(ordered(1, attempts=1, earlier=True, replace=True), how="lost")
    assert (outcome.committed, [one.reason for one in outcome.failed]) == ((), ["worker t-1 lost: the node is gone"])


def test_a_store_that_does_not_say_is_the_reason(far: Far) -> None:
    (failed,) = far.sweep(ordered(404)).failed
    assert (failed.error_class, failed.hint) == (5, "try again")
    assert "no answer" in failed.reason


def test_a_run_that_somebody_else_is_at_is_busy(far: Far) -> None:
    outcome = far.sweep(ordered(1), work=lambda: far.claim(1, release=False))
    (failed,) = outcome.failed
    assert f"process {os.getpid()} on " in failed.reason
    assert outcome.exit_code == 7


def test_of_thousands_of_failed_runs_only_last_words_are_kept(far: Far) -> None:
    def work() -> None:
        far.claim(1)
        files = tuple(FileRecord(path=f"{n}.out", size=1, checksum="sha256:0") for n in range(1000))
        far.record(
            1,
            state="failed",
            reason="no",
            error_class=1,
            files=files,
            stderr_tail="x" * 65536 + "last",
            scripts={"a": "b"},
        )

    (failed,) = far.sweep(ordered(1), work=work).failed
    assert failed.attempt is not None
    assert failed.attempt.stderr_tail.endswith("last")
    assert len(failed.attempt.stderr_tail) <= TAIL_CHARS
    assert (failed.attempt.files, failed.attempt.scripts) == ((), {})


@pytest.mark.parametrize(
    ("classes", "code"),
    [
        ((), 0),
        ((1,), 1),
        ((6, 6), 6),
        ((6, 1), 1),
        ((4, 5), 1),
        ((7, 1), 7),
        ((9, 7, 1), 9),
        ((70, 9), 70),
        ((8,), 8),
    ],
)
def test_the_exit_code_is_the_weightiest_that_applies(classes: tuple[int, ...], code: int) -> None:
    failed = tuple(Outcome(run=the_run(n), state="failed", error_class=c) for n, c in enumerate(classes))
    assert SweepOutcome(committed=("x",), failed=failed).exit_code == code


def test_runs_that_were_stopped_are_no_success() -> None:
    assert SweepOutcome(committed=(), stopped=("1",)).exit_code == 1
