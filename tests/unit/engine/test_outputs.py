"""What counts as an output, and how it gets to the store."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.file import anystore_doe_storages
from anystore_doe.contract import Place, StorageContext, Watch
from anystore_doe.engine.outputs import find_outputs, missing_required, planned_files, push_outputs, snapshot
from anystore_doe.errors import ObjectExistsError, RunError
from anystore_doe.model import InputFile, Recipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "case.in").write_text("in")
    (folder / "sub/same").write_text("same")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (entry,) = anystore_doe_storages()
    root, key = entry.split(str(tmp_path / "out"))
    return Place(storage=entry.open(root, entry.options(), StorageContext(logger=logging.getLogger("test"))), key=key)


def recipe(**more: object) -> Recipe:
    return Recipe(command=("true",), **more)  # type: ignore[arg-type]


def test_new_and_changed_files_are_outputs_and_unchanged_inputs_are_not(work: Path) -> None:
    before = snapshot(work)
    (work / "case.in").write_text("changed by the solver")
    (work / "sub/new").write_text("")
    assert find_outputs(work, before, recipe()).files == ("case.in", "sub/new")


def test_a_file_rewritten_with_its_old_size_and_time_is_an_output(work: Path) -> None:
    before = snapshot(work)
    status = (work / "case.in").stat()
    (work / "case.in").write_text("IN")
    os.utime(work / "case.in", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert find_outputs(work, before, recipe()).files == ("case.in",)


def test_globs_narrow_and_push_inputs_adds(work: Path) -> None:
    before = snapshot(work)
    (work / "a.out").write_text("x")
    (work / "b.log").write_text("x")
    assert find_outputs(work, before, recipe(outputs=("*.out",))).files == ("a.out",)
    assert find_outputs(work, before, recipe(push_inputs=True)).files == ("a.out", "b.log", "case.in", "sub/same")


def test_links_and_fifos_are_named_and_never_followed(work: Path, tmp_path: Path) -> None:
    before = snapshot(work)
    secret = tmp_path / "secret"
    secret.write_text("key")
    (work / "link").symlink_to(secret)
    (work / "folder").symlink_to(tmp_path)
    os.mkfifo(work / "fifo")
    outputs = find_outputs(work, before, recipe())
    assert outputs.files == ()
    assert outputs.links == ("fifo", "folder", "link")


def test_a_private_input_file_is_never_an_output(work: Path) -> None:
    before = snapshot(work)
    (work / "config").write_text("key")
    given = InputFile(name="config", content_b64="", private=True)
    assert find_outputs(work, before, recipe(input_files=(given,), push_inputs=True)).files == ("case.in", "sub/same")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", os.fsdecode(b"\xff")])
def test_a_name_that_can_not_be_a_key_fails_the_run(work: Path, name: str) -> None:
    before = snapshot(work)
    (work / name).write_text("x")
    with pytest.raises(RunError, match="can not be a key"):
        find_outputs(work, before, recipe())


def test_our_own_folder_is_not_for_solvers(work: Path) -> None:
    before = snapshot(work)
    (work / "_anystore").mkdir()
    (work / "_anystore/commit.json").write_text("{}")
    with pytest.raises(RunError, match="is ours"):
        find_outputs(work, before, recipe())


def test_required_globs_that_match_nothing_are_named(work: Path) -> None:
    assert missing_required(work, ["*.in", "thermo.out", "sub/*"]) == ["thermo.out"]


def test_outputs_are_pushed_whole_and_create_only(work: Path, place: Place, tmp_path: Path) -> None:
    files = planned_files(work, ["case.in", "sub/same"])
    push_outputs(files, work, place, occupied=(), durable=True, watch=Watch())
    assert (tmp_path / "out/sub/same").read_text() == "same"
    with pytest.raises(ObjectExistsError):
        push_outputs(files, work, place, occupied=(), durable=True, watch=Watch())
    (work / "case.in").write_text("more")
    again = planned_files(work, ["case.in"])
    push_outputs(again, work, place, occupied=("case.in",), durable=True, watch=Watch())
    assert (tmp_path / "out/case.in").read_text() == "more"
