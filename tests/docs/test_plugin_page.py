"""The plugin of the how-to page: installed from the page's blocks, held to the contract by the page's own test."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from docs_pages import DOCS, blocks_of

pytestmark = pytest.mark.timeout(300)

PAGE = DOCS / "how-to/storage-plugin.md"
FILE = re.compile(r"# (\S+\.(?:py|toml))\n")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Write the files that the page shows, with the metadata that installing them would leave."""
    folder = tmp_path_factory.mktemp("plugin")
    for block in blocks_of(PAGE):
        if match := FILE.match(block.text):
            file = folder / match[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    metadata = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    ((group, points),) = project["entry-points"].items()
    (metadata / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in points.items()))
    return folder


def run(package: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(package / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=environ, text=True, capture_output=True, check=False
    )


def test_it_keeps_the_contract_as_the_page_tests_it(package):
    done = run(package, "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=package)
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 100, "the page says how many tests there are"


def test_it_is_found_by_its_entry_point_and_a_sweep_runs_on_it(package, tmp_path):
    listed = run(package, "anystore_doe.cli", "plugins", cwd=tmp_path)
    assert re.search(r"sqlite +anystore-doe-sqlite +0.1.0 +Objects in SQLite databases", listed.stdout)
    (tmp_path / "hello.txt").write_text("hello\n")
    (tmp_path / "table.csv").write_text("who\nyou\nme\n")
    store = f"sqlite://{tmp_path}/store.db"
    copied = run(package, "anystore_doe.cli", "cp", "hello.txt", f"{store}/input/", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    sweep = ["run", "table.csv", "-i", f"{store}/input/hello.txt", "-o", f"{store}/output/", "--slots", "1"]
    done = run(
        package, "anystore_doe.cli", *sweep, "--", "bash", "-c", 'cat hello.txt > "hello-$who.txt"', cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "2 committed" in done.stdout
    found = run(package, "anystore_doe.cli", "ls", f"{store}/output/", cwd=tmp_path)
    assert {"0001/hello-you.txt", "0002/hello-me.txt"} <= set(found.stdout.split())
