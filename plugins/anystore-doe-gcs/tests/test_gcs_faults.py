"""What the network and the server do to a transfer, played by the fault proxy: no wrong file, no open session."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from anystore_doe_gcs.checksums import extend, written

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    ChecksumError,
    CredentialsError,
    InputChangedError,
    ObjectExistsError,
    StorageError,
)
from anystore_doe.testing import Answer, Cut, Flip, LoseReply, Rule, Swap, Truncate
from anystore_doe.testing.fixtures import only_file

if TYPE_CHECKING:
    from pathlib import Path

PART = 16 * 2**20
GET = {"method": "GET", "path": "/download*/k"}
FORBIDDEN = Answer(status=403, body=b'{"error": {"code": 403, "message": "no"}}')


def sent(number: int) -> dict:
    """Match the request that sends part ``number`` of a large object."""
    return {"method": "PUT", "headers": {"content-range": f"bytes {(number - 1) * PART}-*"}}


def notes(context) -> list[Path]:
    return list((context.state_folder / "open-uploads").glob("*.json"))


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_body_goes_on_where_it_ended(storage, through_proxy, proxy, dest, watch, large, large_file, reset):
    storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, nth=2, fault=Cut(after=5 * 2**20, reset=reset)))
    through_proxy.fetch("k", dest, watch=watch)
    assert only_file(dest) == large
    ranges = [seen.headers["range"] for seen in proxy.seen("GET", GET["path"])]
    assert len(ranges) == len(set(ranges)) == 4


def test_a_body_that_is_shorter_than_the_range_is_no_object(storage, through_proxy, proxy, dest, watch):
    storage.push(b"x" * 50_000, "k", watch=watch)
    proxy.add(Rule(**GET, fault=Truncate(to=40_000)), Rule(**GET, nth=2, fault=Truncate(to=40_000)))
    through_proxy.fetch("k", dest, watch=watch)
    assert only_file(dest) == b"x" * 50_000
    assert through_proxy.read("k") == b"x" * 50_000
    assert len(proxy.seen("GET", GET["path"])) == 4


def test_an_object_swapped_mid_body_is_never_mixed(storage, through_proxy, proxy, dest, watch, large, large_file):
    old = storage.push(large_file, "k", watch=watch).pin

    def swap() -> None:
        storage.push(b"another", "k", watch=Watch())

    proxy.add(Rule(**GET, nth=3, fault=Swap(call=swap, after=2**20, then_cut=True)))
    with pytest.raises(InputChangedError) as raised:
        through_proxy.fetch("k", dest, watch=watch)
    assert f"{old} -> {through_proxy.stat('k').pin}" in str(raised.value)
    assert list(dest.parent.iterdir()) == []


def test_a_store_that_answers_with_another_generation_is_not_believed(storage, through_proxy, proxy, dest, watch):
    pin = storage.push(b"data", "k", watch=watch).pin
    headers = {"x-goog-generation": "17", "Content-Range": "bytes 0-3/4"}
    proxy.add(Rule(**GET, fault=Answer(status=206, body=b"atad", headers=headers), count=None))
    with pytest.raises(InputChangedError, match=f"{pin} -> 17"):
        through_proxy.fetch("k", dest, watch=watch)
    with pytest.raises(InputChangedError, match=f"{pin} -> 17"):
        through_proxy.read("k", pin=pin)


def test_a_flipped_bit_is_noticed_and_fetched_again(storage, through_proxy, proxy, dest, watch):
    storage.push(b"x" * 50_000, "k", watch=watch)
    proxy.add(Rule(**GET, fault=Flip(at=777)), Rule(**GET, nth=2, fault=Flip(at=777)))
    through_proxy.fetch("k", dest, watch=watch)
    assert only_file(dest) == b"x" * 50_000
    assert through_proxy.read("k") == b"x" * 50_000
    assert len(proxy.seen("GET", GET["path"])) == 4


def test_a_flipped_bit_in_an_object_of_many_ranges_is_noticed(storage, through_proxy, proxy, dest, watch, large_file):
    storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, fault=Flip(at=777), count=None))
    with pytest.raises(ChecksumError, match=r"crc32c is .*the store says"):
        through_proxy.fetch("k", dest, watch=watch)
    assert list(dest.parent.iterdir()) == []


def test_a_flipped_bit_on_the_way_in_is_noticed_and_sent_again(through_proxy, proxy, watch):
    proxy.add(Rule(method="POST", fault=Flip(at=500, of="request")))
    through_proxy.push(b"x" * 1000, "k", watch=watch)
    assert through_proxy.read("k") == b"x" * 1000


def test_an_object_that_arrived_wrong_is_an_error_and_removed_again(through_proxy, proxy, watch, large_file):
    proxy.add(Rule(method="POST", fault=Flip(at=500, of="request")), Rule(**sent(2), fault=Flip(at=500, of="request")))
    for source in (b"x" * 1000, large_file):
        with pytest.raises(ChecksumError, match="removed again"):
            through_proxy.push(source, "k", create_only=True, watch=watch)
        assert through_proxy.find("k") is None


def test_checksums_travel_with_the_bytes_and_a_store_that_refuses_them_is_heard(
    through_proxy, proxy, watch, large, large_file
):
    """As the store says it: fake-gcs-server takes any checksum."""
    said = 'Provided CRC32C \\"AAAAAA==\\" doesn\'t match calculated CRC32C \\"mnG7TA==\\".'
    wrong = Answer(status=400, body=f'{{"error": {{"code": 400, "message": "{said}"}}}}'.encode())
    proxy.add(Rule(method="POST", fault=wrong))
    through_proxy.push(b"x", "k", watch=watch)
    assert len(proxy.seen("POST")) == 2
    proxy.add(Rule(**sent(3), fault=wrong))
    with pytest.raises(ChecksumError, match="says the store"):
        through_proxy.push(large_file, "big", watch=watch)
    hashes = [seen.headers.get("x-goog-hash") for seen in proxy.seen("PUT")]
    assert hashes == [None, None, f"crc32c={written(f'{extend(large, 0):08x}')}"]
    assert through_proxy.find("big") is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(status=503, headers={"Retry-After": "0"}),
        Answer(status=429, body=b'{"error": {"code": 429, "message": "slow down"}}'),
        Answer(status=502, body=b"<html>"),
        Answer(status=408),
        Answer(status=403, body=b'{"error": {"message": "no", "errors": [{"reason": "rateLimitExceeded"}]}}'),
        LoseReply(),
    ],
    ids=["500", "503", "429", "502", "408", "rate", "lost"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_passes_is_tried_again(storage, through_proxy, proxy, dest, watch, answer, method):
    storage.push(b"data", "k", watch=watch)
    proxy.add(Rule(method=method, fault=answer, count=2), Rule(**GET, fault=answer, count=2))
    if method == "POST":
        through_proxy.push(b"new", "k", watch=watch)
        assert storage.read("k") == b"new"
    elif method == "DELETE":
        through_proxy.delete(["k"])
        assert storage.find("k") is None
    else:
        assert through_proxy.stat("k").size == 4
        assert list(through_proxy.walk())
        through_proxy.fetch("k", dest, watch=watch)
        assert only_file(dest) == b"data"
    assert len(proxy.seen(method)) >= 3 - (isinstance(answer, LoseReply) and method == "DELETE")


def test_the_store_is_given_the_time_that_it_asks_for(through_proxy, proxy, watch):
    proxy.add(Rule(method="POST", fault=Answer(status=429, headers={"Retry-After": "1"})))
    through_proxy._client.policy = type(through_proxy._client.policy)(
        asked_s=through_proxy._client.policy.asked_s, base_s=0.01, cap_s=5
    )
    begin = time.monotonic()
    through_proxy.push(b"x", "k", watch=watch)
    assert time.monotonic() - begin >= 1


def test_a_store_that_stays_down_is_given_up_within_the_budget(through_proxy, proxy, watch):
    proxy.add(Rule(fault=Answer(status=503), count=None))
    with pytest.raises(StorageError, match="503") as raised:
        through_proxy.push(b"x", "k", watch=watch)
    assert raised.value.retryable
    assert len(proxy.seen("POST")) == 4


@pytest.mark.parametrize(
    ("status", "kind"), [(401, CredentialsError), (403, AccessDeniedError), (412, ObjectExistsError)]
)
def test_what_does_not_pass_is_not_tried_again(through_proxy, proxy, watch, status, kind):
    proxy.add(Rule(method="POST", fault=Answer(status=status), count=None))
    with pytest.raises(kind):
        through_proxy.push(b"x", "k", create_only=True, watch=watch)
    assert len(proxy.seen("POST")) == 1


def test_a_request_is_sent_once(through_proxy, proxy, watch):
    """aiohttp and gcsfs have tries of their own; if one comes back, this fails."""
    storage = through_proxy
    storage.find("warm-up")  # a connection that is used again is what aiohttp tries again on
    proxy.clear()
    for operation, method in {"get": "GET", "delete": "DELETE", "insert": "POST"}.items():
        proxy.add(Rule(method=method, fault=LoseReply()), Rule(method=method, fault=Answer(status=500)))
        for expected in (1, 2):
            with pytest.raises(StorageError) as raised:
                storage._run(storage._gcs.once(operation, "try", "k", method, storage._gcs.path_of("k")))
            assert raised.value.retryable
            assert len(proxy.seen(method)) == expected


def test_no_redirection_is_followed(through_proxy, proxy):
    proxy.add(Rule(method="GET", path="*/k", fault=Answer(status=307, headers={"Location": f"{proxy.url}/elsewhere"})))
    with pytest.raises(StorageError, match="307"):
        through_proxy.stat("k")
    assert proxy.seen(path="/elsewhere") == []


@pytest.mark.parametrize("size", [100, 17 * 2**20])
def test_a_creation_whose_reply_is_lost_is_known_as_ours(through_proxy, proxy, tmp_path, watch, size, context):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    proxy.add(Rule(method="POST", query="*multipart*", fault=LoseReply()), Rule(**sent(2), fault=LoseReply()))
    info = through_proxy.push(source, "k", create_only=True, watch=watch)
    assert [seen.fault for seen in proxy.seen() if seen.fault] == [LoseReply()]
    assert through_proxy.stat("k").pin == info.pin
    assert through_proxy.read("k") == source.read_bytes()
    assert notes(context) == []


def test_a_deletion_that_is_refused_names_the_key(storage, through_proxy, proxy, watch):
    storage.push(b"x", "k", watch=watch)
    proxy.add(Rule(method="DELETE", path="*/k", fault=FORBIDDEN))
    with pytest.raises(AccessDeniedError, match="/k: access denied") as raised:
        through_proxy.delete(["absent", "k"])
    assert "storage.objects.delete" in raised.value.hint


@pytest.mark.parametrize(
    ("page", "what"),
    [
        ({"nextPageToken": "again"}, "the same page again"),
        ({"items": [{"name": "../q/x", "size": "1", "generation": "1"}]}, "not below it"),
        ({"items": [{"name": "p/x"}]}, "no listing"),
        ([], "no listing"),
    ],
)
def test_a_listing_that_makes_no_sense_is_not_believed(through_proxy, proxy, page, what):
    proxy.add(Rule(method="GET", fault=Answer(status=200, body=json.dumps(page).encode()), count=None))
    with pytest.raises(StorageError, match=what):
        list(through_proxy.walk("p"))
