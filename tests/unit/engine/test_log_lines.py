"""The last line of a log that says something."""

from __future__ import annotations

import pytest

from anystore_doe.engine.logs import last_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one\n two \n\n", "two"),
        ("mpirun: rank 3 died\n--------\n *** \n", "mpirun: rank 3 died"),
        ("Fehler: Übergröße\n=====", "Fehler: Übergröße"),
        ("-----\n", ""),
    ],
)
def test_the_last_line_holds_a_letter_or_digit(text: str, line: str) -> None:
    assert last_line(text) == line
