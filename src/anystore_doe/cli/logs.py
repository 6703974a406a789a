"""``anystore-doe logs``: what a run's solver wrote."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.options import config_option, debug_option, example, work_dir_option
from anystore_doe.errors import DefinitionError, ObjectNotFoundError, UsageError, printable

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from anystore_doe.cli.memo import Recalled
    from anystore_doe.contract import Place
    from anystore_doe.engine.outcome import Outcome
    from anystore_doe.model import Run

POLL_S = 0.25
PIECE = 2**20
SHOWN_RUNS = 5


@click.command(epilog=example("anystore-doe logs 0001", "anystore-doe logs hsdi inputs.csv -f"))
@click.argument("run_id", metavar="RUN")
@click.argument("table", required=False)
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the run ends.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what went to stderr.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what went to stdout.")
@config_option
@work_dir_option
@debug_option
@click.pass_context
def logs(
    ctx: click.Context,
    run_id: str,
    table: str | None,
    follow: bool,
    stream: str | None,
    config: str | None,
    work_dir: str | None,
) -> None:
    """Print what the solver of RUN wrote in its last attempt: stdout on stdout, stderr on stderr.

    RUN is a run id, or the number of a data row. While the run is at work here, its log files are read; afterwards
    the store's records.
    """
    from anystore_doe.cli.memo import recall

    run_id, table = _in_order(run_id, table)
    streams = [stream] if stream else ["stdout", "stderr"]
    with recall(ctx, table, config, work_dir) as recalled:
        run = _chosen(recalled, run_id)
        outcome = _outcome(recalled, run)
        files = _log_files(recalled, outcome, streams)
        while follow and not files and outcome.state == "running":
            time.sleep(POLL_S)
            outcome = _outcome(recalled, run)
            files = _log_files(recalled, outcome, streams)
        if files:
            written = _print_files(recalled, run, files, follow=follow)
        else:
            written = _print_from_store(recalled, outcome, streams)
        if not written:
            _say_why_nothing(_outcome(recalled, run), stream)


def _in_order(run_id: str, table: str | None) -> tuple[str, str | None]:
    """Return RUN and TABLE, also when they came as TABLE and RUN."""
    if table is not None and ("://" in run_id or Path(run_id).is_file()) and not Path(table).is_file():
        return table, run_id
    return run_id, table


def _chosen(recalled: Recalled, run_id: str) -> Run:
    from anystore_doe.definition import select_rows

    try:
        chosen = select_rows(recalled.sweep, run_id)
    except DefinitionError as error:
        known = [run.run_id for run in recalled.sweep.runs]
        named = ", ".join(known[:SHOWN_RUNS]) + (", ..." if len(known) > SHOWN_RUNS else "")
        near = error.hint if error.hint.startswith("did") else ""
        raise DefinitionError(
            f"there is no run {run_id!r}; the runs are {named}",
            where=recalled.sweep.table,
            hint=near or "anystore-doe logs RUN TABLE",
        ) from error
    if len(chosen) != 1:
        raise UsageError(
            f"{run_id!r} are {len(chosen)} runs; logs prints one", hint=f"anystore-doe logs {chosen[0].run_id}"
        )
    return chosen[0]


def _outcome(recalled: Recalled, run: Run) -> Outcome:
    from anystore_doe.engine.outcome import read_outcome

    return read_outcome(run, recalled.ground.open_storage, with_records=True)


def _log_files(recalled: Recalled, outcome: Outcome, streams: list[str]) -> dict[str, Path]:
    """Return the log files here, unless the store knows of a newer attempt than the last that has a folder here."""
    from anystore_doe.cli.attempts import attempt_of, last_folder

    folder = last_folder(recalled.runs_folder, outcome.run.run_id)
    if folder is None or attempt_of(folder) < outcome.attempts:
        return {}
    paths = {stream: folder / f"{stream}.log" for stream in streams}
    return {stream: path for stream, path in paths.items() if path.is_file()}


def _print_files(recalled: Recalled, run: Run, paths: dict[str, Path], *, follow: bool) -> bool:
    """Print log files, with ``follow`` until the run ends; tell whether there was anything in them."""
    folder = next(iter(paths.values())).parent
    written = False
    with ExitStack() as stack:
        files = {stream: stack.enter_context(path.open("rb")) for stream, path in paths.items()}
        written |= _copy_all(files)
        while follow and folder.is_dir() and _outcome(recalled, run).state == "running":
            time.sleep(POLL_S)
            written |= _copy_all(files)
        written |= _copy_all(files)
    return written


def _copy_all(files: dict[str, io.BufferedReader]) -> bool:
    written = False
    for stream, file in files.items():
        while piece := file.read(PIECE):
            _write(stream, piece)
            written = True
    return written


def _write(stream: str, data: bytes) -> None:
    """Write a solver's bytes: as they are into a file or pipe, control characters escaped on a terminal."""
    target = sys.stderr if stream == "stderr" else sys.stdout
    if target.isatty():
        click.echo(printable(data.decode(errors="replace").replace("\r\n", "\n")), nl=False, err=stream == "stderr")
    else:
        click.echo(data, nl=False, err=stream == "stderr")


def _print_from_store(recalled: Recalled, outcome: Outcome, streams: list[str]) -> bool:
    """Print the logs of the last attempt that wrote a record; tell whether there was anything in them."""
    if outcome.attempt is None or (outcome.state == "running" and _is_begun_here(recalled, outcome)):
        raise _no_logs(outcome)
    place = recalled.ground.open_storage(outcome.run.output)
    written = False
    for stream in streams:
        tail = outcome.attempt.stdout_tail if stream == "stdout" else outcome.attempt.stderr_tail
        for piece in _whole_log(place, outcome.attempts, stream) or [tail.encode()]:
            _write(stream, piece)
            written |= bool(piece)
    return written


def _is_begun_here(recalled: Recalled, outcome: Outcome) -> bool:
    """Tell whether a newer attempt than the store knows has a folder here."""
    from anystore_doe.cli.attempts import attempt_of, last_folder

    folder = last_folder(recalled.runs_folder, outcome.run.run_id)
    return folder is not None and attempt_of(folder) > outcome.attempts


def _no_logs(outcome: Outcome) -> ObjectNotFoundError:
    name = outcome.run.run_id
    because = f" ({outcome.reason})" if outcome.reason else ""
    said = f"run {name} is {outcome.state}; no attempt has written a record{because}"
    hint = outcome.hint or "anystore-doe status"
    if outcome.state == "running":
        said = f"run {name} is running, but has not started to solve yet, or solves on another machine"
        hint = f"wait for it: anystore-doe logs {shlex.quote(name)} -f"
    return ObjectNotFoundError("read the logs of", outcome.run.output, said, hint=hint)


def _say_why_nothing(outcome: Outcome, stream: str | None) -> None:
    ended = outcome.attempt.exit if outcome.attempt else None
    if outcome.state == "running":
        said = "the solver has written nothing yet"
    elif outcome.state == "failed" and ended is None:
        said = "the solver did not start"
    else:
        said = "the solver wrote nothing"
    to = f" to {stream}" if stream and "start" not in said else ""
    because = f": {outcome.reason}" if outcome.reason else ""
    click.echo(printable(f"run {outcome.run.run_id}: {said}{to}{because}"), err=True)
    if outcome.hint:
        click.echo(printable(f"Hint:  {outcome.hint}"), err=True)


def _whole_log(place: Place, attempt: int, stream: str) -> Iterator[bytes] | None:
    """Return the pieces of the whole log, which the store has only when it is longer than the record's tail."""
    from anystore_doe.engine.records import log_path

    key = place.at(log_path(attempt, stream))
    info = place.storage.find(key)
    if info is None:
        return None
    return (
        place.storage.read(key, start, min(start + PIECE, info.size), pin=info.pin)
        for start in range(0, info.size, PIECE)
    )
