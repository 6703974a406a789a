"""Plugins that can not be used: noted, and everything else works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bad_input import RUN, desk_of, refused

from anystore_doe.testing.barriers import write_plugin

BROKEN = {
    "import": ("import acme_sdk_that_is_not_installed\n", "ModuleNotFoundError", "acme_sdk_that_is_not_installed"),
    "syntax": ("def (:\n", "SyntaxError", "broken_syntax.py"),
    "exit": ("raise SystemExit(3)\n", "SystemExit", "3"),
    "hook": (
        "from anystore_doe.contract import hookimpl\n\n@hookimpl\ndef anystore_doe_storages():\n    yield 1 / 0\n",
        "ZeroDivisionError",
        "division by zero",
    ),
    "unknown": (
        "from anystore_doe.contract import hookimpl\n\n@hookimpl\ndef anystore_doe_stores():\n    return []\n",
        "PluginValidationError",
        "anystore_doe_stores",
    ),
    "offer": (
        "from anystore_doe.contract import hookimpl\n\n@hookimpl\ndef anystore_doe_archives():\n    return ['zip']\n",
        "PluginError",
        "offered a str",
    ),
    "text": (
        "from anystore_doe.contract import StorageEntry, hookimpl\n\n"
        "@hookimpl\ndef anystore_doe_storages():\n"
        "    return [StorageEntry(schemes='shelf', open=lambda url, options, context: None, summary='')]\n",
        "PluginError",
        'schemes is a str, not a tuple: schemes=("shelf",)',
    ),
    "event": (
        "from anystore_doe.contract import hookimpl\n\n"
        "@hookimpl\ndef anystore_doe_run_event(event):\n    raise OSError('no licence')\n",
        "OSError",
        "no licence",
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A folder for PYTHONPATH in which every kind of broken plugin is installed."""
    for kind, (source, _, _) in BROKEN.items():
        write_plugin(tmp_path / "site", f"acme-{kind}", f"broken_{kind}", source=source)
    return str(tmp_path / "site")


def test_broken_plugins_are_listed_with_their_reason_and_all_others_are_there(tmp_path: Path, path: str):
    desk = desk_of(tmp_path)
    rows = json.loads(desk("plugins", "--json", PYTHONPATH=path).stdout)["plugins"]
    broken = {row["distribution"]: row["summary"] for row in rows if row["kind"] == "broken"}
    silent_until_used = {"acme-event"}
    assert set(broken) == {f"acme-{kind}" for kind in BROKEN} - silent_until_used
    for kind, (_, name, words) in BROKEN.items():
        if f"acme-{kind}" in broken:
            assert broken[f"acme-{kind}"].startswith(f"{name}: ")
            assert words in broken[f"acme-{kind}"]
    plain = json.loads(desk("plugins", "--json").stdout)["plugins"]
    assert [row for row in rows if row["kind"] != "broken"] == plain
    told = desk("plugins", PYTHONPATH=path).stdout
    assert [line for line in told.splitlines() if line.startswith("broken") and "ModuleNotFoundError" in line]


def test_a_sweep_runs_beside_broken_plugins_and_a_failing_observer_is_noted_once(tmp_path: Path, path: str):
    desk = desk_of(tmp_path, {"t.csv": "rpm,output\n1,out/a\n2,out/b\n"})
    done = desk(*RUN, PYTHONPATH=path)
    assert "t: 2 committed" in done.stdout
    assert done.stderr.count("no licence") == 1
    assert "acme-event" in done.stderr
    assert (desk.folder / "out/b/x.out").read_text() == "rpm is 2\n"


def test_a_scheme_that_a_broken_plugin_may_have_served_leads_to_the_list_of_the_broken(tmp_path: Path, path: str):
    desk = desk_of(tmp_path, {"t.csv": "rpm,output\n1,toy://b/a\n"})
    words = refused(desk, PYTHONPATH=path)
    assert "line 2 (run 0001): no storage plugin serves toy://" in words.error
    assert words.hint.startswith("anystore-doe plugins says why these are broken: acme-")
    assert "ModuleNotFoundError" in desk(*words.hint.split()[1:2], PYTHONPATH=path).stdout


def test_what_a_broken_plugin_says_can_not_steer_the_terminal(tmp_path: Path):
    site = write_plugin(tmp_path / "site", "acme-rude", "rude", source="raise OSError('\\x1b[2Jgone\\nbroken  s3')\n")
    done = desk_of(tmp_path)("plugins", PYTHONPATH=str(site))
    assert "\x1b" not in done.stdout
    assert "OSError: \\x1b[2Jgone broken  s3" in done.stdout


def test_a_plugin_whose_hook_is_not_marked_is_listed_as_silent(tmp_path: Path):
    site = write_plugin(
        tmp_path / "site", "acme-silent", "silent", source="def anystore_doe_storages():\n    return []\n"
    )
    told = desk_of(tmp_path)("plugins", PYTHONPATH=str(site)).stdout
    (row,) = [line for line in told.splitlines() if "acme-silent" in line]
    assert row.startswith("silent ")
    assert row.endswith("offers nothing: is @hookimpl missing?")


def test_a_scheme_that_two_offer_is_marked(tmp_path: Path):
    for name in ("one", "two"):
        write_plugin(tmp_path / "site", f"acme-{name}", f"{name}_shelf", source=shelf("pass"))
    told = desk_of(tmp_path)("plugins", PYTHONPATH=str(tmp_path / "site")).stdout
    rows = [line for line in told.splitlines() if " shelf " in line]
    assert len(rows) == 2
    assert all("shelf:// is offered by others too" in row for row in rows)


def shelf(stat: str, opened: str = "Shelf(url)", methods: str = "") -> str:
    """Return a plugin that serves shelf://, whose ``stat`` has this body."""
    return f"""
from anystore_doe.contract import Storage, StorageEntry, hookimpl

class Shelf(Storage):
    def __init__(self, url):
        self.url = url

    def stat(self, key):
        {stat}

    def fetch(self, key, dest, *, pin=None, watch):
        raise KeyError(key)
{methods}

def open_shelf(url, options, context):
    return {opened}

@hookimpl
def anystore_doe_storages():
    return [StorageEntry(schemes=("shelf",), open=open_shelf, summary="Shelves")]
"""


BUGS = {
    "stat": (shelf("return {}[key]"), "KeyError: 'in'"),
    "open": (shelf("pass", "Shelf()"), "TypeError: Shelf.__init__() missing 1 required positional argument: 'url'"),
    "what": (shelf("pass", "42"), "TypeError: open returned a int, not a Storage"),
    "factory": (
        shelf("pass").replace("(url, options, context)", "(url)"),
        "TypeError: open_shelf() takes 1",
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_a_plugin_is_called_that_plugins(tmp_path: Path, bug: str):
    source, words = BUGS[bug]
    site = write_plugin(tmp_path / "site", "acme-shelf", "acme_shelf", source=source)
    desk = desk_of(tmp_path, {"t.csv": "input,output\nshelf://mine/in,./out/\n"})
    for command in (("ls", "shelf://mine/in"), ("plan", "t.csv", "--", "true")):
        said = desk(*command, exit_code=70, PYTHONPATH=str(site)).stderr
        assert f"a bug of the plugin acme-shelf 1.0 (acme-shelf): {words}" in said
        kept = re.search(r"\(traceback in (\S+); --debug shows it\)", said)
        assert kept is not None
        assert "Traceback" in Path(kept[1]).read_text()
