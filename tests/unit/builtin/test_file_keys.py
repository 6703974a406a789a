"""``file://``: which path a URL is, what is an object, what is listed and deleted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_disk import key, names

from anystore_doe.builtin.disk import whole_file
from anystore_doe.builtin.file import FileOptions, anystore_doe_storages, split
from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch
from anystore_doe.errors import (
    DefinitionError,
    ObjectNotFoundError,
    StorageError,
)


@pytest.mark.parametrize("url", ["file:///a/b c", "/a/b c", "file://localhost/a/b c", "/a//x/../b c/", "//a/b c"])
def test_split_gives_the_absolute_path_as_key(url: str) -> None:
    assert split(url) == ("file://", "a/b c")


def test_split_starts_a_relative_path_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split("data/case.zip") == ("file://", key(tmp_path / "data/case.zip"))
    assert split("../x") == ("file://", key(tmp_path.parent / "x"))


def test_split_is_literal() -> None:
    assert split("/a/%20?x=1#y*") == ("file://", "a/%20?x=1#y*")


def test_split_refuses_a_host_with_a_hint() -> None:
    with pytest.raises(StorageError, match="no host") as caught:
        split("file://server/share/x")
    assert "file:///server/share/x" in caught.value.hint


def test_the_url_of_a_key_is_the_whole_url(storage: FileStorage) -> None:
    assert storage.url_of("a/b") == "file:///a/b"


def test_the_hook_offers_file() -> None:
    (entry,) = anystore_doe_storages()
    assert entry.schemes == ("file",)
    assert entry.options is FileOptions
    assert isinstance(entry.open(None, FileOptions(), None), FileStorage)


def test_nonsense_as_durability_is_refused() -> None:
    with pytest.raises(DefinitionError, match="durability"):
        FileOptions(durability="maybe")


@pytest.mark.parametrize("bad", ["a/../b", "a/./b", "a//b", "/a", "../a", "a\0b", "a/\udcff\ud800"])
def test_keys_that_are_no_plain_path_are_refused(storage: FileStorage, bad: str, watch: Watch) -> None:
    for call in (
        storage.stat,
        storage.read,
        lambda k: storage.push(b"", k, watch=watch),
        lambda k: storage.delete([k]),
    ):
        with pytest.raises(StorageError):
            call(bad)


@pytest.mark.parametrize("what", ["missing", "folder", "folder/", "fifo", "file/below"])
def test_what_is_no_file_is_no_object(storage: FileStorage, tmp_path: Path, watch: Watch, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    target = f"{key(tmp_path)}/{what}"
    for call in (storage.stat, storage.read, lambda k: storage.fetch(k, tmp_path / "dest", watch=watch)):
        with pytest.raises(ObjectNotFoundError):
            call(target)
    assert storage.find(target) is None
    assert names(tmp_path) == ["fifo", "file", "folder"]


def test_names_of_incomplete_files_are_kept_for_them(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    with pytest.raises(StorageError, match="kept"):
        storage.push(b"", key(tmp_path / whole_file.temporary_name()), watch=watch)


@given(st.text(max_size=60))
def test_any_key_gives_a_typed_error_or_stays_below_the_root(text: str) -> None:
    storage = FileStorage()
    try:
        assert storage.find(f"nonexistent-folder/{text}") is None
    except StorageError:
        pass


def test_walk_yields_regular_files_below_the_prefix(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    for name in ("a", "b/c", "b/d/e"):
        storage.push(name.encode(), key(tmp_path / "tree" / name), watch=watch)
    (tmp_path / "tree-2").mkdir()
    (tmp_path / "tree-2/no").write_bytes(b"")
    (tmp_path / "tree/empty").mkdir()
    (tmp_path / "tree/link").symlink_to("a")
    (tmp_path / "tree/loop").symlink_to(tmp_path)
    (tmp_path / "tree/.anystore-0123.part").write_bytes(b"left behind by a killed writer")
    os.mkfifo(tmp_path / "tree/fifo")
    found = sorted(storage.walk(key(tmp_path / "tree")), key=lambda info: info.key)
    root = key(tmp_path / "tree")
    assert [info.key for info in found] == [f"{root}/a", f"{root}/b/c", f"{root}/b/d/e"]
    assert [storage.stat(info.key) for info in found] == found


@pytest.mark.parametrize("prefix", ["missing", "file", "file/below"])
def test_walk_of_what_is_no_folder_yields_nothing(storage: FileStorage, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert list(storage.walk(f"{key(tmp_path)}/{prefix}")) == []


def test_a_file_name_that_is_not_utf8_is_named_as_such(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(StorageError, match=r"not valid UTF-8") as caught:
        list(storage.walk(key(tmp_path)))
    str(caught.value).encode()


def test_delete_removes_files_and_nothing_else(storage: FileStorage, tmp_path: Path, watch: Watch) -> None:
    storage.push(b"", key(tmp_path / "d/x"), watch=watch)
    (tmp_path / "link").symlink_to("d")
    storage.delete([key(tmp_path / name) for name in ("d/x", "d/x", "missing", "d", "link", "d/x/y")])
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == []
