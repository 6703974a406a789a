"""What became of runs, read from the store and from nowhere else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from anystore_doe.engine.claim import is_held, read_claim
from anystore_doe.engine.history import last_attempt, read_attempt, read_commit
from anystore_doe.errors import AnystoreDoeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from anystore_doe.contract.storage import Place
    from anystore_doe.model import AttemptRecord, Claim, Commit, Run

READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far a run is.

    Attributes:
        state: ``committed``; ``failed`` (its last attempt, nobody is at it); ``running`` (claimed); ``pending``
            (never tried, or interrupted); ``unknown`` (the store does not say: see ``reason``).
        attempts: Attempts so far.
        attempt: Record of the last one (of a committed run: of the one that was), where it was written.
        step: Where a failed attempt was.
    """

    run: Run
    state: Literal["committed", "failed", "running", "pending", "unknown"]
    attempts: int = 0
    commit: Commit | None = None
    attempt: AttemptRecord | None = None
    claim: Claim | None = None
    step: str = ""
    reason: str = ""
    hint: str = ""
    error_class: int = 0


def read_outcomes(
    runs: Iterable[Run], open_storage: Callable[[str], Place], *, with_records: bool = False
) -> Iterator[Outcome]:
    """Yield the outcome of each run, in their order.

    Args:
        runs: Of one sweep.
        open_storage: URL to place.
        with_records: Read the attempt record of committed runs too (logs, files, exit record).
    """
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="anystore-doe-read") as pool:
        yield from pool.map(lambda run: read_outcome(run, open_storage, with_records=with_records), runs)


def without_records(outcome: Outcome) -> Outcome:
    """Return an outcome without commit, record and claim: they are large, and runs are many."""
    return replace(outcome, commit=None, attempt=None, claim=None)


def read_outcome(run: Run, open_storage: Callable[[str], Place], *, with_records: bool = False) -> Outcome:
    """Return the outcome of one run; a store that does not answer makes it ``unknown``."""
    try:
        return _read(run, open_storage(run.output), with_records=with_records)
    except AnystoreDoeError as error:
        return Outcome(run=run, state="unknown", reason=error.message, hint=error.hint, error_class=error.exit_code)


def _read(run: Run, place: Place, *, with_records: bool) -> Outcome:
    commit = read_commit(place)
    if commit is not None:
        record = read_attempt(place, commit.attempt) if with_records else None
        return Outcome(run=run, state="committed", attempts=commit.attempt, commit=commit, attempt=record)
    claim = read_claim(place)
    number, record = last_attempt(place) if claim is not None else (0, None)
    if claim is not None and is_held(claim):
        return Outcome(run=run, state="running", attempts=number, attempt=record, claim=claim)
    if record is not None and record.state == "failed" and record.error_class:
        return Outcome(
            run=run,
            state="failed",
            attempts=number,
            attempt=record,
            claim=claim,
            step=record.step,
            reason=record.reason,
            hint=record.hint,
            error_class=record.error_class,
        )
    return Outcome(run=run, state="pending", attempts=number, attempt=record, claim=claim)
