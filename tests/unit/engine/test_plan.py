"""Plan, on files: what runs, what is skipped, what is refused and how that is said."""

from __future__ import annotations

import itertools
import logging
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.file import anystore_doe_storages
from anystore_doe.contract import Place, Storage, StorageContext, Watch
from anystore_doe.engine import history, records
from anystore_doe.engine.fingerprint import identities
from anystore_doe.engine.pinning import Pinner
from anystore_doe.engine.plan import Plan, make_plan
from anystore_doe.errors import AccessDeniedError, PlanError, StorageError
from anystore_doe.model import AttemptRecord, Commit, FileRecord, ObjectInfo, Recipe, Run, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NO_ARCHIVES = type("NoArchives", (), {"for_name": lambda self, name: None, "by_content": lambda self, head: None})()


class Denying(Storage):
    """Says one error to everything."""

    def __init__(self, url: str, error: StorageError) -> None:
        self.url, self._error = url, error

    def stat(self, key: str) -> ObjectInfo:
        raise self._error

    def fetch(self, key: str, dest: Path, *, pin: str | None = None, watch: Watch) -> ObjectInfo:
        raise self._error


@dataclass
class World:
    """Rows over files, and ``denied://`` and ``down://`` beside them."""

    folder: Path
    requests: Iterator[int] = field(default_factory=itertools.count)

    def open(self, url: str) -> Place:
        scheme, _, rest = url.partition("://")
        if scheme == "denied":
            denied = AccessDeniedError("stat", url).answered("AccessDenied", f"r{next(self.requests)}")
            return Place(storage=Denying(url, denied), key=rest)
        if scheme == "down":
            return Place(storage=Denying(url, StorageError("stat", url, "no answer", retryable=True)), key=rest)
        (entry,) = anystore_doe_storages()
        root, key = entry.split(url)
        storage = entry.open(root, entry.options(), StorageContext(logger=logging.getLogger("test")))
        return Place(storage=storage, key=key.rstrip("/"))

    def row(self, number: int, source: str = "case.in", **values: str) -> Run:
        if "://" not in source:
            (self.folder / "input").mkdir(exist_ok=True)
            (self.folder / "input" / source).write_text(source)
            source = f"file://{self.folder}/input/{source}"
        return Run(
            run_id=f"{number:04}",
            row=number,
            line=number + 1,
            values=values,
            inputs=(source,),
            output=f"file://{self.folder}/output/{number}",
        )

    def sweep(self, *runs: Run) -> Sweep:
        return Sweep(name="s", table="runs.csv", runs=runs, recipe=Recipe(command=("true",)))

    def plan(self, *runs: Run, **more: bool) -> Plan:
        return make_plan(self.sweep(*runs), open_storage=self.open, archives=NO_ARCHIVES, **more)

    def commit(self, run: Run, **values: str) -> Place:
        """Commit ``run`` as a worker would."""
        (row,) = self.plan(run).rows
        assert row.ordered is not None
        place = self.open(run.output)
        pinner = Pinner(Recipe(command=()), open_storage=self.open, archives=NO_ARCHIVES)
        found = row.ordered.inputs[0].objects[0]
        made = Commit(
            run_id=run.run_id,
            nonce="n",
            attempt=1,
            fingerprint=row.ordered.definition_digest,
            values=values or run.values,
            inputs=identities(row.ordered.inputs, {found.url: pinner.digest(found) or ""}),
            record_digest="",
            files=0,
            bytes_in=0,
            bytes_out=0,
            exit_code=0,
            committed_at=time.time(),
        )
        history.write_commit(place, made, durable=False)
        return place


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_fresh_row_runs_with_its_pinned_input(world: World) -> None:
    (row,) = world.plan(world.row(1)).rows
    assert (row.action, row.reason, row.bytes_in) == ("run", "", 7)
    assert row.ordered is not None
    assert not row.ordered.earlier
    assert row.ordered.inputs[0].objects[0].pin


def test_a_committed_row_is_skipped(world: World) -> None:
    run = world.row(1, rpm="1500")
    world.commit(run)
    assert world.plan(run).rows[0].action == "skip"


def test_a_changed_value_is_refused_by_name_and_run_again_with_overwrite(world: World) -> None:
    world.commit(world.row(1, rpm="1500"))
    now = world.row(1, rpm="1600")
    (refused,) = world.plan(now).rows
    assert refused.action == "refuse"
    assert "rpm 1500 -> 1600" in refused.reason
    (again,) = world.plan(now, overwrite=True).rows
    assert again.action == "run"
    assert again.ordered is not None
    assert again.ordered.replace


def test_labels_are_no_change(world: World) -> None:
    world.commit(world.row(1, rpm="1500", description="first"))
    assert world.plan(world.row(1, rpm="1500", description="other words")).rows[0].action == "skip"


def test_the_same_bytes_written_again_are_no_change_and_others_are(world: World, tmp_path: Path) -> None:
    run = world.row(1)
    world.commit(run)
    file = tmp_path / "input/case.in"
    shutil.copy(file, tmp_path / "copy")
    (tmp_path / "copy").rename(file)
    assert world.plan(run).rows[0].action == "skip"
    file.write_text("CASE.IN")
    (row,) = world.plan(run).rows
    assert row.action == "refuse"
    assert "case.in has changed" in row.reason


def test_foreign_objects_refuse_and_leftovers_do_not(world: World, tmp_path: Path) -> None:
    run = world.row(1)
    place = world.open(run.output)
    files = (FileRecord(path="thermo.out", size=1, checksum="sha256:0"),)
    record = AttemptRecord(run_id="0001", attempt=1, nonce="n", state="pushing", host="h", started_at=0.0, files=files)
    history.write_attempt(place, record, first=True)
    (tmp_path / "output/1/thermo.out").write_text("x")
    (row,) = world.plan(run).rows
    assert (row.action, row.reason) == ("run", "attempt 1 was interrupted")
    assert row.ordered is not None
    assert row.ordered.earlier
    (tmp_path / "output/1/precious.dat").write_text("x")
    (row,) = world.plan(run).rows
    assert row.action == "refuse"
    assert "1 object(s) that are not ours: precious.dat" in row.reason
    assert world.plan(run, allow_foreign=True).rows[0].action == "run"


def test_every_bad_row_is_named_and_nothing_starts(world: World, tmp_path: Path) -> None:
    missing = f"file://{tmp_path}/input/none.zip"
    plan = world.plan(world.row(1), world.row(2, missing), world.row(3, missing), world.row(4, "denied://b/x"))
    with pytest.raises(PlanError) as caught:
        plan.refuse()
    assert caught.value.exit_code == 3
    assert "3 of 4 rows" in caught.value.message
    assert "rows 2-3: " in caught.value.message
    assert "line 5 (run 0004): stat denied://b/x: access denied" in caught.value.message


def test_rows_that_differ_in_the_servers_name_of_the_request_only_are_told_together(world: World) -> None:
    plan = world.plan(world.row(1, "denied://b/x"), world.row(2, "denied://b/x"))
    with pytest.raises(PlanError) as caught:
        plan.refuse()
    assert "rows 1-2: stat denied://b/x: access denied (AccessDenied, request r0)" in caught.value.message


def test_only_permission_findings_end_with_4(world: World) -> None:
    with pytest.raises(PlanError) as caught:
        world.plan(world.row(1), world.row(2, "denied://b/x")).refuse()
    assert caught.value.exit_code == 4
    assert PlanError("x").exit_code == 3


def test_a_store_that_does_not_answer_is_no_finding_about_a_row(world: World) -> None:
    with pytest.raises(StorageError, match="no answer"):
        world.plan(world.row(1, "down://b/x"))


def test_an_input_that_serves_all_rows_is_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = Pinner._look

    def counted(self: Pinner, url: str) -> object:
        looks.append(url)
        return real(self, url)

    monkeypatch.setattr(Pinner, "_look", counted)
    world.plan(*(world.row(n) for n in range(1, 20)))
    assert len(looks) == 1


def test_a_tree_is_pinned_object_by_object(world: World, tmp_path: Path) -> None:
    for name in ("a.in", "sub/b.in"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    (row,) = world.plan(world.row(1, f"file://{tmp_path}/tree/")).rows
    assert row.ordered is not None
    assert [found.path for found in row.ordered.inputs[0].objects] == ["a.in", "sub/b.in"]
    assert row.bytes_in == 4 + 8


def test_a_commit_of_a_newer_schema_stops_the_plan(world: World) -> None:
    run = world.row(1)
    place = world.open(run.output)
    place.storage.push(b'{"schema": 2}', place.at(records.COMMIT), watch=Watch())
    with pytest.raises(Exception, match="schema 2") as caught:
        world.plan(run)
    assert getattr(caught.value, "exit_code", None) == 9
