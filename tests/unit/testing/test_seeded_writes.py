"""The storage suite notices broken writes and names: each storage has one bug, the test beside it fails on it."""

import fnmatch
import posixpath
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from anystore_doe.contract import Place, Watch
from anystore_doe.errors import ObjectExistsError, PreconditionFailedError
from anystore_doe.testing.memory import PIECE_BYTES, Held, MemoryStorage
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


# ---- push


def put(storage, key, data):
    """Put a version without any condition, as a naive provider does."""
    with storage._lock:
        held = Held(data=data, pin=f"v{next(storage._versions)}", modified_at=time.time())
        storage._objects[key] = held
    return storage._info(key, held)


@BUGS.caught_by("test_push_replaces_the_whole_object")
class OverwritesInPlace(MemoryStorage):
    def push(self, source, key, **kwargs):
        old = self._objects.get(key)
        info = super().push(source, key, **kwargs)
        return put(self, key, self._objects[key].data + old.data[info.size :]) if old else info


@BUGS.caught_by("test_nobody_ever_sees_a_part_of_a_push")
class GrowsInSight(MemoryStorage):
    def push(self, source, key, **kwargs):
        data = source if isinstance(source, bytes) else source.read_bytes()
        for end in range(0, len(data), PIECE_BYTES):
            put(self, key, data[:end])
            time.sleep(0.005)
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_a_push_cancelled_on_its_way_leaves_what_was_there_and_nothing_else")
class PublishesTheTruncated(MemoryStorage):
    def push(self, source, key, *, watch, **kwargs):
        data = source if isinstance(source, bytes) else source.read_bytes()
        done = 0
        try:
            for start in range(0, len(data), PIECE_BYTES):
                watch.advance(len(data[start : start + PIECE_BYTES]))
                done = start + PIECE_BYTES
        finally:
            put(self, key, data[:done])
        return super().push(source, key, watch=watch, **kwargs)


@BUGS.caught_by(
    "test_a_push_cancelled_on_its_way_leaves_what_was_there_and_nothing_else",
    leftovers=lambda self, place: place.storage.uploads,
)
class LeavesAnOpenUpload(MemoryStorage):
    uploads = ()

    def push(self, source, key, **kwargs):
        before, self.uploads = self.uploads, (*self.uploads, key)
        info = super().push(source, key, **kwargs)
        self.uploads = before
        return info


@BUGS.caught_by("test_a_cancelled_push_leaves_what_was_there")
class PushesAnyway(MemoryStorage):
    def push(self, source, key, *, watch, **kwargs):
        info = super().push(source, key, watch=Watch(), **kwargs)
        watch.check()
        return info


@BUGS.caught_by("test_a_source_that_changes_is_never_half_stored")
class ReadsAChangingSource(MemoryStorage):
    def push(self, source, key, *, watch, **kwargs):
        if isinstance(source, bytes):
            return super().push(source, key, watch=watch, **kwargs)
        body = b""
        for start in range(0, source.stat().st_size, PIECE_BYTES):
            body += source.read_bytes()[start : start + PIECE_BYTES]
            watch.advance(PIECE_BYTES)
        return super().push(body, key, watch=Watch(), **kwargs)


@BUGS.caught_by("test_a_source_that_is_no_file_is_an_error_of_ours")
class ForeignSourceErrors(MemoryStorage):
    def push(self, source, key, **kwargs):
        return super().push(source if isinstance(source, bytes) else source.read_bytes(), key, **kwargs)


@BUGS.caught_by("test_push_writes_every_byte")
class TextMode(MemoryStorage):
    def push(self, source, key, **kwargs):
        data = source if isinstance(source, bytes) else source.read_bytes()
        return super().push(data.replace(b"\n", b"\r\n"), key, **kwargs)


@BUGS.caught_by("test_push_writes_every_byte")
class TellsTheOldPin(MemoryStorage):
    def push(self, source, key, **kwargs):
        return replace(super().push(source, key, **kwargs), pin="v0")


@BUGS.caught_by("test_checksums_are_those_of_the_bytes")
class ChecksumOfSomethingElse(MemoryStorage):
    def stat(self, key):
        return replace(super().stat(key), checksums={"md5": "d41d8cd98f00b204e9800998ecf8427e"})


@BUGS.caught_by("test_checksums_are_those_of_the_bytes")
class ClaimsChecksums(MemoryStorage):
    def stat(self, key):
        return replace(super().stat(key), checksums={})


@BUGS.caught_by("test_push_many_keeps_the_order")
class PushesManyReversed(MemoryStorage):
    def push_many(self, items, **kwargs):
        return super().push_many(items[::-1], **kwargs)


# ---- conditions


@BUGS.caught_by("test_create_only_never_replaces")
class IgnoresCreateOnly(MemoryStorage):
    def push(self, source, key, *, create_only=False, **kwargs):
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_create_only_never_replaces")
class EmptyIsNotExclusive(MemoryStorage):
    def push(self, source, key, *, create_only=False, **kwargs):
        return super().push(source, key, create_only=create_only and source != b"", **kwargs)


@BUGS.caught_by("test_create_only_respects_an_empty_object")
class EmptyIsNothing(MemoryStorage):
    def push(self, source, key, *, create_only=False, **kwargs):
        there = self.find(key)
        return super().push(source, key, create_only=create_only and not (there and there.size == 0), **kwargs)


@BUGS.caught_by("test_create_only_holds_for_a_big_file")
class BigIsNotExclusive(MemoryStorage):
    def push(self, source, key, *, create_only=False, **kwargs):
        big = not isinstance(source, bytes) and source.stat().st_size > PIECE_BYTES
        return super().push(source, key, create_only=create_only and not big, **kwargs)


@BUGS.caught_by("test_create_only_has_one_winner")
class ChecksThenPuts(MemoryStorage):
    def push(self, source, key, *, create_only=False, **kwargs):
        if create_only and self.find(key) is not None:
            raise ObjectExistsError("push", self.url_of(key))
        time.sleep(0.005)
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_create_only_never_replaces")
class SaysPrecondition(MemoryStorage):
    def push(self, source, key, **kwargs):
        try:
            return super().push(source, key, **kwargs)
        except ObjectExistsError:
            raise PreconditionFailedError("push", self.url_of(key)) from None


@BUGS.caught_by("test_replacing_another_version_is_refused")
class IgnoresReplacing(MemoryStorage):
    def push(self, source, key, *, replacing=None, **kwargs):
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_no_increment_is_lost")
class ComparesThenSets(MemoryStorage):
    def push(self, source, key, *, replacing=None, **kwargs):
        if replacing is not None and getattr(self.find(key), "pin", None) != replacing:
            raise PreconditionFailedError("push", self.url_of(key))
        time.sleep(0.001)
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_replacing_what_is_no_longer_there_creates_nothing")
class ReplacesNothing(MemoryStorage):
    def push(self, source, key, *, replacing=None, **kwargs):
        return super().push(source, key, replacing=replacing if self.find(key) else None, **kwargs)


# ---- delete


@BUGS.caught_by("test_deleted_objects_are_gone_and_their_neighbours_stay")
class PretendsToDelete(MemoryStorage):
    def delete(self, keys):
        super().delete(list(keys)[1:])


@BUGS.caught_by("test_deleted_objects_are_gone_and_their_neighbours_stay")
class DeletesByPrefix(MemoryStorage):
    def delete(self, keys):
        starts = tuple(keys)
        super().delete([key for key in list(self._objects) if starts and key.startswith(starts)])


@BUGS.caught_by("test_delete_of_what_is_not_there_is_no_error")
class DeleteWantsThemAll(MemoryStorage):
    def delete(self, keys):
        for key in keys:
            self.stat(key)
            super().delete([key])


@BUGS.caught_by("test_delete_of_a_folder_leaves_what_is_in_it")
class DeletesTrees(MemoryStorage):
    def delete(self, keys):
        for key in keys:
            super().delete([key, *(info.key for info in self.walk(key))])


@BUGS.caught_by("test_many_objects_are_deleted_in_one_call")
class DeletesOneBatch(MemoryStorage):
    def delete(self, keys):
        super().delete(list(keys)[: Seeded.many - 1])


# ---- names


class Renaming(MemoryStorage):
    """Takes keys for others: ``seen`` says for which."""

    def seen(self, key):
        return key

    def _get(self, doing, key, pin=None):
        return super()._get(doing, self.seen(key), pin)

    def push(self, source, key, **kwargs):
        return replace(super().push(source, self.seen(key), **kwargs), key=key)

    def delete(self, keys):
        super().delete([self.seen(key) for key in keys])


@BUGS.caught_by("test_names_that_look_alike_are_two_objects[escaped]")
class DecodesPercents(Renaming):
    def seen(self, key):
        return unquote(key)


@BUGS.caught_by("test_names_that_look_alike_are_two_objects[normal-forms]")
class NormalisesUnicode(Renaming):
    def seen(self, key):
        return unicodedata.normalize("NFC", key)


@BUGS.caught_by("test_names_that_look_alike_are_two_objects[case]")
class FoldsCase(Renaming):
    def seen(self, key):
        return key.casefold()


@BUGS.caught_by("test_a_key_is_taken_literally[version-id]")
class TakesQueriesOff(Renaming):
    def seen(self, key):
        return key.partition("?")[0]


@BUGS.caught_by("test_an_odd_key_is_refused_or_taken_literally[escape]")
class ResolvesDots(Renaming):
    def seen(self, key):
        return posixpath.normpath(key) if ".." in key.split("/") else key


@BUGS.caught_by("test_a_key_is_never_a_pattern")
class Globs(Renaming):
    def seen(self, key):
        return key if key in self._objects else next((k for k in self._objects if fnmatch.fnmatch(k, key)), key)


@BUGS.caught_by("test_an_odd_key_is_refused_or_taken_literally[surrogate]")
class ForeignNameErrors(MemoryStorage):
    def push(self, source, key, **kwargs):
        key.encode()
        return super().push(source, key, **kwargs)


@BUGS.caught_by("test_an_object_beside_a_folder_of_its_name_is_refused_or_kept")
class FolderSwallowsItsObject(MemoryStorage):
    def push(self, source, key, **kwargs):
        super().delete([key.rpartition("/")[0]])
        return super().push(source, key, **kwargs)


# ---- honesty


@BUGS.caught_by("test_what_is_off_is_refused_as_unsupported[list]")
class SilentWhereItCanNotList(MemoryStorage):
    capabilities = replace(MemoryStorage.capabilities, list=False)

    def walk(self, prefix=""):
        return iter(())


@BUGS.caught_by("test_what_is_off_is_refused_as_unsupported[create_only]")
class SilentWhereItCanNotCreateOnly(MemoryStorage):
    capabilities = replace(MemoryStorage.capabilities, create_only=False)


@BUGS.caught_by("test_no_secret_is_ever_shown", secrets=("hunter2",))
class ShowsItsPassword(MemoryStorage):
    def __repr__(self):
        return f"<{self.url} password=hunter2>"


@BUGS.caught_by("test_a_policy_names_its_prefixes_and_deletes_only_when_asked")
class AlwaysGrantsDelete(MemoryStorage):
    def grants(self, reads, writes, *, delete, **form):
        return super().grants(reads, writes, delete=True, **form)


@BUGS.caught_by("test_a_policy_names_its_prefixes_and_deletes_only_when_asked")
class GrantsWhateverFormIsAsked(MemoryStorage):
    def grants(self, reads, writes, *, delete, **form):
        return super().grants(reads, writes, delete=delete)


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
