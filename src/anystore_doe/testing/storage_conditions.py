"""What ``create_only``, ``replacing`` and ``delete`` promise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    InputChangedError,
    ObjectExistsError,
    PreconditionFailedError,
    StorageError,
    safe_url,
)
from anystore_doe.testing.racing import rounds, stumbling, switching_often
from anystore_doe.testing.storage_box import StorageSuite, some_bytes, together
from anystore_doe.testing.suite import must_raise

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

RACERS = 20
ADDERS = 5
ADDITIONS = 10

ONE_STEP = "check and write must be one step of the store"
NEVER_REPLACES = f"create_only never replaces, not even an empty object: {ONE_STEP}, or say create_only=False"
ONLY_THAT = f"replacing needs exactly that version to be there: {ONE_STEP}, or say compare_and_set=False"


class ConditionTests(StorageSuite):
    """``create_only`` and ``replacing``: the store decides, atomically."""

    @pytest.mark.parametrize("body", [b"", b"second"], ids=["empty", "small"])
    def test_create_only_never_replaces(self, box: Box, folder: Path, body: bytes) -> None:
        self.needs(box, "create_only")
        assert box.push("a", b"first", create_only=True).size == 5
        with must_raise(ObjectExistsError, rule=NEVER_REPLACES) as exists:
            box.push("a", body, create_only=True)
        assert exists.value.url == safe_url(box.url("a"))
        assert box.content("a", folder) == b"first", NEVER_REPLACES

    def test_create_only_respects_an_empty_object(self, box: Box) -> None:
        self.needs(box, "create_only")
        box.push("a", b"", create_only=True)
        with must_raise(ObjectExistsError, rule=NEVER_REPLACES):
            box.push("a", b"second", create_only=True)
        assert box.storage.stat(box.key("a")).size == 0

    def test_create_only_holds_for_a_big_file(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "create_only")
        (tmp_path / "big").write_bytes(some_bytes(self.big_bytes))
        box.push("a", b"first")
        with must_raise(ObjectExistsError, rule=NEVER_REPLACES):
            box.push("a", tmp_path / "big", create_only=True)
        assert box.content("a", folder) == b"first", NEVER_REPLACES
        assert list(self.leftovers(box.place)) == [], "a push that is refused removes its part file or upload"

    def test_create_only_has_one_winner(self, box: Box, folder: Path) -> None:
        self.needs(box, "create_only")

        def race(name: str, number: int) -> int | None:
            try:
                with stumbling(f"{name} {number}"):
                    box.push(name, b"%05d" % number, create_only=True)
            except ObjectExistsError:
                return None
            return number

        for turn in rounds(least=3, for_s=0.7):
            name = f"race/{turn}"
            with switching_often():
                ends = together(*(partial(race, name, number) for number in range(RACERS)))
            winners = [number for number in ends if number is not None]
            assert len(winners) == 1, (
                f"{len(winners)} of {RACERS} that created one object at once won: {ONE_STEP}, or say create_only=False"
            )
            assert box.content(name, folder) == b"%05d" % winners[0], "the object is not the winner's"

    def test_push_many_create_only_stops_at_what_is_there(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "create_only")
        (tmp_path / "new").write_bytes(b"new")
        box.push("b", b"old")
        items = [(tmp_path / "new", box.key(name)) for name in ("a", "b")]
        with must_raise(ObjectExistsError, rule=NEVER_REPLACES):
            box.storage.push_many(items, create_only=True, watch=Watch())
        assert box.content("b", folder) == b"old"

    def test_replacing_the_version_that_is_there_works(self, box: Box, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        second = self.pinned(box.push("a", b"other", replacing=first))
        assert second != first
        assert box.content("a", folder) == b"other"

    def test_replacing_another_version_is_refused(self, box: Box, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        box.push("a", b"other")
        with must_raise(PreconditionFailedError, rule=ONLY_THAT) as failed:
            box.push("a", b"third", replacing=first)
        assert failed.value.url == safe_url(box.url("a"))
        assert box.content("a", folder) == b"other", ONLY_THAT

    def test_replacing_what_is_no_longer_there_creates_nothing(self, box: Box) -> None:
        self.needs(box, "compare_and_set")
        first = self.pinned(box.push("a", b"first"))
        box.drop("a")
        with must_raise(PreconditionFailedError, rule=ONLY_THAT):
            box.push("a", b"second", replacing=first)
        assert box.storage.find(box.key("a")) is None

    def test_no_increment_is_lost(self, box: Box, tmp_path: Path, folder: Path) -> None:
        self.needs(box, "compare_and_set")
        box.push("n", b"0")

        def add(adder: int) -> None:
            dest = folder / str(adder)
            for _ in range(ADDITIONS):
                while True:
                    try:
                        pin = box.fetch("n", dest).pin
                        text = dest.read_bytes()
                        assert text.isdigit(), (
                            f"{text!r} was read where a number was written: a push is whole or not at all"
                        )
                        box.push("n", b"%d" % (int(text) + 1), replacing=pin)
                    except (InputChangedError, PreconditionFailedError):
                        continue
                    break

        with switching_often():
            together(*(partial(add, adder) for adder in range(ADDERS)))
        counted, lost = box.content("n", tmp_path), f"increments were lost: {ONE_STEP}, or say compare_and_set=False"
        assert counted == b"%d" % (ADDERS * ADDITIONS), lost


class DeleteTests(StorageSuite):
    """``delete``: really gone, and nothing else."""

    def test_deleted_objects_are_gone_and_their_neighbours_stay(self, box: Box) -> None:
        self.needs(box, "write", "delete", "list")
        for name in ("a", "ab", "b/c", "b/d", "e"):
            box.push(name, b"x")
        box.storage.delete(box.key(name) for name in ("a", "b/c"))
        assert box.names() == ["ab", "b/d", "e"]
        assert box.storage.find(box.key("a")) is None

    def test_delete_of_what_is_not_there_is_no_error(self, box: Box) -> None:
        self.needs(box, "write", "delete")
        box.push("a", b"x")
        box.storage.delete([box.key("no/such"), box.key("a"), box.key("a")])
        box.storage.delete([box.key("a")])
        box.storage.delete([])
        assert box.storage.find(box.key("a")) is None

    def test_delete_of_a_folder_leaves_what_is_in_it(self, box: Box, folder: Path) -> None:
        self.needs(box, "write", "delete")
        box.push("folder/a", b"x")
        try:
            box.storage.delete([box.key("folder")])
        except StorageError:
            pass  # a store with folders may refuse; what counts is that nothing in it is lost
        assert box.content("folder/a", folder) == b"x", "delete takes the objects of these very keys, never a tree"

    def test_a_deleted_key_can_be_created_again(self, box: Box, folder: Path) -> None:
        self.needs(box, "delete", "create_only")
        box.push("a", b"first", create_only=True)
        box.storage.delete([box.key("a")])
        box.push("a", b"second", create_only=True)
        assert box.content("a", folder) == b"second"

    def test_many_objects_are_deleted_in_one_call(self, box: Box) -> None:
        self.needs(box, "write", "delete", "list")
        names = [f"m/{number:05}" for number in range(self.many)]
        for start in range(0, len(names), 16):
            together(*(partial(box.push, name, b"x", durable=False) for name in names[start : start + 16]))
        box.storage.delete([box.key(name) for name in names])
        assert box.names() == []
