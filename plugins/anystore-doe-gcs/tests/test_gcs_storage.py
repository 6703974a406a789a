"""The contract's verbs against a server: what the kit does not ask for, what is sent, and how much memory it takes."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys

import pytest
from anystore_doe_gcs.checksums import extend

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
from anystore_doe.testing import Answer, Rule

KMS_KEY = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"


def test_pushed_bytes_come_back_with_size_generation_and_checksums(storage, server, bucket, tmp_path, watch):
    pushed = storage.push(b"hello", "a/b.txt", watch=watch)
    info = storage.stat("a/b.txt")
    assert (info.size, info.pin, info.checksums) == (pushed.size, pushed.pin, pushed.checksums)
    assert info.checksums == {"md5": hashlib.md5(b"hello").hexdigest(), "crc32c": f"{extend(b'hello', 0):08x}"}
    assert info.pin == server.resource(bucket, "a/b.txt")["generation"]
    assert info.pin.isdecimal()
    assert abs(info.modified_at - tmp_path.stat().st_mtime) < 600
    fetched = storage.fetch("a/b.txt", tmp_path / "b", watch=watch)
    assert (tmp_path / "b").read_bytes() == b"hello"
    assert (fetched.size, fetched.pin) == (5, info.pin)


def test_both_schemes_are_one_store():
    from anystore_doe_gcs import anystore_doe_storages

    (entry,) = anystore_doe_storages()
    assert entry.schemes == ("gs", "gcs")
    assert entry.split("gcs://b/k?x#y%20/z") == entry.split("gs://b/k?x#y%20/z") == ("gs://b", "k?x#y%20/z")
    assert entry.split("gs://b") == ("gs://b", "")


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


def test_a_large_object_comes_back_and_its_checksum_is_of_the_whole(storage, tmp_path, watch, large, large_file):
    pushed = storage.push(large_file, "big", watch=watch)
    assert pushed.checksums["crc32c"] == f"{extend(large, 0):08x}"
    storage.fetch("big", tmp_path / "back", watch=watch)
    assert (tmp_path / "back").read_bytes() == large


def test_the_watch_sees_every_byte(storage, tmp_path, large_file, large):
    seen: list[int] = []
    storage.push(large_file, "big", watch=Watch(seen.append))
    assert sum(seen) == len(large)
    seen.clear()
    storage.fetch("big", tmp_path / "back", watch=Watch(seen.append))
    assert sum(seen) == len(large)


def test_what_is_stored_compressed_arrives_as_it_is_stored(storage, server, bucket, tmp_path, watch):
    packed = gzip.compress(b"plain " * 1000)
    body = (
        b'--x\r\nContent-Type: application/json\r\n\r\n{"name": "k.gz", "contentEncoding": "gzip"}\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\n" + packed + b"\r\n--x--\r\n"
    )
    import urllib.request

    where = f"{server.endpoint_url}/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
    headers = {"Content-Type": "multipart/related; boundary=x"}
    with urllib.request.urlopen(urllib.request.Request(where, data=body, headers=headers)) as answer:
        assert answer.status == 200
    storage.fetch("k.gz", tmp_path / "back", watch=watch)
    assert (tmp_path / "back").read_bytes() == storage.read("k.gz") == packed


def test_create_only_is_refused_where_an_object_is(storage, watch, large_file):
    storage.push(b"first", "k", create_only=True, watch=watch)
    for source in (b"second", b"first", large_file):
        with pytest.raises(ObjectExistsError):
            storage.push(source, "k", create_only=True, watch=watch)
    assert storage.read("k") == b"first"


@pytest.mark.parametrize("pin", ["1", "0", "an-etag", "²"])
def test_replacing_takes_exactly_the_generation(storage, watch, large_file, pin):
    first = storage.push(b"1", "k", watch=watch)
    second = storage.push(b"2", "k", replacing=first.pin, watch=watch)
    for source in (b"3", large_file):
        for stale in (first.pin, pin):
            with pytest.raises(PreconditionFailedError):
                storage.push(source, "k", replacing=stale, watch=watch)
    assert storage.stat("k").pin == second.pin
    with pytest.raises(PreconditionFailedError):
        storage.push(b"x", "absent", replacing=pin, watch=watch)
    assert storage.find("absent") is None


def test_a_pinned_read_of_another_generation_names_both_and_keeps_what_was_there(storage, tmp_path, watch):
    old = storage.push(b"old", "k", watch=watch)
    new = storage.push(b"new", "k", watch=watch)
    dest = tmp_path / "dest"
    dest.write_bytes(b"mine")
    with pytest.raises(InputChangedError, match=f"generation {old.pin} -> {new.pin}"):
        storage.fetch("k", dest, pin=old.pin, watch=watch)
    for pin in (old.pin, "an-etag"):
        with pytest.raises(InputChangedError, match=f"generation {pin} -> {new.pin}"):
            storage.read("k", pin=pin)
    storage.delete(["k"])
    with pytest.raises(InputChangedError, match=f"generation {new.pin} -> none"):
        storage.read("k", pin=new.pin)
    assert dest.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_what_is_not_there_is_not_found(storage, open_at, server, tmp_path, watch):
    storage.push(b"", "folder/x", watch=watch)
    for key in ("absent", "folder"):
        with pytest.raises(ObjectNotFoundError, match="there is no such object"):
            storage.stat(key)
    storage.delete(["absent"])
    nowhere = open_at(server.endpoint_url, root="gs://no-such-bucket-here")
    for attempt in (
        lambda: list(nowhere.walk("p")),
        lambda: nowhere.push(b"", "k", watch=watch),
        lambda: nowhere.push(b"", "k", replacing="123", watch=watch),
    ):
        with pytest.raises(ObjectNotFoundError, match="there is no bucket 'no-such-bucket-here'"):
            attempt()
    with pytest.raises(ObjectNotFoundError):
        nowhere.fetch("k", tmp_path / "x", watch=watch)


def test_a_cancelled_watch_ends_a_transfer_and_leaves_nothing(storage, tmp_path, large_file, context):
    watch = Watch(lambda n: watch.cancel())
    with pytest.raises(CancelledTransferError):
        storage.push(large_file, "big", watch=watch)
    assert storage.find("big") is None
    assert list((context.state_folder / "open-uploads").iterdir()) == []
    storage.push(large_file, "big", watch=Watch())
    watch = Watch(lambda n: watch.cancel())
    with pytest.raises(CancelledTransferError):
        storage.fetch("big", tmp_path / "out", watch=watch)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large.bin", "state"]


def test_a_source_that_changes_meanwhile_is_noticed(storage, large_file):
    def spoil(n: int) -> None:
        with large_file.open("r+b") as file:
            file.write(b"spoilt")

    with pytest.raises(IntegrityError, match="changed while it was pushed"):
        storage.push(large_file, "big", watch=Watch(spoil))
    assert storage.find("big") is None


def test_only_regular_files_are_pushed(storage, tmp_path, watch):
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(LocalResourceError):
        storage.push(tmp_path / "link", "k", watch=watch)
    with pytest.raises(IntegrityError, match="no regular file"):
        storage.push(tmp_path, "k", watch=watch)


def test_a_walk_over_several_pages_asks_for_each_once(through_proxy, proxy, watch):
    """The kit walks over 1,001 objects; here the first page is played."""
    through_proxy.push(b"x", "p/b", watch=watch)
    page = {"items": [{"name": "p/a", "size": "1", "generation": "1"}], "nextPageToken": "a token=/+"}
    proxy.add(Rule(method="GET", fault=Answer(status=200, body=json.dumps(page).encode())))
    assert [info.key for info in through_proxy.walk("p")] == ["p/a", "p/b"]
    first, second = proxy.seen("GET")
    assert all("prefix=p%2F" in seen.query and "maxResults=1000" in seen.query for seen in (first, second))
    assert "pageToken" not in first.query
    assert "pageToken=a%20token%3D%2F%2B" in second.query


def test_no_more_is_asked_of_the_store_than_needed(through_proxy, proxy, bucket, watch, large_file, tmp_path):
    through_proxy.push(b"x", "p/a", watch=watch)
    through_proxy.push(large_file, "p/b", watch=watch)
    pin = through_proxy.stat("p/b").pin
    through_proxy.fetch("p/b", tmp_path / "b", watch=watch)
    list(through_proxy.walk("p"))
    through_proxy.read("p/a")
    through_proxy.delete(["p/a"])
    objects = f"/storage/v1/b/{bucket}/o"
    allowed = {
        ("POST", f"/upload{objects}"),
        ("PUT", f"/upload{objects}"),
        ("GET", objects),
        *(
            (method, f"{kind}{objects}/p%2F{n}")
            for method in ("GET", "DELETE")
            for kind in ("", "/download")
            for n in "ab"
        ),
    }
    assert {(seen.method, seen.path) for seen in proxy.seen()} <= allowed
    assert all("prefix=p%2F" in seen.query for seen in proxy.seen("GET", objects))
    ranges = proxy.seen("GET", "/download*b")
    assert len(ranges) == 3
    assert all(f"&generation={pin}" in seen.query and "range" in seen.headers for seen in ranges)


def test_settings_reach_every_request_that_they_are_for(proxy, open_at, watch, large_file, tmp_path):
    storage = open_at(proxy.url, requester_pays=True, project="payer", kms_key=KMS_KEY)
    storage.push(b"x", "a", watch=watch)
    storage.push(large_file, "b", watch=watch)
    storage.fetch("a", tmp_path / "a", watch=watch)
    list(storage.walk())
    storage.delete(["a"])
    assert all("userProject=payer" in seen.query for seen in proxy.seen() if seen.method != "PUT")
    assert not [seen for seen in proxy.seen("PUT") if "userProject" in seen.query]  # a session is taken as it was given
    writes = proxy.seen("POST")
    assert len(writes) == 2
    assert all("kmsKeyName=projects%2Fp%2Flocations%2Feu" in seen.query for seen in writes)
    proxy.clear()
    open_at(proxy.url, project="payer").push(b"x", "a", watch=watch)
    assert not [seen for seen in proxy.seen() if "userProject" in seen.query or "kmsKeyName" in seen.query]


BOUNDED = """
import logging, sys
from pathlib import Path
from anystore_doe.contract import StorageContext, Watch
from anystore_doe_gcs import GcsOptions, open_gcs
url, endpoint, source = sys.argv[1:]
def peak():  # not ru_maxrss, which begins with that of the process that started this one
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
storage = open_gcs(url, GcsOptions(endpoint_url=endpoint), StorageContext(logger=logging.getLogger("x")))
storage.push(b"x" * 1000, "small", watch=Watch())
before = peak()
storage.push(Path(source), "big", watch=Watch())
pushed = peak()
storage.fetch("big", Path(source + ".back"), watch=Watch())
storage.close()
print(pushed - before, peak() - before)
"""


def test_memory_does_not_grow_with_the_object(server, bucket, tmp_path):
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(80 * 2**20)
    arguments = [f"gs://{bucket}", server.endpoint_url, str(source)]
    child = subprocess.run([sys.executable, "-c", BOUNDED, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    pushed, both = map(int, child.stdout.split())
    assert pushed < 60
    assert both < 80
    assert (tmp_path / "big.back").stat().st_size == 80 * 2**20
