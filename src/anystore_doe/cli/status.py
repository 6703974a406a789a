"""``anystore-doe status``: how far each run is, read from the store."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.options import config_option, debug_option, example, json_option, work_dir_option
from anystore_doe.report.text import aligned, counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.engine.outcome import Outcome

STATES = ("committed", "running", "failed", "pending", "unknown")


@click.command(epilog=example("anystore-doe status inputs.csv"))
@click.argument("table", required=False)
@config_option
@work_dir_option
@json_option
@debug_option
@click.pass_context
def status(ctx: click.Context, table: str | None, config: str | None, work_dir: str | None, as_json: bool) -> int:
    """Say how far each run of TABLE is: committed, running, failed, pending.

    It is read from the stores, so it is true on any machine. Without TABLE, the only sweep that was run here is
    taken. Ends with 0, or with the class of the error when a store does not say.
    """
    from anystore_doe.cli.memo import recall
    from anystore_doe.engine.outcome import read_outcomes, without_records

    with recall(ctx, table, config, work_dir) as recalled:
        found = read_outcomes(recalled.sweep.runs, recalled.ground.open_storage)
        outcomes = [without_records(outcome) for outcome in found]
        if as_json:
            runs = [_plain(outcome) for outcome in outcomes]
            counts = Counter(outcome.state for outcome in outcomes)
            document = {"schema": 1, "sweep": recalled.sweep.name, "counts": counts, "runs": runs}
            click.echo(json.dumps(document, indent=2))
        else:
            _print(recalled.sweep.name, outcomes)
    return exit_code_of(outcomes)


def exit_code_of(outcomes: Sequence[Outcome]) -> int:
    """Return 0, or the class of the first outcome that its store did not tell."""
    return next((outcome.error_class for outcome in outcomes if outcome.state == "unknown"), 0)


def _print(name: str, outcomes: Sequence[Outcome]) -> None:
    rows = [(o.run.run_id, o.state, str(o.attempts or ""), o.step, o.reason) for o in outcomes]
    for line in aligned(("RUN", "STATE", "ATTEMPTS", "STEP", "WHY"), rows):
        click.echo(line)
    counts: Counter[str] = Counter(outcome.state for outcome in outcomes)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    click.echo(f"{name}: {counted(len(outcomes), 'run')}, {told}")
    hints = dict.fromkeys(outcome.hint for outcome in outcomes if outcome.hint)
    for hint in list(hints)[:3]:
        click.echo(f"Hint:  {one_line(hint)}", err=True)


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        "run_id": outcome.run.run_id,
        "row": outcome.run.row,
        "state": outcome.state,
        "attempts": outcome.attempts,
        "step": outcome.step,
        "reason": outcome.reason,
        "hint": outcome.hint,
        "error_class": outcome.error_class,
        "output": outcome.run.output,
    }
