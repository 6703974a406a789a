"""The picture of the life of a run, beside a sweep that is watched."""

import json
import os
import subprocess
import sys
from html import unescape

import pytest
from docs_pages import DOCS

from anystore_doe.model import STEPS

PLUGIN = """
import json, os
from anystore_doe.contract import hookimpl


def note(*words):
    with open(os.environ["WATCHED"], "a") as file:
        file.write(json.dumps(words) + chr(10))


@hookimpl
def anystore_doe_storages():
    note("anystore_doe_storages")
    return ()


@hookimpl
def anystore_doe_executors():
    note("anystore_doe_executors")
    return ()


@hookimpl
def anystore_doe_archives():
    note("anystore_doe_archives")
    return ()


@hookimpl
def anystore_doe_run_event(event):
    note("anystore_doe_run_event", event.step, event.state)
"""


@pytest.fixture(scope="module")
def life():
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        from from_code import life
    finally:
        sys.path.remove(str(DOCS / "_ext"))
    return life


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Run one row with a metrics command, and return what a plugin was called with, in order."""
    folder = tmp_path_factory.mktemp("watched")
    metadata = folder / "plugin" / "watcher-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[anystore_doe]\nwatcher = watcher\n")
    (folder / "plugin/watcher.py").write_text(PLUGIN)
    (folder / "case.txt").write_text("case\n")
    (folder / "table.csv").write_text("a\n1\n")
    words = ["run", "table.csv", "-i", "case.txt", "-o", "out/", "--metrics", "true", "-j", "1", "--", "touch", "b"]
    subprocess.run(
        [sys.executable, "-m", "anystore_doe.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "plugin"), "WATCHED": str(folder / "watched")},
        check=True,
        capture_output=True,
    )
    return [json.loads(line) for line in (folder / "watched").read_text().splitlines()]


def test_hooks_are_called_in_the_order_that_the_picture_shows(watched, life):
    called = list(dict.fromkeys(name for name, *_ in watched))
    assert called == [hook for _, hooks in life.MOMENTS for hook in hooks]


def test_steps_begin_in_the_order_that_the_picture_shows(watched, life):
    begun = [words[1] for words in watched if words[2:] == ["started"]]
    assert begun == list(STEPS) == list(life.LANES)


def test_the_last_event_ends_the_run(watched):
    assert watched[-1][2] == "committed"
    assert not [words for words in watched[:-1] if words[-1] in {"committed", "failed", "skipped", "stopped"}]


def test_the_picture_names_every_step_and_every_hook(life):
    drawn = unescape(life.write())
    for step in STEPS:
        assert f">{step}</text>" in drawn
    for _, hooks in life.MOMENTS:
        for hook in hooks:
            assert f">{hook.removeprefix('anystore_doe_')}</text>" in drawn
