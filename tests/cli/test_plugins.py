"""``plugins``, with third-party distributions that are found as installed ones are."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")
GOOD = """
from anystore_doe.contract import StorageEntry, hookimpl

def _open(url, options, context):
    raise AssertionError(f"opened {url}")

@hookimpl
def anystore_doe_storages():
    return [StorageEntry(schemes=("s3", "toy"), open=_open, summary="for tests")]
"""


@pytest.fixture
def site(tmp_path):
    """A folder on the path that distributions can be put into; returns what puts one there."""
    folder = tmp_path / "site"
    folder.mkdir()

    def put(distribution: str, module: str, source: str) -> None:
        (folder / f"{module}.py").write_text(source)
        info = folder / f"{distribution.replace('-', '_')}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[anystore_doe]\n{module} = {module}\n")

    put.path = str(folder)
    return put


def call(site, *arguments, **environ):
    environ = {**os.environ, "PYTHONPATH": site.path, **environ}
    return subprocess.run([*PROGRAM, *arguments], env=environ, capture_output=True, text=True, check=False)


def rows(site, **environ):
    document = json.loads(call(site, "plugins", "--json", **environ).stdout)
    assert document["schema"] == 1
    return {(row["kind"], row["name"]): row for row in document["plugins"]}


def test_a_third_party_plugin_is_found_and_listed_beside_ours(site):
    site("other-doe", "other_doe", GOOD)
    found = rows(site)
    assert (found["storage", "s3 toy"]["distribution"], found["storage", "s3 toy"]["version"]) == ("other-doe", "2.5")
    assert {("storage", "file"), ("executor", "local"), ("archive", ".zip")} <= set(found)
    text = call(site, "plugins").stdout
    assert any(line.split()[:5] == ["storage", "s3", "toy", "other-doe", "2.5"] for line in text.splitlines())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_library_here", "ModuleNotFoundError: No module named 'no_such_library_here'"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("x = ", "SyntaxError"),
        (GOOD.replace("doe_storages", "doe_storage"), "PluginValidationError"),
        (
            GOOD.replace("    return [", "    yield 1\n    yield from ["),
            "PluginError: anystore_doe_storages offered a int",
        ),
    ],
)
def test_a_broken_plugin_is_noted_and_everything_else_works(site, tmp_path, source, said):
    site("torn", "torn_plugin", source)
    assert said in rows(site)["broken", "torn_plugin"]["summary"]
    done = call(site, "ls", str(tmp_path))
    assert (done.returncode, "torn_plugin.py" in done.stdout) == (0, True), done.stderr
    assert rows(site, ANYSTORE_DOE_BLOCK_PLUGINS="torn")["blocked", "torn_plugin"]["distribution"] == "torn"


def test_a_missing_scheme_points_at_the_broken_plugin(site):
    site("torn", "torn_plugin", "import no_such_library_here")
    done = call(site, "ls", "toy://b/x")
    assert (done.returncode, "says why these are broken: torn_plugin" in done.stderr) == (3, True), done.stderr


def test_a_clash_names_both_and_is_settled_by_the_settings_or_the_block_list(site, tmp_path):
    pytest.importorskip("anystore_doe_s3")
    site("other-doe", "other_doe", GOOD)
    done = call(site, "ls", "s3://b/x")
    assert done.returncode == 3
    assert "s3:// is offered by anystore-doe-s3 0.1.0 (s3) and other-doe 2.5 (other_doe)" in done.stderr
    (tmp_path / "c.toml").write_text('[storage."s3://b"]\nplugin = "other-doe"\n')
    assert "AssertionError" in call(site, "ls", "s3://b/x", "-c", str(tmp_path / "c.toml"), "--debug").stderr
    assert "AssertionError" in call(site, "ls", "toy://b/x", "--debug").stderr
    blocked = call(site, "ls", "s3://b/x", "--debug", ANYSTORE_DOE_BLOCK_PLUGINS="anystore-doe-s3")
    assert "AssertionError" in blocked.stderr
