"""What ``run`` says at the end: which runs failed, where their logs are, and how many are done."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.attempts import last_folders
from anystore_doe.engine.logs import says_something
from anystore_doe.engine.workroot import runs_folder
from anystore_doe.errors import printable
from anystore_doe.report.text import counted, duration_words, one_line

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.cli.planning import Ready
    from anystore_doe.engine.outcome import Outcome
    from anystore_doe.engine.sweep import SweepOutcome

SHOWN_FAILURES = 20

SHOWN_LINES = 5
"""Last lines of a failed run's stderr that are shown; its logs have all."""


def print_ending(ready: Ready, outcome: SweepOutcome, *, wall_s: float, exit_code: int, as_json: bool) -> None:
    """Print what became of the plan's runs on stdout, and remarks on stderr."""
    folders = last_folders(runs_folder(ready.work_root, ready.scratch)) if outcome.failed else {}
    failures = [_failure(failed, folders.get(failed.run.run_id)) for failed in outcome.failed]
    already = [row.run.run_id for row in ready.plan.of("skip")]
    refused = [row.run.run_id for row in ready.plan.of("refuse")]
    if as_json:
        document = {
            "schema": 1,
            "sweep": ready.plan.sweep.name,
            "exit_code": exit_code,
            "wall_s": round(wall_s, 3),
            "committed": list(outcome.committed),
            "skipped": [*already, *outcome.skipped],
            "failed": failures,
            "stopped": list(outcome.stopped),
            "refused": refused,
            "remarks": dict(outcome.remarks),
            "work_root": str(ready.work_root),
        }
        click.echo(json.dumps(document, indent=2))
        return
    _print_remarks(outcome)
    for failure in failures[:SHOWN_FAILURES]:
        _print_failure(failure, ready.plan.sweep.table)
    if len(failures) > SHOWN_FAILURES:
        click.echo(f"... and {len(failures) - SHOWN_FAILURES:,} more failed: anystore-doe status names them")
    parts = [
        f"{len(numbers):,} {word}"
        for word, numbers in (
            ("committed", outcome.committed),
            ("done before", [*already, *outcome.skipped]),
            ("failed", failures),
            ("not finished", outcome.stopped),
            ("refused", refused),
        )
        if numbers
    ]
    if outcome.stopped:
        click.echo("the same command goes on with what is not finished")
    click.echo(f"{ready.plan.sweep.name}: {', '.join(parts) or 'nothing to do'} ({duration_words(wall_s)})")


def _print_remarks(outcome: SweepOutcome) -> None:
    by_remark: dict[str, list[str]] = {}
    for run_id, remark in outcome.remarks.items():
        by_remark.setdefault(remark, []).append(run_id)
    for remark, run_ids in by_remark.items():
        named = ", ".join(run_ids[:5]) + (f" and {len(run_ids) - 5:,} more" if len(run_ids) > 5 else "")
        click.echo(f"Warning: {counted(len(run_ids), 'run')} ({printable(named)}): {printable(remark)}", err=True)


def _failure(failed: Outcome, folder: Path | None) -> dict[str, Any]:
    run_id = failed.run.run_id
    tail = failed.attempt.stderr_tail or failed.attempt.stdout_tail if failed.attempt else ""
    return {
        "run_id": run_id,
        "step": failed.step,
        "reason": failed.reason,
        "hint": failed.hint,
        "error_class": failed.error_class,
        "last_lines": [one_line(line) for line in tail.splitlines() if says_something(line)][-SHOWN_LINES:],
        "has_logs": failed.attempt is not None and failed.attempt.exit is not None,
        "folder": str(folder) if folder else "",
        "output": failed.run.output,
    }


def _print_failure(failure: dict[str, Any], table: str) -> None:
    at = f" at {failure['step']}" if failure["step"] else ""
    click.echo(f"run {failure['run_id']} failed{at}: {one_line(failure['reason'])}")
    *before, last = failure["last_lines"] or [""]
    if before:
        click.echo("    last lines:")
        for line in (*before, last):
            click.echo(f"      | {line}")
        last = ""
    logs = f"anystore-doe logs {shlex.join([failure['run_id'], table])}" if failure["has_logs"] else ""
    for name, text in (("last line", last), ("hint", failure["hint"]), ("kept in", failure["folder"]), ("logs", logs)):
        if text:
            click.echo(f"    {name + ':':10} {one_line(text)}")
