"""The driver: makes work orders of a plan, hands them to an executor, and says what became of every run."""

from __future__ import annotations

import dataclasses
import queue
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anystore_doe.contract.executor import ExecutorContext
from anystore_doe.engine.claim import is_held, read_claim
from anystore_doe.engine.cores import default_slots, usable_cores
from anystore_doe.engine.outcome import Outcome, read_outcomes
from anystore_doe.engine.outputs import remark
from anystore_doe.engine.worker import live_order
from anystore_doe.engine.workroot import locked
from anystore_doe.model import Resources, WorkOrder

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.contract.executor import Executor
    from anystore_doe.engine.crew import Surroundings
    from anystore_doe.engine.plan import Plan
    from anystore_doe.model import Claim, OrderedRun, RunEvent, Sweep, WorkerEnd

POLL_S = 0.1
"""How long the driver waits for an executor before it passes events on to the observers."""

ALWAYS = (70, 9, 7)
"""Exit codes that a sweep ends with as soon as one run has them, the weightiest first."""

SHARED = (8, 4, 6, 5)
"""Exit codes that a sweep ends with when every failed run has them."""

READS_AT_ONCE = 64
"""Runs whose end is read from the store in one go: a record lists every file."""

TAIL_CHARS = 2000
"""What is kept of a failed run's logs: thousands of runs may fail."""

ENDS = frozenset({"committed", "failed", "skipped", "stopped"})
"""States of an event that end a run's life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and how a plan is run on this machine.

    Attributes:
        open_executor: Opens the chosen executor.
        work_root: Absolute path; made when it is not there.
        scratch: Absolute path for work folders, or ``None``: in the work root.
        worker_argv: The command that starts a worker on this machine.
        environ: What a worker process starts with.
        fail_fast: Begin no further run after one failed.
        begun: Called once the work root is ours.
    """

    open_executor: Callable[[ExecutorContext], Executor]
    work_root: Path
    worker_argv: tuple[str, ...]
    environ: Mapping[str, str]
    scratch: Path | None = None
    fail_fast: bool = False
    begun: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """What became of the runs of a plan.

    Attributes:
        committed: Run ids that were committed now, in plan order, as all others here.
        skipped: Run ids that somebody else had committed meanwhile.
        failed: Runs that failed; of their records only the last words of their logs are kept.
        stopped: Run ids that were not begun or not ended because the sweep was stopped.
        remarks: Run id to a remark about a committed run.
    """

    committed: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    failed: tuple[Outcome, ...] = ()
    stopped: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0; else the weightiest of :data:`ALWAYS` there is; else the :data:`SHARED` one of all failed runs; else 1."""
        classes = {outcome.error_class for outcome in self.failed}
        for weighty in ALWAYS:
            if weighty in classes:
                return weighty
        if len(classes) == 1 and (only := next(iter(classes))) in SHARED:
            return only
        return 1 if self.failed or self.stopped else 0


def resources_of(sweep: Sweep) -> tuple[Resources, tuple[str, ...]]:
    """Return what one worker may use, and warnings when that is more than this machine has."""
    slots = sweep.slots if sweep.slots is not None else default_slots(sweep.cores_per_slot)
    wanted, there = slots * sweep.cores_per_slot, usable_cores()
    warnings: tuple[str, ...] = ()
    if wanted > there:
        warnings = (
            f"{slots} slots of {sweep.cores_per_slot} cores are {wanted} cores, this machine has {there}: "
            "solvers are not pinned and share cores",
        )
    lookahead = sweep.lookahead if sweep.lookahead is not None else 2 * slots
    return Resources(slots=slots, cores_per_slot=sweep.cores_per_slot, lookahead=lookahead), warnings


def run_sweep(plan: Plan, setting: Setting, around: Surroundings, stop: threading.Event) -> SweepOutcome:
    """Run what ``plan`` found ready and return what became of it; observers are called in this thread.

    Args:
        plan: Not refused (or with its refused rows left out).
        setting: Where and how.
        around: What the engine is handed; its ``notify`` is called here, after the fact.
        stop: Set it, and the sweep ends soon: solvers are ended, nothing is begun.

    Raises:
        BusyError: another engine is at work in this work root.
        ExecutorError: the executor can not start a worker.
    """
    ordered = [row.ordered for row in plan.of("run") if row.ordered is not None]
    if not ordered:
        return SweepOutcome(committed=())
    events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
    inside = dataclasses.replace(around, notify=events.put)
    context = ExecutorContext(
        live=lambda order, stopped: live_order(order, stopped, inside),
        work_root=setting.work_root,
        worker_env=setting.environ,
        logger=around.logger,
    )
    tally = _Tally(around, fail_fast=setting.fail_fast)
    with locked(setting.work_root):
        setting.begun()
        executor = setting.open_executor(context)
        try:
            _drive(executor, _orders(plan, ordered, setting, executor.max_orders), events, tally, stop)
        finally:
            executor.close()
        tally.take(events)
    return tally.outcome(ordered, stopped=stop.is_set())


def _orders(plan: Plan, ordered: Sequence[OrderedRun], setting: Setting, at_most: int) -> list[WorkOrder]:
    """Share the runs out over as many orders as the executor takes, in turn, so that early rows begin early."""
    sweep = plan.sweep
    resources, _ = resources_of(sweep)
    count = min(at_most, len(ordered))
    return [
        WorkOrder(
            order_id=f"{sweep.name}-{number + 1}",
            argv=setting.worker_argv,
            sweep=sweep.name,
            runs=tuple(ordered[number::count]),
            recipe=sweep.recipe,
            resources=resources,
            stores=sweep.stores,
            work_root=str(setting.work_root),
            scratch=str(setting.scratch) if setting.scratch else "",
            fail_fast=setting.fail_fast,
        )
        for number in range(count)
    ]


def _drive(
    executor: Executor,
    orders: Sequence[WorkOrder],
    events: queue.SimpleQueue[RunEvent],
    tally: _Tally,
    stop: threading.Event,
) -> None:
    """Submit all orders and wait until every one has ended."""
    going = {order.order_id for order in orders}
    for order in orders:
        executor.submit(order)
    cancelled = False
    while going:
        for end in executor.completed(POLL_S):
            going.discard(end.order_id)
            tally.worker_ended(end)
        tally.take(events)
        if stop.is_set() and not cancelled:
            executor.cancel(going)
            cancelled = True


class _Tally:
    """Collects how runs ended; what no event told is read from the store."""

    def __init__(self, around: Surroundings, *, fail_fast: bool) -> None:
        self._around, self._fail_fast = around, fail_fast
        self._ended: dict[str, RunEvent] = {}
        self._worker_words: list[str] = []
        self._last_words: list[str] = []
        self._worker_classes: set[int] = set()

    def take(self, events: queue.SimpleQueue[RunEvent]) -> None:
        """Pass on what has been told since the last call."""
        while True:
            try:
                event = events.get_nowait()
            except queue.Empty:
                return
            if event.state in ENDS:
                self._ended[event.run_id] = event
            self._around.notify(event)

    def worker_ended(self, end: WorkerEnd) -> None:
        if end.how == "ended" and end.detail:
            self._last_words.append(f"worker {end.order_id}: {end.detail}")
        if end.how != "ended" and end.detail:
            self._worker_words.append(f"worker {end.order_id} {end.how}: {end.detail}")
            self._worker_classes.add(end.error_class)

    def outcome(self, ordered: Sequence[OrderedRun], *, stopped: bool) -> SweepOutcome:
        """Say what became of the runs."""
        by_state: dict[str, list[str]] = {state: [] for state in ENDS}
        failed: list[Outcome] = []
        remarks: dict[str, str] = {}
        for one, stored in self._read(ordered):
            run_id = one.run.run_id
            state, outcome, said = self._one(one, stored, self._ended.get(run_id), stopped=stopped)
            if outcome is not None:
                failed.append(_without_bulk(outcome))
            by_state[state].append(run_id)
            if said:
                remarks[run_id] = said
        return SweepOutcome(
            committed=tuple(by_state["committed"]),
            skipped=tuple(by_state["skipped"]),
            failed=tuple(failed),
            stopped=tuple(by_state["stopped"]),
            remarks=remarks,
        )

    def _read(self, ordered: Sequence[OrderedRun]) -> Iterator[tuple[OrderedRun, Outcome | None]]:
        """Yield each run with what the store says about it; ``None`` where a worker told all that is to be said."""
        for start in range(0, len(ordered), READS_AT_ONCE):
            some = ordered[start : start + READS_AT_ONCE]
            asked = [one.run for one in some if self._is_open(one.run.run_id)]
            answers = read_outcomes(asked, self._around.open_storage, with_records=True)
            for one in some:
                yield one, next(answers) if self._is_open(one.run.run_id) else None

    def _is_open(self, run_id: str) -> bool:
        event = self._ended.get(run_id)
        return event is None or event.state == "failed"

    def _one(
        self, one: OrderedRun, stored: Outcome | None, event: RunEvent | None, *, stopped: bool
    ) -> tuple[str, Outcome | None, str]:
        """Return how a run ended, for a failed one what is known of it, and a remark."""
        if stored is None:
            assert event is not None  # noqa: S101  or the store was asked
            return event.state, None, event.message if event.state == "committed" else ""
        new = stored.commit is not None and stored.attempts > (one.attempts if one.replace else 0)
        if event is not None:
            if new and stored.attempts == event.attempt:  # its reply was lost
                return "committed", None, ""
            return "failed", _told(stored, event), ""
        if new and stored.commit is not None:
            return "committed", None, remark(stored.commit.files, stored.attempt.links if stored.attempt else ())
        if stored.state == "failed" and stored.attempts > one.attempts:
            return "failed", stored, ""
        if stopped or self._fail_fast:  # it was not begun, or not ended
            return "stopped", None, ""
        if stored.state == "unknown":  # the store says why it does not say more
            return "failed", dataclasses.replace(stored, state="failed"), ""
        holder = self._holder(stored)
        if holder is not None and not self._worker_words:
            words = f"process {holder.pid} on {holder.host} is at it"
            return "failed", dataclasses.replace(stored, state="failed", reason=words, error_class=7), ""
        words = "; ".join(self._worker_words) or ": ".join(("its worker ended without it", *self._last_words[:1]))
        kind = next(iter(self._worker_classes)) if len(self._worker_classes) == 1 else 1
        return "failed", dataclasses.replace(stored, state="failed", reason=words, hint="", error_class=kind), ""

    def _holder(self, stored: Outcome) -> Claim | None:
        """Return the claim of who is at a run; beside an old commit it has not been read yet."""
        if stored.commit is None:
            return stored.claim if stored.state == "running" else None
        claim = read_claim(self._around.open_storage(stored.run.output))
        return claim if claim is not None and is_held(claim) else None


def _without_bulk(outcome: Outcome) -> Outcome:
    """Keep of a failed run's record what an ending shows."""
    if outcome.attempt is None:
        return outcome
    slim = dataclasses.replace(
        outcome.attempt,
        stdout_tail=outcome.attempt.stdout_tail[-TAIL_CHARS:],
        stderr_tail=outcome.attempt.stderr_tail[-TAIL_CHARS:],
        scripts={},
        files=(),
        links=(),
        metrics={},
    )
    return dataclasses.replace(outcome, attempt=slim)


def _told(stored: Outcome, event: RunEvent) -> Outcome:
    """Complete what the store knows of a failed run with what its worker told: the store may have refused to know."""
    reason, _, hint = event.message.partition("\nHint: ")
    return dataclasses.replace(
        stored, state="failed", reason=reason, hint=hint, error_class=event.error_class, step=event.step
    )
