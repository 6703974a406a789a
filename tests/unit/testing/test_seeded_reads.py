"""The storage suite notices broken reads: each storage has one bug, the test named beside it fails on it."""

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from anystore_doe.contract import Place, Watch
from anystore_doe.errors import ObjectNotFoundError
from anystore_doe.testing.memory import PIECE_BYTES, MemoryStorage
from anystore_doe.testing.seeded import Bugs
from anystore_doe.testing.storage_contract import StorageContract


class Seeded(StorageContract):
    subject = MemoryStorage
    big_bytes = 300_000
    many = 20

    @pytest.fixture
    def place(self):
        return Place(storage=self.subject(), key="kit")


BUGS = Bugs(globals(), Seeded)


# ---- stat


@BUGS.caught_by("test_stat_tells_key_and_size_and_says_the_same_twice")
class KeyWithoutPrefix(MemoryStorage):
    def stat(self, key):
        return replace(super().stat(key), key=key.rpartition("/")[2])


@BUGS.caught_by("test_stat_of_what_is_not_there_is_not_found_and_names_the_url")
class ForeignErrors(MemoryStorage):
    def stat(self, key):
        try:
            return super().stat(key)
        except ObjectNotFoundError:
            raise FileNotFoundError(key) from None


@BUGS.caught_by("test_stat_of_what_is_not_there_is_not_found_and_names_the_url")
class ErrorNamesNoKey(MemoryStorage):
    def stat(self, key):
        try:
            return super().stat(key)
        except ObjectNotFoundError:
            raise ObjectNotFoundError("stat", self.url) from None


@BUGS.caught_by("test_a_folder_is_no_object")
class FolderIsAnObject(MemoryStorage):
    def stat(self, key):
        if any(True for _ in self.walk(key)):
            return replace(next(self.walk(key)), key=key, size=0)
        return super().stat(key)


@BUGS.caught_by("test_stat_sees_a_replaced_object_at_once")
class CachesStat(MemoryStorage):
    def stat(self, key):
        self.cache = getattr(self, "cache", {})
        if key not in self.cache:
            self.cache[key] = super().stat(key)
        return self.cache[key]


@BUGS.caught_by("test_another_version_of_the_same_size_has_another_pin")
class PinIsTheSize(MemoryStorage):
    def stat(self, key):
        info = super().stat(key)
        return replace(info, pin=str(info.size))


# ---- fetch


def into_place(storage, key, dest, watch, pin=None):
    """Fetch as it must not be done: piece by piece into the final file."""
    held = storage._get("fetch", key, pin)
    with dest.open("wb") as file:
        for start in range(0, len(held.data), PIECE_BYTES):
            watch.advance(file.write(held.data[start : start + PIECE_BYTES]))
    return storage._info(key, held)


@BUGS.caught_by("test_a_fetch_cancelled_on_its_way_keeps_the_old_file")
class FetchesInPlace(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        return into_place(self, key, dest, watch, pin)


@BUGS.caught_by("test_a_fetch_of_what_is_not_there_keeps_the_old_file")
class EmptiesDestFirst(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        with contextlib.suppress(IsADirectoryError):
            dest.write_bytes(b"")
        return super().fetch(key, dest, pin=pin, watch=watch)


@BUGS.caught_by("test_fetch_refuses_another_version_than_the_pinned_one")
class IgnoresPin(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        return super().fetch(key, dest, watch=watch)


@BUGS.caught_by("test_a_fetch_never_mixes_two_versions")
class StitchesVersions(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        held = self._get("fetch", key, pin)
        with self._whole(dest) as sink:
            for start in range(0, len(held.data), PIECE_BYTES):
                piece = self._get("fetch", key).data[start : start + PIECE_BYTES]
                os.write(sink, piece)
                watch.advance(len(piece))
        return self._info(key, held)


@BUGS.caught_by("test_fetch_brings_every_byte_and_leaves_one_file")
class LeavesPart(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        dest.with_name("part").write_bytes(b"")
        return super().fetch(key, dest, pin=pin, watch=watch)


@BUGS.caught_by("test_fetch_works_for_the_longest_local_name")
class PartNameIsLonger(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        part = dest.with_name(dest.name + ".part")
        try:
            info = into_place(self, key, part, watch, pin)
            part.replace(dest)
        finally:
            part.unlink(missing_ok=True)
        return info


@BUGS.caught_by("test_fetch_brings_every_byte_of_a_big_object")
class LosesTheLastPiece(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        info = super().fetch(key, dest, pin=pin, watch=watch)
        with dest.open("rb+") as file:
            file.truncate(info.size // PIECE_BYTES * PIECE_BYTES if info.size > PIECE_BYTES else info.size)
        return info


@BUGS.caught_by("test_what_a_fetch_can_not_write_is_an_error_of_ours")
class ForeignLocalErrors(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        if dest.is_dir():
            raise IsADirectoryError(str(dest))
        return super().fetch(key, dest, pin=pin, watch=watch)


@BUGS.caught_by("test_the_watch_sees_all_bytes_of_a_fetch")
class ReportsNothing(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        return super().fetch(key, dest, pin=pin, watch=Watch())


@BUGS.caught_by("test_a_cancelled_fetch_leaves_nothing")
class NeverLooksAtTheWatch(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        return super().fetch(key, dest, pin=pin, watch=Watch())


@BUGS.caught_by("test_threads_fetch_at_once_and_each_gets_its_own")
class OneBufferForAll(MemoryStorage):
    def fetch(self, key, dest, *, pin=None, watch):
        self.held = self._get("fetch", key, pin)
        time.sleep(0.02)
        with self._whole(dest) as sink:
            os.write(sink, self.held.data)
        return self._info(key, self.held)


@BUGS.caught_by("test_fetch_many_keeps_the_order")
class FetchesManySorted(MemoryStorage):
    def fetch_many(self, items, *, watch):
        return super().fetch_many(sorted(items), watch=watch)


# ---- walk


@BUGS.caught_by("test_walk_sees_new_and_removed_objects_at_once")
class CachesListings(MemoryStorage):
    def walk(self, prefix=""):
        self.cache = getattr(self, "cache", {})
        if prefix not in self.cache:
            self.cache[prefix] = list(super().walk(prefix))
        yield from self.cache[prefix]


@BUGS.caught_by("test_walk_yields_only_what_lies_below_the_prefix")
class WalksByText(MemoryStorage):
    def walk(self, prefix=""):
        return (info for info in super().walk() if info.key.startswith(prefix))


@BUGS.caught_by("test_walk_is_flat_and_tells_what_stat_tells")
class WalksOneLevel(MemoryStorage):
    def walk(self, prefix=""):
        depth = prefix.count("/") + 1 if prefix else 0
        return (info for info in super().walk(prefix) if info.key.count("/") == depth)


@BUGS.caught_by("test_walk_yields_each_of_many_objects_once")
class OnlyTheFirstPage(MemoryStorage):
    def walk(self, prefix=""):
        yield from list(super().walk(prefix))[: Seeded.many - 1]


@BUGS.caught_by("test_walk_yields_each_of_many_objects_once")
class LastOfAPageTwice(MemoryStorage):
    def walk(self, prefix=""):
        for number, info in enumerate(super().walk(prefix), 1):
            yield from [info] * (2 if number == 10 else 1)


@BUGS.caught_by("test_walk_yields_a_console_marker_under_its_key")
class HidesMarkers(MemoryStorage):
    def walk(self, prefix=""):
        return (info for info in super().walk(prefix) if not info.key.endswith("/"))


@BUGS.caught_by("test_a_prefix_that_holds_nothing_yields_nothing")
class MissingPrefixIsAnError(MemoryStorage):
    def walk(self, prefix=""):
        found = list(super().walk(prefix))
        if not found:
            raise ObjectNotFoundError("list", self.url_of(prefix))
        return iter(found)


# ---- read


@BUGS.caught_by("test_read_returns_exactly_the_range")
class EndIsInclusive(MemoryStorage):
    def read(self, key, start=0, end=None, *, pin=None):
        return super().read(key, start, None if end is None else end + 1, pin=pin)


@BUGS.caught_by("test_read_returns_exactly_the_range")
class NegativeStartIsZero(MemoryStorage):
    def read(self, key, start=0, end=None, *, pin=None):
        return super().read(key, max(0, start), end, pin=pin)


@BUGS.caught_by("test_read_refuses_another_version_than_the_pinned_one")
class ReadIgnoresPin(MemoryStorage):
    def read(self, key, start=0, end=None, *, pin=None):
        return super().read(key, start, end)


# ---- the proof


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return BUGS.outcomes(Path(__file__), tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("name", BUGS.caught)
def test_the_suite_catches_the_bug(outcomes, name):
    assert "failure" in outcomes[name], f"{BUGS.caught[name]} does not notice {name}"
    assert "error" not in outcomes[name], f"{name} fails outside of its test"


def test_without_a_bug_the_same_tests_pass(outcomes):
    assert outcomes["Seeded"] <= {"passed", "skipped"}
