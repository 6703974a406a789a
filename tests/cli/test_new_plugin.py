"""``plugins new``: what it writes, and what it refuses."""

import os
import re
import subprocess
import sys

import pytest
from docs_pages import ROOT

HELLO = ROOT / "examples/hello-plugin"


def call(folder, *arguments, **environ):
    words = [sys.executable, "-m", "anystore_doe.cli", "plugins", "new", *arguments]
    env = {**os.environ, **environ}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_it_tells_every_file_that_it_wrote_and_what_to_do_next(tmp_path):
    done = call(tmp_path, "hello")
    assert done.returncode == 0, done.stderr
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert set(done.stdout.splitlines()) == there
    assert done.stderr == "Next:  cd anystore-doe-hello && pip install -e '.[test]' && pytest\n"


def test_hello_is_the_beginning_of_the_example(tmp_path):
    assert call(tmp_path, "hello", "x").returncode == 0
    begun = 0
    for file in (tmp_path / "x").rglob("*"):
        name = str(file.relative_to(tmp_path / "x"))
        if file.is_file() and name not in {"README.md", "src/anystore_doe_hello/__init__.py"}:
            assert file.read_text() == (HELLO / name).read_text(), name
            begun += 1
    assert begun == 6
    first = (tmp_path / "x/src/anystore_doe_hello/__init__.py").read_text().partition("@dataclass")[2]
    assert first in (HELLO / "src/anystore_doe_hello/__init__.py").read_text()


def test_no_mark_is_left_and_no_name_but_the_given_ones(tmp_path):
    assert call(tmp_path, "anystore-doe-my-store2", "--scheme", "acme+x.1", "far/below").returncode == 0
    folder = tmp_path / "far/below"
    for file in filter(os.path.isfile, folder.rglob("*")):
        assert not re.search(r"\{\{|\}\}|hello", file.read_text(), re.IGNORECASE), file
        if file.suffix == ".py":
            compile(file.read_text(), str(file), "exec")
    assert 'name = "anystore-doe-my-store2"' in (folder / "pyproject.toml").read_text()
    init = (folder / "src/anystore_doe_my_store2/__init__.py").read_text()
    for text in ('schemes=("acme+x.1",)', "class MyStore2Options", 'env="MY_STORE2_FOLDER"', "def open_my_store2("):
        assert text in init


def test_lines_stay_below_the_length_of_the_house_for_a_name_of_usual_length(tmp_path):
    assert call(tmp_path, "my-own-store", "x").returncode == 0
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=120", "--select=E,F,W,B,UP,SIM", "x"]
    checked = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Hello"], "'Hello' is no name for a package"),
        (["a--b"], "'a--b' is no name for a package"),
        (["../x"], "'../x' is no name for a package"),
        (["1st"], "'1st' is no name for a package"),
        (["x", "--scheme", "A B"], "'A B' is no scheme"),
        (["x", "--scheme", ""], "'' is no scheme"),
        (["x", "--scheme", "file"], "file:// is served by anystore-doe 0.1.0 (file)"),
        (["x", "--scheme", "gs"], "gs:// is served by anystore-doe-gcs"),
        (["s3", "--scheme", "x"], "there is a package anystore-doe-s3 already"),
        (["hello", "full"], "full is there already, and is no empty folder"),
        (["hello", "full/a"], "full/a is there already, and is no empty folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_is_refused_with_a_hint_and_nothing_is_written(tmp_path, arguments, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").write_text("mine")
    done = call(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Hint:  anystore-doe plugins new " in done.stderr
    assert [p.name for p in tmp_path.rglob("*")] == ["full", "a"]


def test_a_folder_that_can_not_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    done = call(tmp_path, "hello", "file/below")
    assert (done.returncode, done.stderr.count("Traceback")) == (8, 0), done.stderr
    assert "can not write file/below" in done.stderr


def test_listing_goes_on_to_be_what_plugins_alone_does(tmp_path):
    words = [sys.executable, "-m", "anystore_doe.cli", "plugins"]
    assert "KIND" in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    unknown = subprocess.run([*words, "nwe"], capture_output=True, text=True, check=False)
    assert (unknown.returncode, "No such command" in unknown.stderr) == (2, True)
