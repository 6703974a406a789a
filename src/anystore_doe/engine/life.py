"""The life of a run: one straight function. Everything else in the engine serves it.

A slot is held only while the solver runs. Staging in and out happens in the same thread, beside the solves of
other runs, through gates that let only a few transfer at once.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.engine import logs, records
from anystore_doe.engine.attempt import claimed
from anystore_doe.engine.fingerprint import identities
from anystore_doe.engine.outputs import find_outputs, missing_required, planned_files, push_outputs, snapshot
from anystore_doe.engine.slots import SlotsClosedError
from anystore_doe.engine.solving import check_ended, measure, solve_request
from anystore_doe.engine.staging import fetch_inputs, render_files, start_folder, unpack_inputs
from anystore_doe.errors import AnystoreDoeError, CancelledTransferError, InternalError, LocalResourceError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.engine.attempt import Attempt
    from anystore_doe.engine.outputs import Outputs


class StoppedError(RunError):
    """The worker was told to stop while this run was under way; the run is as if it was never begun."""


def live_run(attempt: Attempt) -> None:
    """Live one run: claim, fetch, unpack, render, solve, measure, push, commit, clean.

    Raises:
        AlreadyCommittedError: somebody else committed it.
        StoppedError: the worker was told to stop.
        AnystoreDoeError: the run failed; its record is in the store where that could be written.
    """
    ordered, crew = attempt.ordered, attempt.crew
    recipe, around = crew.order.recipe, crew.around
    with claimed(attempt), _failures_recorded(attempt):
        with crew.gate_in:
            attempt.step("fetch")
            staged, parcels = fetch_inputs(
                ordered.inputs,
                attempt.work,
                attempt.folder / "parcels",
                open_storage=around.open_storage,
                watch=attempt.watch,
            )
            attempt.step("unpack")
            unpack_inputs(parcels, staged, attempt.work, archives=around.archives, watch=attempt.watch)
        attempt.step("render")
        start = start_folder(attempt.work, recipe.chdir)
        attempt.scripts = render_files(recipe, ordered.run.values, attempt.work, start)
        attempt.before = snapshot(attempt.work)
        attempt.pause()
        with crew.slots.seat() as seat:
            attempt.step("solve", slot=seat.index)
            attempt.exit = seat.solve(solve_request(attempt, seat, start))
        check_ended(attempt.exit, recipe.timeout_s)
        if missing := missing_required(attempt.work, recipe.require):
            raise RunError(f"the solver ended well, and left nothing that matches {', '.join(map(repr, missing))}")
        if recipe.metrics:
            attempt.pause()
            with crew.slots.measuring() as seat:
                attempt.step("measure")
                attempt.metrics = measure(attempt, seat, start)
        attempt.pause()
        with crew.gate_out:
            attempt.step("push")
            _push(attempt, find_outputs(attempt.work, attempt.before, recipe))
            attempt.step("commit")
            attempt.commit(identities(ordered.inputs, staged.digests), staged.bytes)
    attempt.step("clean")
    attempt.clean()


def _push(attempt: Attempt, outputs: Outputs) -> None:
    """Push outputs and long logs; before the first byte, say in the attempt's record what will be pushed."""
    place, recipe = attempt.place, attempt.crew.order.recipe
    attempt.links = outputs.links
    if outputs.files:
        attempt.files = planned_files(attempt.work, outputs.files)
        attempt.record("pushing")
        push_outputs(
            attempt.files, attempt.work, place, occupied=attempt.strays, durable=recipe.durable, watch=attempt.watch
        )
        attempt.strays = tuple(path for path in attempt.strays if path not in set(outputs.files))
    _push_logs(attempt)


def _push_logs(attempt: Attempt) -> None:
    for stream in ("stdout", "stderr"):
        log = attempt.folder / f"{stream}.log"
        if logs.is_long(log):
            key = attempt.place.at(records.log_path(attempt.number, stream))
            attempt.place.storage.push(log, key, durable=False, watch=attempt.watch)


@contextmanager
def _failures_recorded(attempt: Attempt) -> Iterator[None]:
    """Turn whatever ends a run early into one of our errors, and write it into the attempt's record."""
    try:
        yield
    except (SlotsClosedError, CancelledTransferError) as error:
        _give_up(attempt)
        raise StoppedError(f"stopped while run {attempt.run.run_id} was at {attempt.current_step}") from error
    except AnystoreDoeError as error:
        _fail(attempt, error)
        raise
    except OSError as error:
        ours = LocalResourceError(f"{error.strerror}: {error.filename}")
        _fail(attempt, ours)
        raise ours from error
    except Exception as error:
        trace = attempt.folder / "traceback.txt"
        trace.write_text(traceback.format_exc(), encoding="utf-8")
        bug = InternalError(f"a bug of ours: {type(error).__name__}: {error}", hint=f"please report {trace}")
        _fail(attempt, bug)
        raise bug from error


def _give_up(attempt: Attempt) -> None:
    """Leave nothing of an attempt that was stopped; what it pushed already is named in its record."""
    if attempt.recorded:
        attempt.record("failed", StoppedError("stopped before its outputs were pushed"))
    attempt.clean()


def _fail(attempt: Attempt, error: AnystoreDoeError) -> None:
    """Record a failure: logs, and outputs where the user wants them; the work folder stays for a look."""
    attempt.pause()
    try:
        if attempt.exit is not None:
            _push_logs(attempt)
            if attempt.crew.order.recipe.push_failed and attempt.current_step in {"solve", "measure"}:
                _push(attempt, find_outputs(attempt.work, attempt.before, attempt.crew.order.recipe))
        attempt.record("failed", error)
    except (AnystoreDoeError, OSError) as second:
        attempt.crew.around.logger.warning("run %s: its failure could not be recorded: %s", attempt.run.run_id, second)
