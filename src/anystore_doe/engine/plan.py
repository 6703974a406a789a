"""Plan: a read-only look at every row before anything starts. What would run, what is done, what is refused."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anystore_doe.engine.fingerprint import changed_input, definition_digests
from anystore_doe.engine.history import foreign_words, read_commit, read_history
from anystore_doe.engine.pinning import Pinner
from anystore_doe.engine.stores import shortcomings, totals
from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    CredentialsError,
    PlanError,
    StorageError,
    UsageError,
    safe_url,
)
from anystore_doe.model import OrderedRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anystore_doe.contract.storage import Place
    from anystore_doe.engine.staging import Archives
    from anystore_doe.engine.stores import StoreTotal
    from anystore_doe.model import Commit, PinnedInput, Run, Sweep

LOOKS_AT_ONCE = 16
"""Rows that are looked at at the same time: what a plan waits for is the stores' answers."""

HINTS_SHOWN = 3
"""Hints of refused rows that are spelled out: a thousand rows may need a thousand permissions."""

_SKIP = "--skip-bad-rows runs the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """What plan found out about one row.

    Attributes:
        action: ``run``, ``skip`` (committed, nothing changed) or ``refuse``.
        reason: Why, in words; ``""`` for a run that was never tried.
        bytes_in: Bytes of its inputs, 0 when they were not looked at.
        bytes_out: Bytes of its committed outputs, 0 when there are none.
        cause: For ``refuse``: what rows that name different places have in common; they are told together.
        error_class: For ``refuse``: 3, or 4 when it is about credentials or permission.
        ordered: For ``run``: what a worker gets.
    """

    run: Run
    action: Literal["run", "skip", "refuse"]
    reason: str = ""
    hint: str = ""
    cause: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    error_class: int = 0
    ordered: OrderedRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What plan found out about all selected rows, in table order."""

    sweep: Sweep
    rows: tuple[PlannedRow, ...]
    warnings: tuple[str, ...] = ()
    stores: tuple[StoreTotal, ...] = ()

    def of(self, action: str) -> list[PlannedRow]:
        """Return the rows with this action."""
        return [row for row in self.rows if row.action == action]

    def refuse(self) -> None:
        """Raise when a row is refused.

        Raises:
            PlanError: names every refused row, grouped by reason; ``exit_code`` 4 when every finding is about
                credentials or permission, else 3.
        """
        refused = self.of("refuse")
        if not refused:
            return
        ways = [self.ways_out(), _SKIP if len(refused) < len(self.rows) else ""]
        error = PlanError(f"nothing was started: {self.refusals()}", hint="; or ".join(filter(None, ways)))
        if all(row.error_class == AccessDeniedError.exit_code for row in refused):
            error.exit_code = AccessDeniedError.exit_code  # type: ignore[misc]  # this one error, not the class
        raise error

    def refusals(self) -> str:
        """Say how many rows can not run, which, and why: rows with the same reason on one line."""
        refused, total = self.of("refuse"), len(self.rows)
        alike: dict[tuple[str, str], list[PlannedRow]] = defaultdict(list)
        for row in refused:
            alike[row.cause or row.reason, row.hint].append(row)
        lines = [f"  {_rows(rows)}: {rows[0].reason}{_and_others(rows)}" for rows in alike.values()]
        head = f"{len(refused)} of {total} row{'s' if total > 1 else ''} of {safe_url(self.sweep.table)} can not run"
        return "\n".join([head, *lines])

    def ways_out(self) -> str:
        """Return the hints of the refused rows, each once, the first few."""
        hints = list(dict.fromkeys(row.hint for row in self.of("refuse") if row.hint))
        more = len(hints) - HINTS_SHOWN
        return "; or ".join([*hints[:HINTS_SHOWN], *([f"{more} more of this kind"] if more > 0 else [])])


def _and_others(rows: Sequence[PlannedRow]) -> str:
    others = len({row.reason for row in rows}) - 1
    return f" (and the same for {others} more place{'s' if others > 1 else ''})" if others else ""


def _rows(rows: Sequence[PlannedRow]) -> str:
    """Name rows by line and run: ``line 4 (run 0003)``; all of them, ranges where they follow each other."""
    if len(rows) == 1:
        return f"line {rows[0].run.line} (run {rows[0].run.run_id})"
    numbers = sorted(row.run.row for row in rows)
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return "rows " + ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def make_plan(
    sweep: Sweep,
    *,
    open_storage: Callable[[str], Place],
    archives: Archives,
    runs: Sequence[Run] | None = None,
    overwrite: bool = False,
    allow_foreign: bool = False,
) -> Plan:
    """Look at every row of ``runs`` (default: all of the sweep), read-only, and say what would happen to it.

    Args:
        sweep: What is to be run.
        open_storage: URL to place.
        archives: The installed archive formats.
        runs: The selected rows, in table order.
        overwrite: A run committed with another fingerprint is run again and replaced.
        allow_foreign: Objects under an output URL that are not ours are no reason to refuse.

    Raises:
        StorageError: a store could not be reached at all; nothing can be said about any row.
        StateError: a commit is of a newer schema.
    """
    look = _Look(sweep, open_storage, archives, overwrite=overwrite, allow_foreign=allow_foreign)
    chosen = sweep.runs if runs is None else runs
    with ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="anystore-doe-plan") as pool:
        rows = tuple(pool.map(look.at, chosen, chunksize=1))
    ordered = [row.ordered for row in rows if row.ordered]
    return Plan(
        sweep=sweep,
        rows=rows,
        warnings=shortcomings(
            dict.fromkeys(url for one in ordered for url in one.run.inputs),
            dict.fromkeys(one.run.output for one in ordered),
            open_storage,
        ),
        stores=totals(
            (found for one in ordered for found in one.inputs),
            ((row.run.output, row.bytes_out) for row in rows if row.action != "refuse"),
            open_storage,
        ),
    )


class _Look:
    """One plan's look at rows; thread-safe."""

    def __init__(
        self,
        sweep: Sweep,
        open_storage: Callable[[str], Place],
        archives: Archives,
        *,
        overwrite: bool,
        allow_foreign: bool,
    ) -> None:
        self._open = open_storage
        self._overwrite, self._allow_foreign = overwrite, allow_foreign
        self._pinner = Pinner(sweep.recipe, open_storage=open_storage, archives=archives)
        self._digest = definition_digests(sweep.recipe, sweep.ignore_columns)

    def at(self, run: Run) -> PlannedRow:
        try:
            return self._look(run)
        except (AccessDeniedError, CredentialsError) as error:
            return _refused(run, error, AccessDeniedError.exit_code)
        except StorageError as error:
            if error.exit_code == StorageError.exit_code:  # unreachable: it is not this row's fault
                raise
            return _refused(run, error, PlanError.exit_code)
        except AnystoreDoeError as error:
            if error.exit_code not in {1, UsageError.exit_code, PlanError.exit_code}:
                raise
            return _refused(run, error, PlanError.exit_code)

    def _look(self, run: Run) -> PlannedRow:
        place = self._open(run.output)
        if not place.storage.capabilities.write:
            return PlannedRow(
                run=run,
                action="refuse",
                error_class=PlanError.exit_code,
                reason=f"the output {safe_url(run.output)} is on a store that is read-only here",
                hint="anystore-doe plugins lists the stores there are",
            )
        inputs = tuple(self._pinner.pin(url) for url in run.inputs)
        bytes_in = sum(found.size for one in inputs for found in one.objects)
        digest = self._digest(run)
        commit = read_commit(place)
        if commit is not None:
            return self._committed(run, commit, inputs, digest, bytes_in)
        past = read_history(place)
        if past.foreign and not self._allow_foreign:
            return PlannedRow(
                run=run,
                action="refuse",
                reason=foreign_words(past.foreign),
                hint="--allow-foreign runs beside them and never deletes them",
                bytes_in=bytes_in,
                error_class=3,
            )
        reason = f"attempt {past.attempts} failed: {past.last.reason}" if past.last and past.last.reason else ""
        if past.attempts and not reason:
            reason = f"attempt {past.attempts} was interrupted"
        ordered = OrderedRun(
            run=run,
            inputs=inputs,
            definition_digest=digest,
            attempts=past.attempts,
            earlier=bool(past.present or past.attempts),
        )
        return PlannedRow(run=run, action="run", reason=reason, bytes_in=bytes_in, ordered=ordered)

    def _committed(
        self, run: Run, commit: Commit, inputs: tuple[PinnedInput, ...], digest: str, bytes_in: int
    ) -> PlannedRow:
        changed = (
            "its definition has changed (values, template, command or rules)"
            if commit.fingerprint != digest
            else changed_input(commit.inputs, inputs, self._pinner.digest)
        )
        if changed is None:
            return PlannedRow(run=run, action="skip", reason="committed", bytes_in=bytes_in, bytes_out=commit.bytes_out)
        reason = f"it was committed (attempt {commit.attempt}), and since then {_difference(commit, run) or changed}"
        if not self._overwrite:
            return PlannedRow(
                run=run,
                action="refuse",
                reason=reason,
                hint="--overwrite runs it again and replaces what is there",
                bytes_in=bytes_in,
                error_class=3,
            )
        ordered = OrderedRun(
            run=run,
            inputs=inputs,
            definition_digest=digest,
            attempts=commit.attempt,
            earlier=True,
            replace=True,
        )
        return PlannedRow(run=run, action="run", reason=f"overwrite: {reason}", bytes_in=bytes_in, ordered=ordered)


def _difference(commit: Commit, run: Run) -> str:
    """Say which values differ, ``rpm 1500 -> 1600``; ``""`` when none does."""
    names = [*commit.values, *(name for name in run.values if name not in commit.values)]
    return ", ".join(
        f"{name} {commit.values.get(name, '(none)')} -> {run.values.get(name, '(none)')}"
        for name in names
        if commit.values.get(name) != run.values.get(name)
    )


def _refused(run: Run, error: AnystoreDoeError, error_class: int) -> PlannedRow:
    cause = error.sentence if isinstance(error, StorageError) else ""
    cause = error.detail if isinstance(error, CredentialsError) else cause
    return PlannedRow(
        run=run, action="refuse", reason=error.message, hint=error.hint, cause=cause, error_class=error_class
    )
