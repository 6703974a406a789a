"""A third party's plugin, from its wheel beside our wheel, in an environment that holds nothing else."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from clean_room import HELLO, build_wheels, make_clean_room, need_registry, our_wheel

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Build our wheel and the third party's."""
    need_registry(tmp_path_factory.mktemp("asked"))
    dist = our_wheel(tmp_path_factory.getbasetemp())
    build_wheels(dist, HELLO)
    return dist


@pytest.fixture(scope="module")
def room(dist, tmp_path_factory):
    room = make_clean_room(tmp_path_factory.mktemp("clean") / "venv")
    room.install(dist, "anystore-doe==0.1.0", "anystore-doe-hello[test]==0.1.0")
    return room


@pytest.fixture(scope="module")
def new(room, dist, tmp_path_factory):
    """Have a plugin written, build it, install it; return its folder."""
    folder = tmp_path_factory.mktemp("new")
    room.must("anystore-doe", "plugins", "new", "my-store", "--scheme", "acme+x", "plug in", cwd=folder)
    build_wheels(dist, folder / "plug in")
    room.install(dist, "anystore-doe-my-store[test]==0.1.0")
    return folder / "plug in"


@pytest.fixture(scope="module")
def passed(room, new, tmp_path_factory):
    """Run the tests of both plugins, taken out of their projects, at once; return how many passed."""
    folders = [tmp_path_factory.mktemp("kit") for _ in (HELLO, new)]
    for project, folder in zip((HELLO, new), folders, strict=True):
        shutil.copytree(project / "tests", folder / "tests")
        shutil.copy(project / "pyproject.toml", folder)
    words = ("pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda folder: room.must(*words, cwd=folder), folders))
    return [int(re.findall(r"(\d+) passed", text)[0]) for text in texts]


def test_what_is_tested_comes_from_the_wheels(room, tmp_path):
    code = "import anystore_doe, anystore_doe_hello; print(anystore_doe.__file__, anystore_doe_hello.__file__)"
    for file in room.must("python", "-c", code, cwd=tmp_path).split():
        assert file.startswith(f"{room.folder}/lib/")
    listed = room.must("anystore-doe", "plugins", cwd=tmp_path)
    for kind, name in (("storage", "hello"), ("executor", "hello"), ("archive", ".hello")):
        assert re.search(rf"^{kind} +{re.escape(name)} +anystore-doe-hello +0.1.0 ", listed, re.MULTILINE)
    assert "broken" not in listed


def test_it_keeps_every_contract(passed):
    assert passed[0] > 200


def test_what_plugins_new_wrote_passes_the_kit_as_it_is(passed):
    assert passed[1] > 130


def test_its_author_sees_what_the_kit_compared(room, tmp_path):
    test = (HELLO / "tests/test_storage.py").read_text(encoding="utf-8")
    wrong = "storage.stat = lambda key: dataclasses.replace(type(storage).stat(storage, key), size=4711)\n        yield"
    (tmp_path / "test_wrong.py").write_text("import dataclasses\n\n" + test.replace("yield", wrong))
    done = room.run("pytest", "-q", "-p", "no:cacheprovider", "-k", "test_stat_tells_key_and_size", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"assert \('kit/\S+', 4711\) == \('kit/\S+', 5\)", done.stdout), done.stdout


SWEEP = """
table = "table.csv"
input = "hello://one/input/case.hello"
output = "hello://two/output/${who}/"
command = ["bash", "-c", 'test -x say.sh && ./say.sh "$who" > said.txt']

[slots]
count = 2

[executor]
name = "hello"
workers = 2

[storage."hello://"]
folder = "FOLDER"
"""
PACK = """
from pathlib import Path
from anystore_doe_hello.archive import HelloArchive
HelloArchive().pack(Path("case"), Path("case.hello"))
"""


def test_a_sweep_runs_on_its_urls_its_archives_and_its_executor(room, tmp_path):
    (tmp_path / "case").mkdir()
    (tmp_path / "case/say.sh").write_text("#!/bin/sh\necho hello, $1\n")
    (tmp_path / "case/say.sh").chmod(0o755)
    (tmp_path / "sweep.toml").write_text(SWEEP.replace("FOLDER", str(tmp_path / "stores")))
    (tmp_path / "table.csv").write_text("who\nyou\nme\nthem\n")
    room.must("python", "-c", PACK, cwd=tmp_path)
    room.must("anystore-doe", "cp", "case.hello", "hello://one/input/", cwd=tmp_path)
    said = room.must("anystore-doe", "run", cwd=tmp_path)
    assert "3 committed" in said
    assert len(list((tmp_path / ".anystore-doe/table/workers").glob("*.log"))) == 2, "two workers of its executor"
    there = room.must("anystore-doe", "ls", "hello://two/output/", cwd=tmp_path)
    assert {f"{who}/said.txt" for who in ("you", "me", "them")} <= set(there.split())
    room.must("anystore-doe", "cp", "hello://two/output/me/said.txt", "here/", cwd=tmp_path)
    assert (tmp_path / "here/said.txt").read_text() == "hello, me\n"
    assert "3 done before" in room.must("anystore-doe", "run", cwd=tmp_path)
    assert len(list((tmp_path / ".anystore-doe/table/workers").glob("*.log"))) == 2, "nothing was left to do"


def test_what_plugins_new_wrote_serves_its_scheme(room, new, tmp_path):
    listed = room.must("anystore-doe", "plugins", cwd=tmp_path)
    assert re.search(r"^storage +acme\+x +anystore-doe-my-store +0.1.0 ", listed, re.MULTILINE)
    (tmp_path / "a.txt").write_text("a\n")
    stores = str(tmp_path / "stores")
    room.must("anystore-doe", "cp", "a.txt", "acme+x://b/c/", cwd=tmp_path, MY_STORE_FOLDER=stores)
    assert "c/a.txt" in room.must("anystore-doe", "ls", "acme+x://b/", cwd=tmp_path, MY_STORE_FOLDER=stores)


def test_it_uses_the_public_door_only():
    doors = {"anystore_doe.contract", "anystore_doe.model", "anystore_doe.errors"}
    for file in HELLO.rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (anystore_doe[\w.]*)", file.read_text(encoding="utf-8"), re.MULTILINE)
        foreign = {name for name in found if not name.startswith("anystore_doe_hello")}
        assert foreign <= doors | ({"anystore_doe.testing"} if file.parent.name == "tests" else set()), file
