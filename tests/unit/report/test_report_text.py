"""Words for people."""

from __future__ import annotations

import pytest

from anystore_doe.report.text import aligned, counted, duration_words, one_line, size_words


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e6, "1.5 MB"), (3e15, "3000.0 TB")]
)
def test_sizes_have_decimal_units(size, words):
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (185, "3 min 05 s"), (59.99, "60.0 s"), (7620, "2 h 07 min")]
)
def test_durations_are_said_in_two_parts(seconds, words):
    assert duration_words(seconds) == words


def test_foreign_text_stays_on_one_line_and_steers_nothing():
    assert one_line("a\nb\t\x1b[31mc") == "a b \\x1b[31mc"


def test_a_hint_is_set_apart_on_one_line():
    assert (
        one_line("ended with exit code 127\nHint: is it in PATH?") == "ended with exit code 127; hint: is it in PATH?"
    )


def test_columns_are_aligned_and_lines_have_no_blanks_at_their_end():
    assert list(aligned(("A", "LONG"), [("xxx", ""), ("y", "z")])) == ["A    LONG", "xxx", "y    z"]


def test_counting():
    assert (counted(1, "run"), counted(2000, "run")) == ("1 run", "2,000 runs")
