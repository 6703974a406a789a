"""The storage suite notices what goes wrong in a store of files: each storage has one bug, the test beside it fails."""

import contextlib
import errno
import itertools
import os
import time
from pathlib import Path

import pytest

from anystore_doe.contract import Capabilities, Place, Storage
from anystore_doe.errors import (
    LocalResourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
)
from anystore_doe.model import ObjectInfo
from anystore_doe.testing.seeded import Bugs
from anystore_doe.testing.storage_contract import StorageContract

PIECE_BYTES = 64 * 2**10


class Folder(Storage):
    """Objects are files below a folder; no conditions but create-only, no pins."""

    capabilities = Capabilities(list=True, write=True, delete=True, ranges=True, create_only=True)

    def __init__(self, root):
        self.url = "folder://kit"
        self.root, self.parts = root / "objects", root / "parts"
        for folder in (self.root, self.parts):
            folder.mkdir(parents=True)
        self.numbers = itertools.count()

    @contextlib.contextmanager
    def ours(self, doing, key):
        try:
            yield
        except StorageError:
            raise
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectNotFoundError(doing, self.url_of(key)) from error
        except (OSError, ValueError) as error:
            raise StorageError(doing, self.url_of(key)) from error

    def path(self, doing, key):
        if {"", ".", ".."} & set(key.split("/")) or not key.isprintable():
            raise ObjectNotFoundError(doing, self.url_of(key))
        return self.root / key

    def info(self, key, path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder", str(path))
        return ObjectInfo(key=key, size=path.stat().st_size)

    def stat(self, key):
        with self.ours("stat", key):
            return self.info(key, self.path("stat", key))

    def read(self, key, start=0, end=None, *, pin=None):
        with self.ours("read", key):
            data = self.path("read", key).read_bytes()
        return data[max(0, len(data) + start) if start < 0 else start : end]

    def fetch(self, key, dest, *, pin=None, watch):
        watch.check(self.url_of(key))
        data = self.read(key)
        part = dest.with_name(".part")
        try:
            self.write(part, data, watch)
            part.replace(dest)
        except OSError as error:
            raise LocalResourceError(f"can not write {dest}") from error
        finally:
            part.unlink(missing_ok=True)
        return ObjectInfo(key=key, size=len(data))

    def keys(self):
        for folder, _, names in os.walk(self.root):
            yield from ((Path(folder) / name).relative_to(self.root).as_posix() for name in names)

    def walk(self, prefix=""):
        for key in self.keys():
            info = self.find(key) if not prefix or key.startswith(f"{prefix}/") else None
            if info is not None:
                yield info

    def push(self, source, key, *, create_only=False, replacing=None, durable=True, watch):
        path = self.path("push", key)
        watch.check(self.url_of(key))
        if replacing is not None:
            raise UnsupportedError("push", self.url_of(key))
        with self.ours("push", key):
            data = source if isinstance(source, bytes) else source.read_bytes()
            part = self.parts / f"{next(self.numbers)}"
            try:
                self.write(part, data, watch)
                path.parent.mkdir(parents=True, exist_ok=True)
                self.place(part, path, key, create_only)
            finally:
                part.unlink(missing_ok=True)
        return ObjectInfo(key=key, size=len(data))

    def write(self, part, data, watch):
        with part.open("wb") as file:
            for start in range(0, len(data), PIECE_BYTES):
                watch.advance(file.write(data[start : start + PIECE_BYTES]))

    def place(self, part, path, key, create_only):
        if create_only:
            try:
                path.hardlink_to(part)
            except FileExistsError as error:
                raise ObjectExistsError("push", self.url_of(key)) from error
        else:
            part.replace(path)

    def delete(self, keys):
        for key in keys:
            with self.ours("delete", key), contextlib.suppress(ObjectNotFoundError, FileNotFoundError):
                self.path("delete", key).unlink()


class Seeded(StorageContract):
    subject = Folder
    big_bytes = 300_000
    many = 20

    @pytest.fixture
    def place(self, tmp_path):
        return Place(storage=self.subject(tmp_path / "store"), key="kit")

    def leftovers(self, place):
        return [part.name for part in place.storage.parts.iterdir()]

    @contextlib.contextmanager
    def break_store(self, place):
        root = place.storage.root
        root.rename(root.with_name("away"))
        root.symlink_to(root)
        yield
        root.unlink()
        root.with_name("away").rename(root)


BUGS = Bugs(globals(), Seeded)


# ---- keys that lead elsewhere, in a store that can not even write


def seed(_, place, key, data):
    """Bring a file into the store, as an author does whose storage can not write."""
    path = place.storage.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


READ_ONLY = {"seed": seed, "remove": lambda _, place, key: (place.storage.root / key).unlink()}


class JoinsKeys(Folder):
    """Two methods, and the key is joined to the folder as it comes."""

    capabilities = Capabilities()
    walk, push, delete, read = Storage.walk, Storage.push, Storage.delete, Storage.read

    def stat(self, key):
        with self.ours("stat", key):
            return self.info(key, self.checked(key))

    def fetch(self, key, dest, *, pin=None, watch):
        watch.check()
        with self.ours("fetch", key):
            data = self.checked(key).read_bytes()
        watch.advance(dest.write_bytes(data))
        return ObjectInfo(key=key, size=len(data))

    def checked(self, key):
        return self.root / key


@BUGS.caught_by("test_no_key_leads_out_of_the_store[parent]", **READ_ONLY)
class LeadsOutByParents(JoinsKeys):
    def checked(self, key):
        return self.root / key.lstrip("/")


@BUGS.caught_by("test_no_key_leads_out_of_the_store[leading-slash]", **READ_ONLY)
class LeadsOutByASlash(JoinsKeys):
    def checked(self, key):
        return self.root / key if ".." not in key else self.path("stat", key)


@BUGS.caught_by("test_an_object_has_one_key_only[parent]", **READ_ONLY)
class ResolvesInside(JoinsKeys):
    def checked(self, key):
        path = Path(os.path.normpath(self.root / key))
        return path if path.is_relative_to(self.root) else self.path("stat", "..")


@BUGS.caught_by("test_an_object_has_one_key_only[double-slash]", **READ_ONLY)
class TakesEmptyPartsAway(JoinsKeys):
    def checked(self, key):
        return self.root / key if {".", ".."}.isdisjoint(key.split("/")) else self.path("stat", key)


@BUGS.caught_by("test_an_object_has_one_key_only[nul]", **READ_ONLY)
class LetsErrorsAboutNulOut(JoinsKeys):
    @contextlib.contextmanager
    def ours(self, doing, key):
        try:
            yield
        except OSError as error:
            raise ObjectNotFoundError(doing, self.url_of(key)) from error


@BUGS.caught_by("test_an_object_has_one_key_only[nul-and-more]", **READ_ONLY)
class EndsKeysAtNul(JoinsKeys):
    def checked(self, key):
        return self.path("stat", key.partition("\0")[0])


@BUGS.caught_by("test_no_key_leads_out_of_the_store[parent]")
class ListsOutside(Folder):
    def walk(self, prefix=""):
        for path in (self.root / prefix).rglob("*"):
            if path.is_file():
                yield ObjectInfo(key=os.path.relpath(path, self.root), size=0)


@BUGS.caught_by("test_no_key_leads_out_of_the_store[leading-slash]")
class DeletesOutside(Folder):
    def delete(self, keys):
        for key in keys:
            (self.root / key).unlink(missing_ok=True)


@BUGS.caught_by("test_no_key_leads_out_of_the_store[parent]")
class WritesOutside(Folder):
    def path(self, doing, key):
        return self.root / key if doing == "push" else super().path(doing, key)


# ---- things that happen meanwhile


@BUGS.caught_by("test_create_only_has_one_winner")
class ChecksThenRenames(Folder):
    def place(self, part, path, key, create_only):
        if create_only and path.exists():
            raise ObjectExistsError("push", self.url_of(key))
        part.replace(path)


@BUGS.caught_by("test_create_only_has_one_winner")
class CreatesThenFills(Folder):
    def place(self, part, path, key, create_only):
        super().place(part, path, key, create_only)
        if create_only:
            path.write_bytes(b"")
            time.sleep(0.001)


@BUGS.caught_by("test_walk_goes_on_when_what_it_listed_is_deleted")
class TripsOverWhatItListed(Folder):
    def walk(self, prefix=""):
        for key in sorted(self.keys()):
            if not prefix or key.startswith(f"{prefix}/"):
                yield self.stat(key)


@BUGS.caught_by("test_walk_goes_on_while_another_thread_deletes")
class TripsWhileItLists(Folder):
    def walk(self, prefix=""):
        found = [key for key in self.keys() if not prefix or key.startswith(f"{prefix}/")]
        return iter([self.stat(key) for key in found])


@BUGS.caught_by("test_walk_goes_on_while_another_thread_deletes")
class EndsWhereOneVanished(Folder):
    def walk(self, prefix=""):
        found = []
        with contextlib.suppress(ObjectNotFoundError):
            for key in self.keys():
                if not prefix or key.startswith(f"{prefix}/"):
                    found.append(self.stat(key))
        return iter(found)


# ---- trouble


@BUGS.caught_by("test_only_our_errors_get_out_of_a_store_that_is_broken")
class LetsErrorsOfTheSystemOut(Folder):
    @contextlib.contextmanager
    def ours(self, doing, key):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectNotFoundError(doing, self.url_of(key)) from error


@BUGS.caught_by("test_only_our_errors_get_out_of_a_store_that_is_broken")
class LetsErrorsOfPushOut(Folder):
    @contextlib.contextmanager
    def ours(self, doing, key):
        with contextlib.nullcontext() if doing == "push" else super().ours(doing, key):
            yield


@BUGS.caught_by("test_a_push_cancelled_on_its_way_leaves_what_was_there_and_nothing_else")
class LeavesPartFiles(Folder):
    def push(self, source, key, *, create_only=False, replacing=None, durable=True, watch):
        path = self.path("push", key)
        with self.ours("push", key):
            data = source if isinstance(source, bytes) else source.read_bytes()
            part = self.parts / f"{next(self.numbers)}"
            self.write(part, data, watch)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
        return ObjectInfo(key=key, size=len(data))


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
