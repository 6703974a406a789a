"""What ``walk`` and ``read`` promise."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from anystore_doe.errors import AnystoreDoeError, InputChangedError, ObjectNotFoundError
from anystore_doe.testing.racing import rounds, stumbling, switching_often
from anystore_doe.testing.storage_box import StorageSuite, together
from anystore_doe.testing.suite import must_raise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.testing.storage_box import Box

VANISHING = [f"run/{number % 3}/{number:02}" for number in range(18)]
STAYING = ["run/0/stays", "run/9/stays"]
VANISHED = "leave out what was deleted while it was listed, and its folder too"
PINNED = "with a pin, give bytes of exactly that version or this error; else say pinned_reads=False"


class WalkTests(StorageSuite):
    """``walk``: flat, literal, never cached."""

    def test_walk_is_flat_and_tells_what_stat_tells(self, box: Box) -> None:
        self.needs(box, "list")
        stats = {info.key: info for info in (box.put(name, name.encode()) for name in ("a", "b/c", "b/d/e"))}
        walked = {info.key: info for info in box.storage.walk(box.key())}
        assert sorted(walked) == sorted(stats)
        assert {key: (i.size, i.pin) for key, i in walked.items()} == {k: (i.size, i.pin) for k, i in stats.items()}

    def test_walk_yields_only_what_lies_below_the_prefix(self, box: Box) -> None:
        self.needs(box, "list")
        for name in ("run/a", "run/b/c", "run1/a", "run.txt", "other"):
            box.put(name)
        assert box.names("run") == ["run/a", "run/b/c"], "what lies below run begins with run/"
        assert box.names("run.txt") == []

    def test_a_prefix_that_holds_nothing_yields_nothing(self, box: Box) -> None:
        self.needs(box, "list")
        assert box.names("no/such/prefix") == []

    def test_walk_sees_new_and_removed_objects_at_once(self, box: Box) -> None:
        self.needs(box, "list")
        box.put("a")
        assert box.names() == ["a"]
        box.put("b")
        assert box.names() == ["a", "b"]
        box.drop("a")
        assert box.names() == ["b"]
        box.drop("b")
        assert box.names() == []

    def test_walk_yields_a_console_marker_under_its_key(self, box: Box) -> None:
        self.needs(box, "list")
        box.put("run/a")
        try:
            box.seed(box.place, box.key("run/"), b"")
        except AnystoreDoeError:
            pytest.skip("this store has no object whose key ends in /")
        sizes = {info.key: info.size for info in box.storage.walk(box.key("run"))}
        assert sizes == {box.key("run/"): 0, box.key("run/a"): len(b"some bytes")}

    def test_walk_yields_each_of_many_objects_once(self, box: Box) -> None:
        self.needs(box, "list")
        names = sorted(f"m/{number:05}" for number in range(self.many))
        for start in range(0, len(names), 16):
            together(*(partial(box.seed, box.place, box.key(name), b"x") for name in names[start : start + 16]))
        found = box.names("m")
        assert (len(found), len(set(found))) == (self.many, self.many), "read every page of a listing, each once"
        assert found == names

    def test_threads_walk_at_once(self, box: Box) -> None:
        self.needs(box, "list")
        for number in range(4):
            box.put(f"t{number}/a")
        walks = together(*(partial(box.names, f"t{number}") for number in range(4)))
        assert walks == [[f"t{number}/a"] for number in range(4)]

    def test_walk_goes_on_when_what_it_listed_is_deleted(self, box: Box) -> None:
        self.needs(box, "list")
        self._fill(box)
        with self._no_error():
            walk = box.storage.walk(box.key("run"))
            found = [next(walk).key]
            for name in VANISHING:
                box.drop(name)
            found += [info.key for info in walk]
        self._plausible(box, found)

    def test_walk_goes_on_while_another_thread_deletes(self, box: Box) -> None:
        self.needs(box, "list")
        for _ in rounds(least=1, most=20):
            self._fill(box)
            ended = threading.Event()
            with switching_often():
                together(partial(self._delete, box, ended), partial(self._look, box, ended))
            assert box.names("run") == STAYING

    @staticmethod
    def _fill(box: Box) -> None:
        names = VANISHING + STAYING
        for start in range(0, len(names), 10):
            together(*(partial(box.seed, box.place, box.key(name), b"x") for name in names[start : start + 10]))

    @staticmethod
    def _delete(box: Box, ended: threading.Event) -> None:
        try:
            with stumbling("delete"):
                for name in VANISHING:
                    box.drop(name)
        finally:
            ended.set()

    def _look(self, box: Box, ended: threading.Event) -> None:
        while not ended.is_set():
            with self._no_error(), stumbling("look"):
                found = [info.key for info in box.storage.walk(box.key("run"))]
            self._plausible(box, found)

    @staticmethod
    @contextlib.contextmanager
    def _no_error() -> Iterator[None]:
        try:
            yield
        except Exception as error:
            msg = f"walk raised {type(error).__name__} because an object vanished: {VANISHED}"
            raise AssertionError(msg) from error

    @staticmethod
    def _plausible(box: Box, found: list[str]) -> None:
        assert len(found) == len(set(found)), "walk yielded an object twice"
        assert set(found) <= {box.key(name) for name in VANISHING + STAYING}, "walk yielded what was never there"
        assert set(found) >= {box.key(name) for name in STAYING}, "walk lost objects that nobody touched"


DATA = b"0123456789"


class RangeTests(StorageSuite):
    """``read``: the bytes asked for, of the version asked for."""

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            *[(0, None), (0, 4), (3, 7), (5, 5), (9, None), (-4, None), (-10, None), (2, 100)],
            *[(10, None), (15, 20), (-100, None), (-4, 8), (0, 0)],
        ],
    )
    def test_read_returns_exactly_the_range(self, box: Box, start: int, end: int | None) -> None:
        self.needs(box, "ranges")
        box.put("a", DATA)
        assert box.storage.read(box.key("a"), start, end) == DATA[start:end]

    def test_read_without_a_range_returns_all(self, box: Box) -> None:
        self.needs(box, "ranges")
        box.put("a", DATA)
        box.put("empty", b"")
        assert box.storage.read(box.key("a")) == DATA
        assert box.storage.read(box.key("empty")) == b""
        assert box.storage.read(box.key("empty"), -5) == b""

    def test_read_of_what_is_not_there_is_not_found(self, box: Box) -> None:
        self.needs(box, "ranges")
        for start, end in ((0, None), (-3, None), (2, 5)):
            with must_raise(ObjectNotFoundError, rule="what is not there is an ObjectNotFoundError"):
                box.storage.read(box.key("no/such"), start, end)

    def test_read_refuses_another_version_than_the_pinned_one(self, box: Box) -> None:
        self.needs(box, "ranges", "pinned_reads")
        pin = self.pinned(box.put("a", DATA))
        assert box.storage.read(box.key("a"), 2, 4, pin=pin) == b"23"
        box.put("a", b"9876543210")
        for start, end in ((2, 4), (-4, None), (0, None)):
            with must_raise(InputChangedError, rule=PINNED):
                box.storage.read(box.key("a"), start, end, pin=pin)
