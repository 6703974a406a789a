"""The life of a run: one straight function. Everything else in the engine serves it.

A slot is held only while the solver runs. Staging in and out happens in the same thread, beside the solves of
other runs, through gates that let only a few transfer at once.
"""

from __future__ import annotations

import errno
import traceback
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from anystore_doe.engine import logs, pending, records
from anystore_doe.engine.attempt import claimed
from anystore_doe.engine.outputs import find_outputs, missing_required, planned_files, push_outputs, snapshot
from anystore_doe.engine.slots import SlotsClosedError
from anystore_doe.engine.solving import check_ended, measure, solve_request
from anystore_doe.engine.staging import fetch_inputs, render_files, start_folder, unpack_inputs
from anystore_doe.errors import (
    AnystoreDoeError,
    CancelledTransferError,
    LocalResourceError,
    ObjectExistsError,
    RunError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.engine.attempt import Attempt
    from anystore_doe.engine.staging import Staged

_OF_PATHS = {errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says about paths: the run's own doing, not a lack of this machine's."""

_DENIED = {errno.EACCES, errno.EPERM}
"""In the work folder: what the solver has taken away from itself, and from us."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


class StoppedError(RunError):
    """The worker was told to stop while this run was under way; the run is as if it was never begun."""


def live_run(attempt: Attempt) -> None:
    """Live one run: claim, fetch, unpack, render, solve, measure, push, commit, clean.

    Raises:
        AlreadyCommittedError: somebody else committed it.
        StoppedError: the worker was told to stop.
        AnystoreDoeError: the run failed; its record is in the store where that could be written.
    """
    crew = attempt.crew
    with ExitStack() as life:
        with crew.gate_in:  # the claim too: runs are taken in table order, and not before their turn to be fetched
            life.enter_context(claimed(attempt))
            life.enter_context(_failures_recorded(attempt))
            solved = pending.adopt(attempt)
            staged = _stage_in(attempt) if solved is None else None
        if staged is not None:
            _solve(attempt)
            solved = pending.keep(attempt, staged)
        assert solved is not None  # noqa: S101  solved now or before
        attempt.is_solved()
        attempt.pause()
        with crew.gate_out:
            attempt.step("push")
            _push_outputs(attempt)
            _push_logs(attempt)
            attempt.step("commit")
            attempt.commit(solved.inputs, solved.bytes_in)
    attempt.step("clean")
    attempt.clean()
    attempt.clean_earlier()


def _stage_in(attempt: Attempt) -> Staged:
    """Fetch the inputs into the attempt's folder, and unpack them."""
    around = attempt.crew.around
    attempt.make_folder()
    attempt.step("fetch")
    staged, parcels = fetch_inputs(
        attempt.ordered.inputs,
        attempt.work,
        attempt.folder / "parcels",
        open_storage=around.open_storage,
        watch=attempt.watch,
    )
    attempt.step("unpack")
    unpack_inputs(parcels, staged, attempt.work, archives=around.archives, watch=attempt.watch)
    return staged


def _solve(attempt: Attempt) -> None:
    """Render, solve in a slot, measure, and look what was left."""
    crew, recipe = attempt.crew, attempt.crew.order.recipe
    attempt.step("render")
    start = start_folder(attempt.work, recipe.chdir)
    attempt.scripts = render_files(recipe, attempt.run.values, attempt.work, start)
    attempt.before = snapshot(attempt.work)
    attempt.pause()
    with crew.slots.seat() as seat:
        attempt.step("solve", slot=seat.index)
        attempt.exit = seat.solve(solve_request(attempt, seat, start))
    check_ended(attempt.exit, recipe.timeout_s)
    attempt.is_solved()
    if missing := missing_required(attempt.work, recipe.require):
        raise RunError(f"the solver ended well, and left nothing that matches {', '.join(map(repr, missing))}")
    if recipe.metrics:
        attempt.pause()
        with crew.slots.measuring() as seat:
            attempt.step("measure")
            attempt.metrics = measure(attempt, seat, start)
    _look_what_is_left(attempt)


def _look_what_is_left(attempt: Attempt) -> None:
    """Find the outputs, and their digests as the solver left them."""
    outputs = find_outputs(attempt.work, attempt.before, attempt.crew.order.recipe)
    attempt.links = outputs.links
    attempt.files = planned_files(attempt.work, outputs.files)


def _push_outputs(attempt: Attempt) -> None:
    """Push outputs; before the first byte, say in the attempt's record what will be pushed.

    What is not ours is found before that: a path in a record is a path that a later attempt may delete.
    """
    place, recipe = attempt.place, attempt.crew.order.recipe
    paths = {file.path for file in attempt.files}
    if not paths:
        return
    if taken := attempt.foreign & paths:
        url = place.storage.url_of(place.at(min(taken)))
        raise ObjectExistsError("push", url, "there is an object that is not ours", hint="move it, or narrow --outputs")
    attempt.record("pushing")
    push_outputs(
        attempt.files, attempt.work, place, occupied=attempt.strays, durable=recipe.durable, watch=attempt.watch
    )
    attempt.strays = tuple(path for path in attempt.strays if path not in paths)


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
        ours = _in_our_words(error, attempt)
        _fail(attempt, ours)
        raise ours from error
    except Exception as error:
        trace = attempt.folder / "traceback.txt"
        with suppress(OSError):
            trace.write_text(traceback.format_exc(), encoding="utf-8", errors="backslashreplace")
        bug = attempt.crew.around.bug(error, hint=f"please report {trace}")
        _fail(attempt, bug)
        raise bug from error


def _in_our_words(error: OSError, attempt: Attempt) -> AnystoreDoeError:
    """Say what this machine said: about a path that is the run's own doing, or that it lacks something."""
    words = f"{error.strerror or error}: {error.filename or str(attempt.folder)!r}"
    of_the_solver = error.errno in _DENIED and str(error.filename or "").startswith(str(attempt.work))
    if error.errno in _OF_PATHS or of_the_solver:
        return RunError(words)
    return LocalResourceError(words, hint="make room there, or --scratch DIR" if error.errno in _FULL else "")


def _give_up(attempt: Attempt) -> None:
    """End an attempt that was stopped: no record; what its solver wrote so far stays for a look."""
    attempt.pause()
    if attempt.exit is None:
        attempt.clean()


def _fail(attempt: Attempt, error: AnystoreDoeError) -> None:
    """Record a failure: logs, and outputs where the user wants them; the work folder stays for a look."""
    attempt.pause()
    recipe = attempt.crew.order.recipe
    attempt.clean_earlier()
    if attempt.commit_sent:
        return
    if attempt.exit is not None:
        with _second_failure_noted(attempt, "its logs could not be pushed"):
            _push_logs(attempt)
        if recipe.push_failed and attempt.current_step in {"solve", "measure"}:
            with _second_failure_noted(attempt, "its outputs could not be pushed"):
                _look_what_is_left(attempt)
                _push_outputs(attempt)
    with _second_failure_noted(attempt, "its failure could not be recorded"):
        attempt.record("failed", error)


@contextmanager
def _second_failure_noted(attempt: Attempt, what: str) -> Iterator[None]:
    """Note what fails while a failure is looked after: the first one is what is told."""
    try:
        yield
    except (AnystoreDoeError, OSError) as second:
        attempt.crew.around.logger.warning("run %s: %s: %s", attempt.run.run_id, what, second)
