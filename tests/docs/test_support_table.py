"""The README's support table is what the kit said."""

import json
import runpy

from docs_pages import ROOT

SCRIPT = runpy.run_path(str(ROOT / ".ci" / "support_table.py"))


def test_the_readme_shows_what_the_kit_said():
    kept = json.loads((ROOT / "docs" / "kit-results.json").read_text(encoding="utf-8"))
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition(SCRIPT["BEGIN"])[2].partition(SCRIPT["END"])[0]
    assert shown.strip() == SCRIPT["table"](kept)
    assert list(kept) == list(SCRIPT["STORES"])


def test_every_suite_that_is_counted_is_there():
    for _, files in SCRIPT["STORES"].values():
        assert all((ROOT / file).is_file() for file in files)
