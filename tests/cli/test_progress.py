"""Progress: what the board knows, what lines say, what is drawn."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from anystore_doe.cli.board import Board
from anystore_doe.cli.lines import Lines
from anystore_doe.cli.progress import Drawn, shown_progress
from anystore_doe.model import RunEvent


def event(run_id="0001", step="solve", state="started", **more) -> RunEvent:
    return RunEvent(sweep="s", run_id=run_id, attempt=1, step=step, state=state, at=0.0, **more)


def test_the_board_knows_only_runs_that_are_under_way():
    board = Board(3, 2)
    board.tell(event("a", "fetch"))
    board.tell(event("b", "solve", slot=1))
    board.tell(event("a", "fetch", "progress", bytes=10))
    board.tell(event("b", "push", "progress", bytes=4))
    assert [run.run_id for run in board.at("fetch")] == ["a"]
    assert [(run.run_id, run.slot) for run in board.at("solve")] == [("b", 1)]
    assert (board.came_in.total, board.went_out.total) == (10, 4)
    for state, run_id in (("committed", "a"), ("failed", "b"), ("skipped", "c")):
        board.tell(event(run_id, "clean", state))
    assert (board.underway, board.done) == ({}, 3)
    assert board.ended == {"committed": 1, "failed": 1, "skipped": 1, "stopped": 0}


def test_what_is_left_is_told_from_the_pace_so_far():
    board = Board(4, 2)
    assert board.remaining_s(board.began + 10) is None
    board.tell(event(state="committed"))
    assert board.remaining_s(board.began + 10) == pytest.approx(30)


def test_the_rate_forgets_what_is_old():
    board = Board(1, 1)
    board.came_in.add(500, 100.0)
    board.came_in.add(500, 101.0)
    assert board.came_in.per_second(102.0) == 200
    assert board.came_in.per_second(105.5) == 100
    assert board.came_in.per_second(200.0) == 0
    assert board.came_in.total == 1000


def test_lines_say_one_line_for_each_change_of_state(capsys):
    lines = Lines(Board(12, 2))
    lines.event(event("0001", "fetch"))
    lines.event(event("0001", "solve", slot=1))
    lines.event(event("0001", "solve", "failed", message="exit code 3\nforged \x1b[2J", error_class=1))
    lines.event(event("0002", "clean", "committed", message="no outputs were left"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(" ", 1)[1] for line in captured.err.splitlines()] == [
        "[ 0/12] 0001 solving in slot 1",
        "[ 1/12] 0001 failed at solve: exit code 3 forged \\x1b[2J",
        captured.err.splitlines()[2].split(" ", 1)[1],
    ]
    assert "[ 2/12] 0002 committed: no outputs were left" in captured.err


def picture(board: Board) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(Drawn(board, console).picture())
    return console.file.getvalue()


def test_the_picture_shows_slots_stages_counts_and_bytes():
    board = Board(9, 2)
    board.tell(event("[bold]", "solve", slot=0))
    board.tell(event("0002", "fetch"))
    board.tell(event("0003", "render"))
    board.tell(event("0004", "push"))
    board.tell(event("0004", "push", "progress", bytes=2_000_000))
    board.tell(event("0005", "solve", "failed"))
    shown = picture(board)
    assert "slot 0  [bold]  solving 0.0 s" in shown
    assert "slot 1  free" in shown
    assert "coming in: 0002   ready: 0003   going out: 0004" in shown
    assert "1/9  1 failed" in shown
    assert "out 2.0 MB" in shown


def test_a_picture_of_hundreds_of_slots_stays_small():
    board = Board(1000, 500)
    for n in range(500):
        board.tell(event(f"r{n}", "solve", slot=n))
    assert "468 of 468 solving" in picture(board)
    assert len(picture(board).splitlines()) < 40


def test_off_a_terminal_log_messages_are_lines_too(capsys):
    with shown_progress(1, 1) as progress:
        progress.note("hello")
        logging.getLogger("anystore_doe.engine").warning("watch\x1bout")
    err = capsys.readouterr().err
    assert "hello" in err
    assert "Warning: watch\\x1bout" in err
    assert not logging.getLogger("anystore_doe").handlers
