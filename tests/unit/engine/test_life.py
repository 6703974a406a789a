"""Failures on a run's way: each is told, its claim is released, and the runs after it are begun."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Place, Watch
from anystore_doe.engine.crew import Surroundings
from anystore_doe.engine.worker import live_order
from anystore_doe.errors import AccessDeniedError, LocalResourceError, PluginError, StorageError
from anystore_doe.model import OrderedRun, Recipe, Resources, Run, RunEvent, WorkOrder
from anystore_doe.testing.memory import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anystore_doe.model import ObjectInfo

NO_ARCHIVES = type("NoArchives", (), {"for_name": lambda self, name: None, "by_content": lambda self, head: None})()


@dataclass
class Store(MemoryStorage):
    """A store in memory; ``before(verb, key)`` and ``after(verb, key)`` may raise or write."""

    before: Callable[[str, str], None] = lambda _verb, _key: None
    after: Callable[[str, str], None] = lambda _verb, _key: None

    def __post_init__(self) -> None:
        super().__init__()

    def push(self, source: Path | bytes, key: str, **more: object) -> ObjectInfo:
        self.before("push", key)
        info = super().push(source, key, **more)  # type: ignore[arg-type]
        self.after("push", key)
        return info

    def delete(self, keys: object) -> None:
        for key in list(keys):  # type: ignore[call-overload]
            self.before("delete", key)
            super().delete([key])

    def text(self, key: str) -> str:
        return self.read(key).decode()

    def put(self, key: str, text: str) -> None:
        super().push(text.encode(), key, watch=Watch())

    def paths(self) -> list[str]:
        return sorted(info.key for info in self.walk())


@dataclass
class Bench:
    """A worker on one store, with one slot unless said otherwise."""

    folder: Path
    store: Store = field(default_factory=Store)
    events: list[RunEvent] = field(default_factory=list)
    slots: int = 1
    lookahead: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    recipe: Recipe = field(default_factory=lambda: Recipe(command=("sh", "-c", "echo ${n} > a.out")))

    def run(self, number: int, **more: object) -> OrderedRun:
        run = Run(
            run_id=str(number), row=number, line=number, values={"n": str(number)}, inputs=(), output=f"m://s/{number}"
        )
        return OrderedRun(run=run, inputs=(), definition_digest="d", **more)  # type: ignore[arg-type]

    def open(self, url: str) -> Place:
        return Place(storage=self.store, key=url.removeprefix("m://s/"))

    def live(self, *runs: OrderedRun, open_storage: Callable[[str], Place] | None = None) -> dict[str, RunEvent]:
        """Live the runs; return the event that ended each."""
        self.events.clear()
        order = WorkOrder(
            order_id="o",
            argv=(),
            sweep="s",
            runs=runs,
            recipe=self.recipe,
            resources=Resources(slots=self.slots, lookahead=self.lookahead),
            stores=(),
            work_root=str(self.folder),
        )
        around = Surroundings(
            open_storage=open_storage or self.open,
            archives=NO_ARCHIVES,
            environ={"PATH": os.environ["PATH"]},
            credential_env=(),
            blank_env={},
            notify=self.events.append,
            logger=logging.getLogger("test-life"),
        )
        live_order(order, self.stop, around)
        return {event.run_id: event for event in self.events if event.state not in {"started", "progress"}}

    def states(self, *runs: OrderedRun) -> dict[str, str]:
        return {run_id: event.state for run_id, event in self.live(*runs).items()}

    def claim(self, number: int) -> str:
        return str(json.loads(self.store.text(f"{number}/_anystore/claim.json"))["state"])

    def record(self, number: int, attempt: int = 1) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.store.text(f"{number}/_anystore/attempts/{attempt}.json"))
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "root")


def failing(verb: str, ending: str, error: Exception, times: int = 10**9) -> Callable[[str, str], None]:
    left = [times]

    def fail(which: str, key: str) -> None:
        if which == verb and key.endswith(ending) and left[0]:
            left[0] -= 1
            raise error

    return fail


DOWN = StorageError("push", "m://s", "no answer", retryable=True)


@pytest.mark.parametrize("ending", ["claim.json", "attempts/1.json", "a.out", "commit.json"])
def test_a_store_that_fails_at_one_step_fails_one_run(bench: Bench, ending: str) -> None:
    bench.store.before = failing("push", f"1/_anystore/{ending}" if ending != "a.out" else "1/a.out", DOWN)
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "failed", "2": "committed"}
    assert "1/_anystore/commit.json" not in bench.store.paths()
    if "claim" not in ending:
        assert bench.claim(1) == "released"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("a bug"), MemoryError()])
def test_what_a_store_should_not_raise_fails_one_run(
    bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench.store.before = failing("push", "1/_anystore/claim.json", error)
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "failed", "2": "committed"}
    assert "bug of ours" in caplog.text


def test_a_store_that_can_not_be_opened_fails_one_run(bench: Bench) -> None:
    def opened(url: str) -> Place:
        if url.endswith("/1"):
            raise PluginError("no such profile")
        return bench.open(url)

    ended = bench.live(bench.run(1), bench.run(2), open_storage=opened)
    assert {run_id: event.state for run_id, event in ended.items()} == {"1": "failed", "2": "committed"}
    assert ended["1"].message == "no such profile"


def test_a_work_folder_that_can_not_be_made_is_recorded(bench: Bench) -> None:
    (bench.folder / "runs").mkdir(parents=True)
    (bench.folder / "runs" / "1.1").write_text("in the way")
    ended = bench.live(bench.run(1), bench.run(2))
    assert {run_id: event.state for run_id, event in ended.items()} == {"1": "failed", "2": "committed"}
    assert bench.record(1)["state"] == "failed"
    assert "1.1" in str(bench.record(1)["reason"])
    assert bench.claim(1) == "released"


def test_a_claim_that_can_not_be_released_is_no_failure(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def committed(_verb: str, key: str) -> None:
        if key.endswith("1/_anystore/commit.json"):
            bench.store.before = failing("push", "1/_anystore/claim.json", LocalResourceError("no more sockets"))

    bench.store.after = committed
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "committed", "2": "committed"}
    assert "could not be released: no more sockets" in caplog.text


def test_a_folder_that_can_not_be_removed_is_no_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("anystore_doe.engine.attempt.shutil.rmtree", refuse)
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "committed", "2": "committed"}
    assert "could not be removed" in caplog.text


def test_folders_that_a_solver_locked_are_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import shutil

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o500)
    tree = shutil.rmtree
    first: list[Path] = []

    def as_a_plain_user(path: Path, *more: object, **named: object) -> None:
        if not first:  # root may do anything: say no once
            first.append(path)
            raise PermissionError(13, "Permission denied", str(path))
        assert all(os.stat(parent).st_mode & 0o700 == 0o700 for parent, _, _ in os.walk(path))  # noqa: PTH116
        tree(path)

    monkeypatch.setattr("anystore_doe.engine.attempt.shutil.rmtree", as_a_plain_user)
    bench.recipe = Recipe(command=("sh", "-c", f"mkdir -p a/b; ln -s {elsewhere} a/link; chmod 500 a/b; chmod 000 a"))
    assert bench.states(bench.run(1)) == {"1": "committed"} or os.geteuid() != 0
    assert not (bench.folder / "runs" / "1.1").exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o500


def test_logs_that_can_not_be_pushed_do_not_hide_the_failure(bench: Bench) -> None:
    bench.store.before = failing("push", ".stdout.log", DOWN)
    bench.recipe = Recipe(command=("sh", "-c", "seq 100000; exit 3"))
    assert bench.states(bench.run(1)) == {"1": "failed"}
    assert bench.record(1)["state"] == "failed"
    assert bench.record(1)["reason"] == "the solver ended with exit code 3"


def test_outputs_of_a_failed_run_that_can_not_be_pushed_do_not_hide_the_failure(bench: Bench) -> None:
    bench.store.before = failing("push", "1/a.out", DOWN)
    bench.recipe = Recipe(command=("sh", "-c", "touch a.out; exit 3"), push_failed=True)
    assert bench.states(bench.run(1)) == {"1": "failed"}
    assert bench.record(1)["state"] == "failed"
    assert bench.record(1)["reason"] == "the solver ended with exit code 3"


def test_a_commit_whose_reply_was_lost_for_good_is_a_commit(bench: Bench) -> None:
    bench.store.after = failing("push", "1/_anystore/commit.json", DOWN)
    assert bench.states(bench.run(1)) == {"1": "committed"}
    assert bench.record(1)["state"] == "done"


def test_a_record_whose_first_reply_was_lost_still_says_how_the_attempt_ended(bench: Bench) -> None:
    bench.store.after = failing("push", "1/_anystore/attempts/1.json", DOWN, times=1)
    assert bench.states(bench.run(1)) == {"1": "failed"}
    assert bench.record(1)["state"] == "failed"


def test_what_is_not_ours_survives_the_attempt_that_met_it_and_the_next(bench: Bench) -> None:
    bench.store.put("1/a.out", "precious")
    assert bench.states(bench.run(1, earlier=True)) == {"1": "failed"}
    assert bench.states(bench.run(1, earlier=True, attempts=1)) == {"1": "failed"}
    assert bench.store.text("1/a.out") == "precious"


def test_what_came_while_a_run_was_solved_survives_the_next_attempt(bench: Bench) -> None:
    def recorded(_verb: str, key: str) -> None:
        if key.endswith("1/_anystore/attempts/1.json") and "1/a.out" not in bench.store.paths():
            bench.store.put("1/a.out", "precious")

    bench.store.after = recorded
    assert bench.states(bench.run(1)) == {"1": "failed"}
    assert bench.states(bench.run(1, earlier=True, attempts=1)) == {"1": "failed"}
    assert bench.store.text("1/a.out") == "precious"


def test_leftovers_of_an_interrupted_push_are_replaced(bench: Bench) -> None:
    bench.recipe = Recipe(command=("sh", "-c", "echo 1 > a.out; echo 2 > b.out"))
    bench.store.before = failing("push", "1/b.out", DOWN, times=1)
    assert bench.states(bench.run(1)) == {"1": "failed"}
    assert "1/a.out" in bench.store.paths()
    assert bench.states(bench.run(1, earlier=True, attempts=1)) == {"1": "committed"}


def test_leftovers_that_may_not_be_deleted_are_written_over(bench: Bench) -> None:
    bench.recipe = Recipe(command=("sh", "-c", "echo 1 > a.out; echo 2 > b.out"))
    bench.store.before = failing("push", "1/b.out", DOWN)
    bench.states(bench.run(1))
    bench.store.before = failing("delete", "", AccessDeniedError("delete", "m://s"))
    assert bench.states(bench.run(1, earlier=True, attempts=1)) == {"1": "committed"}


def test_an_order_that_is_started_twice_overwrites_once(bench: Bench) -> None:
    assert bench.states(bench.run(1)) == {"1": "committed"}
    again = bench.run(1, earlier=True, attempts=1, replace=True)
    assert bench.states(again) == {"1": "committed"}
    assert bench.states(again) == {"1": "skipped"}
    assert bench.record(1, 2)["state"] == "done"


def test_a_number_is_never_used_again(bench: Bench) -> None:
    assert bench.states(bench.run(1)) == {"1": "committed"}
    bench.store.delete(["1/_anystore/attempts/1.json"])
    bench.states(bench.run(1, earlier=True, attempts=1, replace=True))
    assert bench.record(1, 2)["attempt"] == 2


def test_links_are_named(bench: Bench) -> None:
    bench.recipe = Recipe(command=("sh", "-c", "touch a; ln -s a pointer"))
    assert bench.live(bench.run(1))["1"].message == "links and special files are not pushed: pointer"
    assert bench.record(1)["links"] == ["pointer"]


def test_a_removed_work_folder_is_the_runs_own_failure(bench: Bench) -> None:
    bench.recipe = Recipe(command=("sh", "-c", 'rm -rf "$ANYSTORE_DOE_WORK_DIR"'))
    ended = bench.live(bench.run(1))["1"]
    assert (ended.state, ended.error_class) == ("failed", 1)


@pytest.mark.parametrize(("number", "code", "hint"), [(28, 8, "--scratch"), (24, 8, ""), (21, 1, "")])
def test_what_this_machine_says_is_told_with_the_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int, code: int, hint: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))  # as a write says it: without a file name

    monkeypatch.setattr("anystore_doe.engine.life.solve_request", full)
    ended = bench.live(bench.run(1))["1"]
    assert ended.error_class == code
    assert f"{os.strerror(number)}: '{bench.folder}/runs/1.1'" in ended.message
    assert hint in ended.message
    assert bench.record(1)["error_class"] == code


def test_a_worker_that_is_stopped_does_not_wait_for_a_store_that_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("anystore_doe.engine.attempt.LAST_WORD_S", 0.1)
    push, claims = MemoryStorage.push, []

    def gone(self: MemoryStorage, source: Path | bytes, key: str, *, watch: Watch, **more: object) -> ObjectInfo:
        if key.endswith("claim.json"):
            claims.append(key)
            if len(claims) > 1:  # the release: no answer but to the watch
                bench.stop.set()
                while not watch.cancelled:
                    time.sleep(0.01)
        return push(self, source, key, watch=watch, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStorage, "push", gone)
    began = time.monotonic()
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "committed"}
    assert time.monotonic() - began < 30
    assert len(claims) == 3
    assert "the claim could not be released" in caplog.text


def test_a_commit_that_may_be_there_keeps_the_record_it_vouches_for(tmp_path):
    """The commit arrives, its reply and the look after it do not: the record must stay the one the commit knows."""
    bench = Bench(tmp_path)

    def lost(verb: str, key: str) -> None:
        if key.endswith("commit.json"):
            bench.store.before = lambda verb, key: None
            bench.store.unreadable = True
            raise StorageError("push", key, "no answer", retryable=True)

    class Silent(Store):
        unreadable = False

        def read(self, key, *arguments, **more):
            if self.unreadable and key.endswith("commit.json"):
                raise StorageError("read", key, "no answer", retryable=True)
            return super().read(key, *arguments, **more)

    bench.store = Silent(after=lost)
    assert bench.states(bench.run(1)) == {"1": "failed"}
    bench.store.unreadable = False
    body = bench.store.read("1/_anystore/attempts/1.json")
    assert json.loads(body)["state"] == "done"
    assert json.loads(bench.store.text("1/_anystore/commit.json"))["record_digest"] == hashlib.sha256(body).hexdigest()


def test_only_the_newest_failed_attempt_keeps_its_folder(tmp_path):
    bench = Bench(tmp_path, recipe=Recipe(command=("false",)))
    bench.live(bench.run(1))
    bench.live(bench.run(1, attempts=1, earlier=True))
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == ["1.2"]


def test_a_stop_while_a_solved_run_is_measured_lets_it_be_committed(tmp_path):
    bench = Bench(tmp_path)
    bench.recipe = Recipe(command=("true",), metrics=("sh", "-c", r"sleep 0.5; printf 'p_max\t3\n'"))

    class StopsAtMeasure(list):
        def append(self, event: RunEvent) -> None:
            super().append(event)
            if event.step == "measure":
                bench.stop.set()

    bench.events = StopsAtMeasure()
    assert bench.states(bench.run(1), bench.run(2)) == {"1": "committed"}
    assert json.loads(bench.store.text("1/_anystore/commit.json"))["metrics"] == {"p_max": "3"}
