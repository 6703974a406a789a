"""``anystore-doe plan``: what ``run`` would do, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.options import example
from anystore_doe.cli.sweep_options import SweepCommand, sweep_options
from anystore_doe.report.text import aligned, counted, one_line, size_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.engine.plan import Plan, PlannedRow

SHOWN_ROWS = 200
"""Rows that are spelled out for people; ``--json`` has all."""


@click.command(cls=SweepCommand, epilog=example("anystore-doe plan inputs.csv -t run.sh --show"))
@sweep_options
@click.option("--show", is_flag=True, help="Print the rendered templates and commands too.")
@click.pass_context
def plan(ctx: click.Context, /, show: bool, as_json: bool, **given: Any) -> int:
    """Say what run would do with the same arguments, and why; read-only.

    Every row is looked at. Ends with 3 when a row can not run, with 4 when all that is missing is permission.
    """
    from anystore_doe.cli.planning import planned

    with planned(ctx, given) as ready:
        show_plan(ready.plan, as_json=as_json, show=show)
        return ready.refused(skip=given["skip_bad_rows"])


def show_plan(made: Plan, *, as_json: bool, show: bool = False) -> None:
    """Print a plan on stdout."""
    if as_json:
        document = {
            "schema": 1,
            "sweep": made.sweep.name,
            "table": made.sweep.table,
            "warnings": list(made.warnings),
            "stores": [asdict(store) for store in made.stores],
            "rows": [_plain(made, row, show=show) for row in made.rows],
        }
        click.echo(json.dumps(document, indent=2))
        return
    rows = [(r.run.run_id, r.action, size_words(r.bytes_in), r.run.output, _why(r)) for r in made.rows[:SHOWN_ROWS]]
    for line in aligned(("RUN", "ACTION", "INPUT", "OUTPUT", "WHY"), rows):
        click.echo(line)
    if len(made.rows) > SHOWN_ROWS:
        click.echo(f"... and {len(made.rows) - SHOWN_ROWS:,} more; --json has all")
    click.echo(summary(made))
    for line in _stores(made):
        click.echo(line)
    if show:
        for row in made.of("run"):
            _show(made, row)


def summary(made: Plan) -> str:
    """Say how many rows of a plan run, are done, are refused, and how many bytes come in."""
    run, skip, refuse = (made.of(action) for action in ("run", "skip", "refuse"))
    parts = [f"{len(run)} to run ({size_words(sum(row.bytes_in for row in run))} in)", f"{len(skip)} done"]
    if refuse:
        parts.append(f"{len(refuse)} refused")
    return f"{made.sweep.name}: {counted(len(made.rows), 'row')}, {', '.join(parts)}"


def _stores(made: Plan) -> Iterator[str]:
    """Say per store what moves, where there is anything to say: compute far from its data is paid for by the byte."""
    for store in made.stores:
        where = f" ({store.region})" if store.region else ""
        out = f", {size_words(store.bytes_out)} of outputs there" if store.bytes_out else ""
        yield "  " + one_line(f"{store.url}{where}: {size_words(store.bytes_in)} in{out}")


def _why(row: PlannedRow) -> str:
    if row.reason:
        return row.reason
    return "not tried yet" if row.action == "run" else ""


def _plain(made: Plan, row: PlannedRow, *, show: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "run_id": row.run.run_id,
        "row": row.run.row,
        "line": row.run.line,
        "action": row.action,
        "reason": _why(row),
        "hint": row.hint,
        "error_class": row.error_class,
        "bytes_in": row.bytes_in,
        "inputs": list(row.run.inputs),
        "output": row.run.output,
    }
    if show and row.action == "run":
        command, exports, texts = _rendered(made, row)
        plain |= {"command": list(command), "environment": exports, "templates": texts}
    return plain


def _rendered(made: Plan, row: PlannedRow) -> tuple[tuple[str, ...], dict[str, str], dict[str, str]]:
    """Return the command, the variables that the row sets, and the templates, as the run will see them."""
    from anystore_doe.definition import column_exports, render_command, rendered_template, template_exports

    recipe, values = made.sweep.recipe, row.run.values
    exports = {**column_exports(values), **template_exports(recipe, values)}
    texts = {template.name: rendered_template(template, values) for template in recipe.templates}
    return render_command(recipe.command, values), exports, texts


def _show(made: Plan, row: PlannedRow) -> None:
    import shlex

    from anystore_doe.errors import printable

    command, exports, texts = _rendered(made, row)
    click.echo(f"\n=== run {one_line(row.run.run_id)}: {one_line(shlex.join(command))}")
    for name, value in exports.items():
        click.echo(f"    {name}={one_line(shlex.quote(value))}")
    for name, text in texts.items():
        click.echo(f"--- {one_line(name)}")
        click.echo(printable(text.rstrip("\n")))
