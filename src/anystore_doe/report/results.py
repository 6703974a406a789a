"""The results table: what the table said, what became of each run, and its metrics."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anystore_doe.engine.fingerprint import LABELS
from anystore_doe.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from anystore_doe.engine.outcome import Outcome

SCHEMA = 1
OURS = ("state", "exit_code", "attempts", "wall_s", "solve_s", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the results.

    Attributes:
        values: Column to text: of a committed run as it was solved, of any other as the run table says.
        exit_code: Of the solver; 128 + n when signal n ended it; ``None`` when it did not end, or never began.
        wall_s: Seconds of all steps together, without waiting for a slot or a gate.
        solve_s: Seconds in the solver.
        bytes: Pushed.
        metrics: Name to text, as the metrics command said.
    """

    run_id: str
    values: Mapping[str, str]
    state: str
    exit_code: int | None
    attempts: int
    wall_s: float | None
    solve_s: float | None
    bytes: int | None
    metrics: Mapping[str, str]
    output: str
    step: str = ""
    reason: str = ""


def result_of(outcome: Outcome) -> Result:
    """Return the row of one run's outcome; what a commit was solved with stands beside its metrics."""
    commit, attempt = outcome.commit, outcome.attempt
    values = outcome.run.values
    if commit is not None:
        values = {name: commit.values.get(name, "") for name in values}
    timings = commit.timings if commit else attempt.timings if attempt else {}
    return Result(
        run_id=outcome.run.run_id,
        values=values,
        state=outcome.state,
        exit_code=commit.exit_code if commit else _exit_code(outcome),
        attempts=outcome.attempts,
        wall_s=round(sum(timings.values()), 3) if timings else None,
        solve_s=round(timings["solve"], 3) if "solve" in timings else None,
        bytes=commit.bytes_out if commit else None,
        metrics=commit.metrics if commit else attempt.metrics if attempt else {},
        output=outcome.run.output,
        step=outcome.step,
        reason=outcome.reason,
    )


def is_stale(outcome: Outcome, ignored: Collection[str] = ()) -> bool:
    """Tell whether a committed run was solved with other values than its row has now; ``ignored`` columns apart."""
    if outcome.commit is None:
        return False
    was, now, left_out = outcome.commit.values, outcome.run.values, LABELS.union(ignored)
    return any(was.get(name) != now.get(name) for name in {*was, *now} - left_out)


def _exit_code(outcome: Outcome) -> int | None:
    ended = outcome.attempt.exit if outcome.attempt else None
    if ended is None:
        return None
    return ended.code if ended.signal is None else 128 + ended.signal


def table_of(results: Sequence[Result]) -> tuple[list[str], Iterator[list[str]]]:
    """Return header and rows of the results, as text.

    A column or metric that has the name of another column is called ``table.NAME`` or ``metric.NAME``.
    """
    columns = [name for name in (results[0].values if results else {}) if name != "run_id"]
    metrics = list(dict.fromkeys(name for result in results for name in result.metrics))
    taken = {"run_id", *OURS}
    shown_columns = [name if name not in taken else f"table.{name}" for name in columns]
    taken |= set(shown_columns)
    header = ["run_id", *shown_columns, *OURS, *(m if m not in taken else f"metric.{m}" for m in metrics)]

    def rows() -> Iterator[list[str]]:
        for result in results:
            ours = [getattr(result, name) for name in OURS]
            yield [
                result.run_id,
                *(result.values.get(name, "") for name in columns),
                *("" if value is None else str(value) for value in ours),
                *(result.metrics.get(name, "") for name in metrics),
            ]

    return header, rows()


def as_csv(results: Sequence[Result]) -> tuple[str, int]:
    """Return the results as CSV, and how many cells were changed by :func:`disarmed`."""
    header, rows = table_of(results)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    changed = 0
    for row in (header, *rows):
        # Escaped, because they could steer a terminal; and csv leaves a bare carriage return unquoted.
        shown = [printable(cell) for cell in row]
        safe = [disarmed(cell) for cell in shown]
        changed += sum(cell != before for cell, before in zip(safe, shown, strict=True))
        writer.writerow(safe)
    return text.getvalue(), changed


def disarmed(cell: str) -> str:
    """Put ``'`` before text that a spreadsheet would take for a formula; numbers stay as they are.

    See OWASP, "CSV Injection": a cell that starts with ``= + - @``, tab or carriage return is evaluated.
    """
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


def as_json(results: Iterable[Result]) -> str:
    """Return the results as one JSON document."""
    document = {"schema": SCHEMA, "results": [_plain(result) for result in results]}
    return json.dumps(document, indent=2)


def _plain(result: Result) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)
