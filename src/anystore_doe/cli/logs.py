"""``anystore-doe logs``: what a run's solver wrote."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.options import config_option, debug_option, example, work_dir_option
from anystore_doe.errors import ObjectNotFoundError, UsageError, printable

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from anystore_doe.cli.memo import Recalled
    from anystore_doe.contract import Place
    from anystore_doe.engine.outcome import Outcome
    from anystore_doe.model import Run

POLL_S = 0.25
PIECE = 2**20


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

    streams = [stream] if stream else ["stdout", "stderr"]
    with recall(ctx, table, config, work_dir) as recalled:
        run = _chosen(recalled, run_id)
        if _printed_from_disk(recalled, run, streams, follow=follow):
            return
        _print_from_store(recalled, run, streams)


def _chosen(recalled: Recalled, run_id: str) -> Run:
    from anystore_doe.definition import select_rows

    chosen = select_rows(recalled.sweep, run_id)
    if len(chosen) != 1:
        raise UsageError(
            f"{run_id!r} are {len(chosen)} runs; logs prints one", hint=f"anystore-doe logs {chosen[0].run_id}"
        )
    return chosen[0]


def _printed_from_disk(recalled: Recalled, run: Run, streams: list[str], *, follow: bool) -> bool:
    """Print the log files of the last attempt that has a folder here; tell whether there was one."""
    from anystore_doe.cli.attempts import last_folder

    folder = last_folder(recalled.runs_folder, run.run_id)
    paths = {stream: folder / f"{stream}.log" for stream in streams} if folder else {}
    files = {stream: path.open("rb") for stream, path in paths.items() if path.is_file()}
    if not files:
        return False
    try:
        _copy_all(files)
        while follow and folder is not None and folder.is_dir() and _is_running(recalled, run):
            time.sleep(POLL_S)
            _copy_all(files)
        _copy_all(files)
    finally:
        for file in files.values():
            file.close()
    return True


def _copy_all(files: dict[str, io.BufferedReader]) -> None:
    for stream, file in files.items():
        while piece := file.read(PIECE):
            _write(stream, piece)


def _write(stream: str, data: bytes) -> None:
    """Write a solver's bytes: as they are into a file or pipe, control characters escaped on a terminal."""
    target = sys.stderr if stream == "stderr" else sys.stdout
    if target.isatty():
        click.echo(printable(data.decode(errors="replace").replace("\r\n", "\n")), nl=False, err=stream == "stderr")
    else:
        click.echo(data, nl=False, err=stream == "stderr")


def _is_running(recalled: Recalled, run: Run) -> bool:
    from anystore_doe.engine.outcome import read_outcome

    return read_outcome(run, recalled.ground.open_storage).state == "running"


def _print_from_store(recalled: Recalled, run: Run, streams: list[str]) -> None:
    from anystore_doe.engine.outcome import read_outcome

    outcome = read_outcome(run, recalled.ground.open_storage, with_records=True)
    place = recalled.ground.open_storage(run.output)
    if outcome.attempt is None:
        raise ObjectNotFoundError(
            "read the logs of",
            run.output,
            f"run {run.run_id} is {outcome.state}; no attempt has written a record" + _because(outcome),
            hint=outcome.hint or "anystore-doe status",
        )
    for stream in streams:
        tail = outcome.attempt.stdout_tail if stream == "stdout" else outcome.attempt.stderr_tail
        for piece in _whole_log(place, outcome.attempts, stream) or [tail.encode()]:
            _write(stream, piece)


def _because(outcome: Outcome) -> str:
    return f" ({outcome.reason})" if outcome.reason else ""


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
