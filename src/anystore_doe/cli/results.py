"""``anystore-doe results``: the results table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.local_files import is_local, local_path, written_place
from anystore_doe.cli.options import config_option, debug_option, example, json_option, work_dir_option
from anystore_doe.errors import UsageError, printable, safe_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.contract import Place
    from anystore_doe.registry import Opener
    from anystore_doe.report.results import Result


@click.command(epilog=example("anystore-doe results inputs.csv -o results.csv"))
@click.argument("table", required=False)
@click.option("-o", "--output", metavar="FILE", help="Write there; a path or a URL.  [default: stdout]")
@config_option
@work_dir_option
@json_option
@debug_option
@click.pass_context
def results(
    ctx: click.Context,
    table: str | None,
    output: str | None,
    config: str | None,
    work_dir: str | None,
    as_json: bool,
) -> int:
    """Print one row per run: run_id, the table's columns, state, exit_code, attempts, wall_s, solve_s, bytes, metrics.

    CSV; drawn as a table on a terminal. wall_s is the time of all steps without waiting, solve_s that of the solver,
    bytes what was pushed. In CSV, text that a spreadsheet would take for a formula (it starts with = + - @ or a tab,
    and is no number) gets a ' before it.
    """
    from anystore_doe.cli.memo import recall
    from anystore_doe.cli.status import exit_code_of
    from anystore_doe.engine.outcome import read_outcomes, without_records
    from anystore_doe.report.results import is_stale, result_of

    with recall(ctx, table, config, work_dir) as recalled:
        goal = _goal(recalled.ground.open_storage, output)
        found, outcomes, stale = [], [], []
        for outcome in read_outcomes(recalled.sweep.runs, recalled.ground.open_storage):
            found.append(result_of(outcome))
            outcomes.append(without_records(outcome))
            if is_stale(outcome, recalled.sweep.ignore_columns):
                stale.append(outcome.run.run_id)
        if stale:
            click.echo(f"Warning: {_stale_words(stale)}", err=True)
        for reason in dict.fromkeys(outcome.reason for outcome in outcomes if outcome.state == "unknown"):
            click.echo(f"Warning: {printable(reason)}", err=True)
        if goal is None and not as_json and sys.stdout.isatty():
            _draw(found)
        else:
            _write(_as_json(found) if as_json else _as_csv(found), goal)
    return exit_code_of(outcomes)


def _stale_words(run_ids: Sequence[str]) -> str:
    from anystore_doe.report.text import counted

    shown = ", ".join(run_ids[:5]) + (f" and {len(run_ids) - 5:,} more" if run_ids[5:] else "")
    return (
        f"solved with other values than the table has now: {counted(len(run_ids), 'run')} ({shown}); "
        "here are those that were solved, anystore-doe plan says what differs"
    )


def _as_json(found: Sequence[Result]) -> str:
    from anystore_doe.report.results import as_json

    return as_json(found) + "\n"


def _as_csv(found: Sequence[Result]) -> str:
    from anystore_doe.report.results import as_csv
    from anystore_doe.report.text import counted

    text, changed = as_csv(found)
    if changed:
        click.echo(f"Warning: {counted(changed, 'cell')} got a ' so that no spreadsheet evaluates them", err=True)
    return text


def _goal(open_storage: Opener, output: str | None) -> Place | None:
    """Return where ``-o`` says that the table goes, ``None`` for stdout.

    Raises:
        UsageError: it names a folder, or what is no file.
    """
    if output is None:
        return None
    place = open_storage(output)
    if output.endswith("/") or not place.key or (is_local(place) and local_path(place).is_dir()):
        shown = safe_url(output)
        raise UsageError(
            f"{shown} is a folder, and -o means a file here", hint=f"write -o {shown.rstrip('/')}/results.csv"
        )
    return written_place(place, hint="-o names a file; without it the table goes to standard output")


def _write(text: str, goal: Place | None) -> None:
    if goal is None:
        click.echo(text, nl=False)
        return
    from anystore_doe.contract import Watch

    goal.storage.push(text.encode("utf-8", "backslashreplace"), goal.key, watch=Watch())


def _draw(found: Sequence[Result]) -> None:
    from rich.console import Console

    from anystore_doe.report.drawn import drawn

    console = Console()
    fitted = drawn(found, console.width)
    if fitted.table is None:
        click.echo(f"Note: a table does not fit into {console.width} columns; this is CSV", err=True)
        click.echo(_as_csv(found), nl=False)
        return
    console.print(fitted.table)
    if fitted.left_out:
        named = ", ".join(fitted.left_out)
        click.echo(f"Note: left out, as {console.width} columns are too few: {named}; -o FILE writes all", err=True)
