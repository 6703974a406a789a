"""``anystore-doe run``: plan, run what is ready, say what became of it."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.options import example
from anystore_doe.cli.sweep_options import SweepCommand, sweep_options
from anystore_doe.report.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from anystore_doe.cli.planning import Ready
    from anystore_doe.engine.sweep import Setting, SweepOutcome


@click.command(
    cls=SweepCommand,
    epilog=example(
        "anystore-doe run inputs.csv -t run.sh --slots 2 --cores-per-slot 8",
        "anystore-doe run table.csv -i s3://b/case.zip -o s3://b/out/ -t engine.in.template -- solver engine.in",
    ),
)
@sweep_options
@click.option("-n", "--dry-run", is_flag=True, help="Print what plan prints, and stop.")
@click.pass_context
def run(ctx: click.Context, /, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Run every row of TABLE that is not done yet: stage in, solve in a slot, stage out, commit.

    The same command again goes on where it stopped: committed rows are skipped, failed ones are tried again.
    COMMAND is what a slot starts, by default "bash NAME" of the only shell template; words may hold ${column}.
    """
    from anystore_doe.cli.planning import planned

    began = time.monotonic()
    with planned(ctx, given) as ready:
        if dry_run:
            from anystore_doe.cli.plan import show_plan

            show_plan(ready.plan, as_json=as_json)
            return ready.refused(skip=given["skip_bad_rows"])
        refused = ready.refused(skip=given["skip_bad_rows"])
        return _run(ready, began=began, as_json=as_json, at_least=refused)


def _run(ready: Ready, *, began: float, as_json: bool, at_least: int) -> int:
    """Run an accepted plan; ``at_least`` is the exit code when all goes well."""
    from anystore_doe.cli.ending import print_ending
    from anystore_doe.cli.memo import remember
    from anystore_doe.cli.progress import shown_progress
    from anystore_doe.cli.stopping import stopped_by_signals
    from anystore_doe.cli.surroundings import surroundings
    from anystore_doe.engine.sweep import resources_of, run_sweep

    plan, ground = ready.accepted(), ready.ground
    to_run = len(plan.of("run"))

    def begun() -> None:
        remember(ready.work_root, ready.settings, ground.config, ready.base)

    if not to_run:
        begun()
    slots = resources_of(plan.sweep)[0].slots
    with shown_progress(to_run, slots) as progress, stopped_by_signals(progress.note) as stopping:
        if to_run:
            progress.note(f"{counted(to_run, 'run')} to do, {counted(slots, 'slot')}, in {ready.work_root}")

        def notify(event: Any) -> None:
            progress.event(event)
            ground.registry.notify(event)

        around = surroundings(ground.registry, ground.open_storage, plan.sweep.recipe, notify)
        outcome = run_sweep(plan, _setting(ready, begun), around, stopping.stop)
    ending = _ending_code(outcome, stopping.signal, at_least)
    print_ending(ready, outcome, wall_s=time.monotonic() - began, exit_code=ending, as_json=as_json)
    return ending


def _ending_code(outcome: SweepOutcome, signal: int | None, at_least: int) -> int:
    if signal is not None and outcome.stopped:
        return 128 + signal
    return outcome.exit_code or at_least


def _setting(ready: Ready, begun: Callable[[], None]) -> Setting:
    from anystore_doe.engine.sweep import Setting

    sweep, registry = ready.plan.sweep, ready.ground.registry
    return Setting(
        open_executor=lambda context: registry.open_executor(sweep.executor, sweep.executor_options, context),
        work_root=ready.work_root,
        scratch=ready.scratch,
        # -P: a file in the folder where the worker starts must not stand in for a module.
        worker_argv=(sys.executable, "-P", "-m", "anystore_doe.cli", "worker"),
        environ=dict(os.environ),
        fail_fast=bool(ready.settings.fail_fast),
        begun=begun,
    )
