from __future__ import annotations

import pytest

from anystore_doe.definition import select_rows
from anystore_doe.errors import DefinitionError

TABLE = "run_id,output\nbase,o/1\n3,o/2\ncase_a,o/3\n1-2,o/4\nx,o/5\n"


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("1", ["base"]),
        ("case_a", ["case_a"]),
        ("3", ["3"]),
        ("1-2", ["1-2"]),
        ("4-5", ["1-2", "x"]),
        ("5, 1,case_a,1", ["base", "case_a", "x"]),
        ("2-4", ["3", "case_a", "1-2"]),
    ],
)
def test_an_exact_run_id_wins_over_rows_and_ranges(define, expression: str, ids: list[str]) -> None:
    assert [run.run_id for run in select_rows(define(TABLE), expression)] == ids


@pytest.mark.parametrize("expression", ["0", "6", "4-9", "5-4", "case_b", "", ",", "-1", "1-", "1_0", "²"])
def test_what_names_no_run_is_refused(define, expression: str) -> None:
    with pytest.raises(DefinitionError, match="selects no run"):
        select_rows(define(TABLE), expression)


def test_every_unknown_part_is_named_with_the_nearest_id(define) -> None:
    with pytest.raises(DefinitionError, match="'case_b', '77'") as caught:
        select_rows(define(TABLE), "1,case_b,77")
    assert caught.value.hint == "did you mean 'case_a'?"
