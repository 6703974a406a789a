"""The results table: columns, clashing names, formulas, numbers."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.engine.outcome import Outcome
from anystore_doe.model import AttemptRecord, Commit, ExitRecord, Run
from anystore_doe.report.drawn import drawn
from anystore_doe.report.results import Result, as_csv, as_json, disarmed, result_of, table_of

RUN = Run(run_id="0001", row=1, line=2, values={"rpm": "1500"}, inputs=(), output="file:///o/1")


def result(**changes) -> Result:
    fixed = {
        "run_id": "0001",
        "values": {"rpm": "1500"},
        "state": "committed",
        "exit_code": 0,
        "attempts": 1,
        "wall_s": 2.5,
        "solve_s": 2.0,
        "bytes": 10,
        "metrics": {"p_max": "118.2"},
        "output": "file:///o/1",
    }
    return Result(**(fixed | changes))


def test_a_commit_gives_the_row():
    commit = Commit(
        run_id="0001",
        nonce="n",
        attempt=2,
        fingerprint="f",
        values={},
        inputs=(),
        record_digest="",
        files=1,
        bytes_in=5,
        bytes_out=7,
        exit_code=0,
        committed_at=0.0,
        metrics={"p": "1"},
        timings={"fetch": 0.5, "solve": 1.25},
    )
    found = result_of(Outcome(run=RUN, state="committed", attempts=2, commit=commit))
    assert (found.attempts, found.wall_s, found.solve_s, found.bytes, found.metrics) == (2, 1.75, 1.25, 7, {"p": "1"})


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (ExitRecord(how="exited", code=3), 3),
        (ExitRecord(how="signalled", signal=9), 137),
        (ExitRecord(how="not-started"), None),
        (None, None),
    ],
)
def test_a_failed_attempt_gives_its_exit_code(ended, code):
    attempt = AttemptRecord(run_id="1", attempt=1, nonce="n", state="failed", host="h", started_at=0.0, exit=ended)
    assert result_of(Outcome(run=RUN, state="failed", attempts=1, attempt=attempt)).exit_code == code


def test_a_run_that_was_never_tried_has_empty_cells():
    header, rows = table_of([result_of(Outcome(run=RUN, state="pending"))])
    assert dict(zip(header, next(rows), strict=True)) == {
        "run_id": "0001",
        "rpm": "1500",
        "state": "pending",
        "exit_code": "",
        "attempts": "0",
        "wall_s": "",
        "solve_s": "",
        "bytes": "",
    }


def test_metrics_of_all_runs_become_columns_and_clashing_names_are_told_apart():
    rows = [
        result(values={"run_id": "0001", "rpm": "1", "state": "new"}, metrics={"rpm": "2", "a": "3"}),
        result(run_id="0002", values={"run_id": "0002", "rpm": "1", "state": "new"}, metrics={"b": "4"}),
    ]
    header, cells = table_of(rows)
    assert header[:3] == ["run_id", "rpm", "table.state"]
    assert header[-3:] == ["metric.rpm", "a", "b"]
    assert [row[-3:] for row in cells] == [["2", "3", ""], ["", "", "4"]]


def test_formulas_are_disarmed_in_cells_and_names_and_counted():
    text, changed = as_csv([result(values={"=cmd": "@SUM(A1)"}, metrics={"m": "-1.5e3"})])
    (header, row) = csv.reader(io.StringIO(text))
    assert (header[1], row[1], row[-1], changed) == ("'=cmd", "'@SUM(A1)", "-1.5e3", 2)


@pytest.mark.parametrize("number", ["-1", "+1.5", "-1e9", "-inf", "0", "1_000"])
def test_numbers_stay_as_they_are(number):
    assert disarmed(number) == number


@given(st.text())
def test_no_text_starts_like_a_formula_afterwards(text):
    safe = disarmed(text)
    assert safe in {text, "'" + text}
    if safe[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        float(safe)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_csv_can_be_read_back(metrics):
    text, _ = as_csv([result(metrics=metrics)])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(row) for row in rows} == {8 + len(metrics)}


def test_json_says_the_same_with_a_schema():
    document = json.loads(as_json([result()]))
    assert document["schema"] == 1
    assert document["results"][0]["metrics"] == {"p_max": "118.2"}
    assert document["results"][0]["values"] == {"rpm": "1500"}


def lines_of(table, width) -> list[str]:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_drawn_table_takes_cells_as_text():
    table = drawn([result(values={"name": "[bold]x[/bold]\x1b[2J"})], 200).table
    assert "[bold]x[/bold]\\x1b[2J" in "\n".join(lines_of(table, 200))


WIDE = {
    "description": "wide open throttle, late closing",
    "s3_input": "s3://bucket/cases/input/hsdi.zip",
    "s3_output": "s3://bucket/cases/output/hsdi/",
    "rpm": "1500",
}


@pytest.mark.parametrize("width", [*range(60, 201, 7), 80, 100, 120])
def test_numbers_and_names_are_never_folded_or_cut(width):
    found = drawn([result(values=WIDE, bytes=2858956, metrics={"p_max": "115.67"})], width)
    if found.table is None:
        return
    header, _, row, *rest = lines_of(found.table, width)
    assert not any(rest)
    kept = [name for name in table_of([result(values=WIDE)])[0] if name not in found.left_out]
    assert header.split() == kept
    assert {"0001", "1500", "committed", "2858956", "115.67"} <= set(row.split())
    assert max(len(header), len(row)) <= width


def test_a_narrow_terminal_cuts_text_then_leaves_urls_out_then_has_no_table():
    rows = [result(values=WIDE)]
    wide, cut, without, none = (drawn(rows, width) for width in (250, 150, 100, 50))
    assert (wide.left_out, cut.left_out, without.left_out) == ((), (), ("s3_input", "s3_output"))
    assert "…" not in "".join(lines_of(wide.table, 250))
    assert "…" in "".join(lines_of(cut.table, 150))
    assert none.table is None


def test_no_results_are_a_header():
    assert as_csv([])[0] == "run_id,state,exit_code,attempts,wall_s,solve_s,bytes\n"
