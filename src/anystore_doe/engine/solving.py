"""What is solved and measured: the request for a slot's supervisor, and what its end means."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from anystore_doe.definition import column_exports, render_command, template_exports
from anystore_doe.engine import logs
from anystore_doe.engine.environment import solver_environment
from anystore_doe.engine.slots import SlotsClosedError
from anystore_doe.errors import RunError
from anystore_doe.model import ExitRecord, SolveRequest

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.engine.attempt import Attempt
    from anystore_doe.engine.slots import Seat

METRICS_AT_MOST = 1000
"""Metrics of one run that are kept: they travel in the commit."""

METRICS_BYTES = 2**20
"""How much of the end of what the metrics command prints is looked at."""

NAME_AT_MOST = 200
"""Characters of a metric's name or value that are kept."""


def solve_request(attempt: Attempt, seat: Seat, start: Path) -> SolveRequest:
    """Return what the supervisor of ``seat`` is to start in ``start``, logs beside the work folder."""
    recipe, run = attempt.crew.order.recipe, attempt.run
    return _request(attempt, seat, start, render_command(recipe.command, run.values), "")


def _request(attempt: Attempt, seat: Seat, start: Path, argv: tuple[str, ...], log_prefix: str) -> SolveRequest:
    crew, recipe, run = attempt.crew, attempt.crew.order.recipe, attempt.run
    return SolveRequest(
        argv=argv,
        cwd=str(start),
        env=solver_environment(
            crew.common_env,
            recipe=recipe,
            run=run,
            exports={**column_exports(run.values), **template_exports(recipe, run.values)},
            attempt=attempt.number,
            seat_index=seat.index,
            cpus=seat.cpus,
            cores=crew.order.resources.cores_per_slot,
            work_dir=attempt.work,
            machinefile=crew.machinefile,
        ),
        stdout=f"{attempt.folder}/{log_prefix}stdout.log",
        stderr=f"{attempt.folder}/{log_prefix}stderr.log",
        timeout_s=recipe.timeout_s,
    )


def check_ended(ended: ExitRecord, timeout_s: float | None, what: str = "the solver") -> None:
    """Raise unless the process ended by itself with exit code 0, and nothing of its tree is left.

    Raises:
        SlotsClosedError: it was ended because the worker stops.
        RunError: it failed; the message says how.
    """
    if ended.ok and not ended.detail:
        return
    if ended.how == "cancelled":
        raise SlotsClosedError(f"{what} was stopped")
    words = {
        "exited": f"{what} ended with exit code {ended.code}",
        "signalled": f"{what} was killed by {_signal_name(ended.signal)}",
        "timed-out": f"{what} timed out after {timeout_s:g} s" if timeout_s else f"{what} timed out",
        "not-started": f"{what} could not be started: {ended.detail}",
        "lost": f"{what} was lost: {ended.detail or 'its supervisor ended'}",
    }
    more = f"; {ended.detail}" if ended.detail and ended.detail not in words[ended.how] else ""
    raise RunError(words[ended.how] + more, hint=_hint(ended))


def _hint(ended: ExitRecord) -> str:
    if ended.how == "timed-out":
        return "a longer --timeout"
    if ended.how == "exited" and ended.code == 127:
        return "exit code 127 of a shell means: command not found; is its folder in PATH, its module loaded?"
    if ended.how == "not-started" and "not found" in ended.detail:
        return "give its whole path, or add its folder to PATH before anystore-doe is started"
    return ""


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def measure(attempt: Attempt, seat: Seat, start: Path) -> dict[str, str]:
    """Run the metrics command in ``start`` and return its ``name<TAB>value`` lines; other lines are chatter.

    Raises:
        RunError: it did not end with exit code 0.
    """
    recipe = attempt.crew.order.recipe
    argv = render_command(recipe.metrics, attempt.run.values)
    request = _request(attempt, seat, start, argv, "metrics.")
    ended = seat.solve(request)
    try:
        check_ended(ended, recipe.timeout_s, "the metrics command")
    except RunError as error:
        last = logs.last_line(logs.tail_of(attempt.folder / "metrics.stderr.log"))
        raise RunError(f"{error.message}{f': {last}' if last else ''}", hint=error.hint) from error
    log = attempt.folder / "metrics.stdout.log"
    text = logs.tail_of(log, METRICS_BYTES)
    if log.stat().st_size > METRICS_BYTES:
        text = text.partition("\n")[2]  # it begins within a line
    return read_metrics(text)


def read_metrics(text: str) -> dict[str, str]:
    """Return the ``name<TAB>value`` lines of ``text``, the last of a name wins, bounded in number and length."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, tab, value = line.partition("\t")
        if tab and name.strip() and len(found) < METRICS_AT_MOST:
            found[name.strip()[:NAME_AT_MOST]] = value.strip()[:NAME_AT_MOST]
    return found
