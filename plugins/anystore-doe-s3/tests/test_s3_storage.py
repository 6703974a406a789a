"""The contract's verbs against a server; what only a fault shows is in test_s3_faults."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    CancelledTransferError,
    InputChangedError,
    IntegrityError,
    LocalResourceError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UnsupportedError,
)

NASTY = [
    "plain.txt",
    "with space/x y.txt",
    "x[1].txt",
    "a?versionId=abc",
    "a#b",
    "100%/a%20b",
    "plus+and&=;,$@!'()*~",
    "ünï/文字/é",
    "e\u0301/combining",
    "back\\slash",
    "double//slash",
    "star*?.txt",
    "-dash",
    ".hidden",
]


def test_pushed_bytes_come_back_with_size_pin_and_checksums(storage, tmp_path, watch):
    pushed = storage.push(b"hello", "a/b.txt", watch=watch)
    info = storage.stat("a/b.txt")
    assert (info.size, info.pin, info.checksums) == (pushed.size, pushed.pin, pushed.checksums)
    assert info.checksums["md5"] == hashlib.md5(b"hello").hexdigest()
    assert info.checksums["crc32"] == f"{zlib.crc32(b'hello'):08x}"
    fetched = storage.fetch("a/b.txt", tmp_path / "b", watch=watch)
    assert (tmp_path / "b").read_bytes() == b"hello"
    assert (fetched.size, fetched.pin) == (5, info.pin)


@pytest.mark.parametrize("key", NASTY)
def test_a_key_is_taken_literally(storage, tmp_path, watch, key):
    storage.push(b"other", "x1.txt", watch=watch)
    storage.push(key.encode(), f"n/{key}", watch=watch)
    assert [info.key for info in storage.walk("n")] == [f"n/{key}"]
    storage.fetch(f"n/{key}", tmp_path / "got", watch=watch)
    assert (tmp_path / "got").read_bytes() == key.encode()
    assert storage.read(f"n/{key}") == key.encode()
    storage.delete([f"n/{key}"])
    assert storage.find(f"n/{key}") is None


@pytest.mark.parametrize("key", ["", "a\nb", "a\x00", "a\x7f", "\udcff", "x" * 1025, "a/../b", "./a", ".."])
def test_a_key_that_can_not_travel_is_refused(storage, watch, key):
    for attempt in (
        lambda: storage.stat(key),
        lambda: storage.push(b"", key, watch=watch),
        lambda: storage.read(key),
        lambda: storage.delete([key]),
    ):
        with pytest.raises(UnsupportedError, match="the key"):
            attempt()


def test_an_object_of_many_parts_comes_back_and_its_checksum_is_of_the_whole(
    storage, tmp_path, watch, large, large_file, moto, bucket
):
    pushed = storage.push(large_file, "big", watch=watch)
    assert pushed.checksums["crc32"] == f"{zlib.crc32(large):08x}"
    assert "md5" not in pushed.checksums
    storage.fetch("big", tmp_path / "back", watch=watch)
    assert (tmp_path / "back").read_bytes() == large
    assert moto.open_uploads(bucket) == []


def test_an_empty_object_is_an_object(storage, tmp_path, watch):
    (tmp_path / "empty").touch()
    assert storage.push(tmp_path / "empty", "e", watch=watch).size == 0
    storage.fetch("e", tmp_path / "back", watch=watch)
    assert (tmp_path / "back").read_bytes() == b""
    assert storage.read("e") == b""


def test_the_watch_sees_every_byte(storage, tmp_path, large_file, large):
    seen: list[int] = []
    storage.push(large_file, "big", watch=Watch(seen.append))
    assert sum(seen) == len(large)
    seen.clear()
    storage.fetch("big", tmp_path / "back", watch=Watch(seen.append))
    assert sum(seen) == len(large)


def test_create_only_is_refused_where_an_object_is(storage, watch, large_file):
    storage.push(b"first", "k", create_only=True, watch=watch)
    with pytest.raises(ObjectExistsError):
        storage.push(b"second", "k", create_only=True, watch=watch)
    with pytest.raises(ObjectExistsError):
        storage.push(large_file, "k", create_only=True, watch=watch)
    assert storage.read("k") == b"first"


def test_create_only_with_the_same_bytes_is_refused_too(storage, watch):
    storage.push(b"same", "k", create_only=True, watch=watch)
    with pytest.raises(ObjectExistsError):
        storage.push(b"same", "k", create_only=True, watch=watch)


def test_of_many_creators_one_wins(storage, watch):
    from concurrent.futures import ThreadPoolExecutor

    def create(n: int) -> bool:
        try:
            storage.push(str(n).encode(), "claim", create_only=True, watch=watch)
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1


def test_replacing_takes_exactly_the_version(storage, watch, large_file):
    first = storage.push(b"1", "k", watch=watch)
    second = storage.push(b"2", "k", replacing=first.pin, watch=watch)
    for source in (b"3", large_file):
        with pytest.raises(PreconditionFailedError):
            storage.push(source, "k", replacing=first.pin, watch=watch)
    assert storage.stat("k").pin == second.pin
    with pytest.raises(PreconditionFailedError):
        storage.push(b"x", "absent", replacing=first.pin, watch=watch)


def test_a_pinned_fetch_of_another_version_names_both_and_keeps_what_was_there(storage, tmp_path, watch):
    old = storage.push(b"old", "k", watch=watch)
    new = storage.push(b"new", "k", watch=watch)
    dest = tmp_path / "dest"
    dest.write_bytes(b"mine")
    with pytest.raises(InputChangedError, match=f"{old.pin} -> {new.pin}"):
        storage.fetch("k", dest, pin=old.pin, watch=watch)
    with pytest.raises(InputChangedError):
        storage.read("k", pin=old.pin)
    assert dest.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_read_cuts_ranges_and_counts_from_the_end(storage, watch):
    storage.push(b"0123456789", "k", watch=watch)
    cases = {
        (0, None): b"0123456789",
        (2, 5): b"234",
        (8, 100): b"89",
        (-3, None): b"789",
        (-30, None): b"0123456789",
        (-3, 9): b"78",
        (5, 5): b"",
        (10, None): b"",
        (50, 60): b"",
    }
    for (start, end), expected in cases.items():
        assert storage.read("k", start, end) == expected, (start, end)


def test_walk_is_flat_complete_and_stays_below_the_prefix(storage, watch):
    for key in ("p/a", "p/b/c", "p/", "p2/x", "pq"):
        storage.push(b"1", key, watch=watch)
    assert [info.key for info in storage.walk("p")] == ["p/", "p/a", "p/b/c"]
    assert len(list(storage.walk())) == 5
    assert list(storage.walk("nothing")) == []
    storage.push(b"22", "p/a", watch=watch)
    assert {info.key: info.size for info in storage.walk("p")}["p/a"] == 2


def test_a_walk_over_several_pages_is_complete(moto, bucket, storage):
    import threading

    def fill(numbers):
        with moto.client() as s3:
            for n in numbers:
                s3.put_object(Bucket=bucket, Key=f"many/{n:05}", Body=b"")

    threads = [threading.Thread(target=fill, args=(range(start, 1100, 4),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [info.key for info in storage.walk("many")] == [f"many/{n:05}" for n in range(1100)]
    storage.delete(f"many/{n:05}" for n in range(1100))
    assert list(storage.walk("many")) == []


def test_what_is_not_there_is_not_found(storage, open_at, moto, tmp_path, watch):
    storage.push(b"", "folder/x", watch=watch)
    for key in ("absent", "folder"):
        with pytest.raises(ObjectNotFoundError, match="there is no such object"):
            storage.stat(key)
    with pytest.raises(ObjectNotFoundError):
        storage.fetch("absent", tmp_path / "x", watch=watch)
    with pytest.raises(ObjectNotFoundError):
        storage.read("absent")
    storage.delete(["absent"])
    nowhere = open_at(moto.endpoint_url, root="s3://no-such-bucket-here")
    for attempt in (
        lambda: nowhere.stat("k"),
        lambda: list(nowhere.walk("p")),
        lambda: nowhere.push(b"", "k", watch=watch),
        lambda: nowhere.push(b"", "k", replacing="abc", watch=watch),
    ):
        with pytest.raises(ObjectNotFoundError, match="there is no bucket 'no-such-bucket-here'"):
            attempt()


def test_a_cancelled_watch_ends_a_transfer_and_leaves_nothing(storage, tmp_path, large_file, moto, bucket):
    watch = Watch(lambda n: watch.cancel())
    with pytest.raises(CancelledTransferError):
        storage.push(large_file, "big", watch=watch)
    assert storage.find("big") is None
    assert moto.open_uploads(bucket) == []
    storage.push(large_file, "big", watch=Watch())
    watch = Watch(lambda n: watch.cancel())
    with pytest.raises(CancelledTransferError):
        storage.fetch("big", tmp_path / "out", watch=watch)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large.bin", "state"]


def test_a_source_that_changes_meanwhile_is_noticed(storage, large_file, moto, bucket):
    def spoil(n: int) -> None:
        with large_file.open("r+b") as file:
            file.write(b"spoilt")

    with pytest.raises(IntegrityError, match="changed while it was pushed"):
        storage.push(large_file, "big", watch=Watch(spoil))
    assert storage.find("big") is None
    assert moto.open_uploads(bucket) == []


def test_only_regular_files_are_pushed(storage, tmp_path, watch):
    import os

    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(LocalResourceError):
        storage.push(tmp_path / "link", "k", watch=watch)
    for name in ("fifo", "."):
        with pytest.raises(IntegrityError, match="no regular file"):
            storage.push(tmp_path / name, "k", watch=watch)
    with pytest.raises(LocalResourceError, match="No such file"):
        storage.push(tmp_path / "absent", "k", watch=watch)


def test_a_destination_folder_that_is_missing_is_this_machines_trouble(storage, tmp_path, watch):
    storage.push(b"x", "k", watch=watch)
    with pytest.raises(LocalResourceError, match="No such file or directory"):
        storage.fetch("k", tmp_path / "absent" / "x", watch=watch)
