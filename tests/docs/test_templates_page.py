"""What the page about templates says of placeholders and of errors, beside what the program does."""

import re
import subprocess
import sys

import pytest
from docs_pages import DOCS, blocks_of

from anystore_doe.definition import render_text

PAGE = DOCS / "how-to/templates.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\$+\{bore[^`]*)` \| (?:a literal `)?([^\s`,:]+)", TEXT, re.MULTILINE)
ERRORS = [block.text.split() for block in blocks_of(PAGE) if block.text.lstrip().startswith("Error: ")]


def test_the_page_has_its_table_and_its_errors():
    assert len(ROWS) == 4
    assert len(ERRORS) == 2


@pytest.mark.parametrize(("written", "shown"), ROWS)
def test_a_placeholder_becomes_what_the_table_says(written, shown):
    assert render_text(written, {"bore": "0.0815"}, where="page") == shown


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("engine.in.template", "${rpn}\n", ERRORS[0]),
        ("run.sh", "#!/bin/bash\necho 'rpm is ${rpm}'\n", ERRORS[1]),
    ],
)
def test_an_error_reads_as_the_page_shows_it(name, text, shown, tmp_path):
    (tmp_path / name).write_text(text)
    (tmp_path / "runs.csv").write_text("description, rpm\nlow, 1500\n")
    words = ["plan", "runs.csv", "-o", "out/", "-t", name, "--", "true"]
    done = subprocess.run(
        [sys.executable, "-m", "anystore_doe.cli", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.split() == shown
