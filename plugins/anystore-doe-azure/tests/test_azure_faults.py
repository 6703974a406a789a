"""What the network and the server do to a transfer, played by the fault proxy: no wrong file, no lost write."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    ChecksumError,
    CredentialsError,
    InputChangedError,
    ObjectExistsError,
    PreconditionFailedError,
    StorageError,
)
from anystore_doe.fsspec_storage.bridge import run
from anystore_doe.testing import Answer, Cut, Delay, Flip, LoseReply, Rule, Swap, azure_error
from anystore_doe.testing.fixtures import only_file

GET = {"method": "GET", "path": "*/k"}
BUSY = azure_error(503, "ServerBusy")


@pytest.fixture
def put(storage):
    def put(key: str, data: bytes) -> None:
        storage.push(data, key, watch=Watch())

    return put


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_body_goes_on_where_it_ended(through_proxy, proxy, put, storage, dest, watch, large, large_file, reset):
    storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, nth=2, fault=Cut(after=5 * 2**20, reset=reset)))
    through_proxy.fetch("k", dest, watch=watch)
    assert only_file(dest) == large
    ranges = sorted(seen.headers["x-ms-range"] for seen in proxy.seen("GET", "*/k"))
    assert len(ranges) == len(set(ranges)) == 4


def test_a_flipped_bit_in_an_object_of_many_blocks_is_noticed(through_proxy, proxy, storage, dest, watch, large_file):
    storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, fault=Flip(at=777), count=None))
    with pytest.raises(ChecksumError, match="the store says"):
        through_proxy.fetch("k", dest, watch=watch)
    assert list(dest.parent.iterdir()) == []


def test_an_object_swapped_between_ranges_is_never_mixed(through_proxy, proxy, storage, dest, watch, large_file, put):
    old = storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, nth=3, fault=Swap(call=lambda: put("k", b"other"), after=2**20, then_cut=True)))
    with pytest.raises(InputChangedError) as raised:
        through_proxy.fetch("k", dest, watch=watch)
    assert f"{old.pin} -> {storage.stat('k').pin}" in str(raised.value)
    assert list(dest.parent.iterdir()) == []
    assert all("if-match" in seen.headers for seen in proxy.seen("GET", "*/k"))


@pytest.mark.parametrize("size", [1000, 17 * 2**20])
def test_bytes_that_change_on_their_way_are_refused_by_the_store(through_proxy, proxy, storage, tmp_path, watch, size):
    """Azure says Md5Mismatch (see the next test), azurite InvalidOperation: what counts is that nothing is stored."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    proxy.add(Rule(method="PUT", path="*/k", fault=Flip(at=3, of="request"), count=None))
    with pytest.raises(StorageError, match=r"MD5|Md5"):
        through_proxy.push(source, "k", create_only=True, watch=watch)
    assert storage.find("k") is None


def test_bytes_that_changed_on_their_way_are_sent_again(through_proxy, proxy, watch, large_file, large):
    for query in ("", "*comp=block&*", "comp=blocklist"):
        proxy.add(Rule(method="PUT", path="*/k", query=query, fault=azure_error(400, "Md5Mismatch")))
    through_proxy.push(b"x", "k", create_only=True, watch=watch)
    through_proxy.push(large_file, "k", watch=watch)
    assert through_proxy.read("k") == large
    proxy.add(Rule(method="PUT", path="*/k", fault=azure_error(400, "Md5Mismatch"), count=None))
    with pytest.raises(ChecksumError, match="not what was sent"):
        through_proxy.push(b"x", "k", watch=watch)


def test_the_sdk_sends_a_request_once(proxy, through_proxy):
    """aiohttp and the SDK each have tries of their own; if one comes back, this fails."""
    through_proxy.find("warm-up")  # a connection that is used again is what aiohttp tries again on
    proxy.clear()
    for method in ("HEAD", "GET", "PUT", "DELETE"):
        proxy.add(Rule(path="*/k", fault=LoseReply()), Rule(path="*/k", fault=azure_error(500, "InternalError")))
        for expected in (1, 2):
            with pytest.raises(StorageError) as raised:
                run(through_proxy._client.loop, through_proxy._client.once(method, "try", "k"), url="x")
            assert raised.value.retryable
            assert len(proxy.seen()) == expected
        proxy.clear()


PASSING = {
    "500": azure_error(500, "InternalError"),
    "503": azure_error(503, "ServerBusy", retry_after_s=0),
    "429": Answer(status=429),
    "408": Answer(status=408),
    "502": Answer(status=502, body=b"<html>"),
    "lost": LoseReply(),
}


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
def test_what_passes_is_tried_again(through_proxy, proxy, put, dest, watch, answer, method):
    put("k", b"data")
    proxy.add(Rule(method=method, path="*/k", fault=answer, count=2))
    if method == "PUT":
        through_proxy.push(b"new", "k", watch=watch)
        assert through_proxy.read("k") == b"new"
    elif method == "DELETE":
        through_proxy.delete(["k"])
        assert through_proxy.find("k") is None
    else:
        through_proxy.fetch("k", dest, watch=watch)
        assert only_file(dest) == b"data"


def test_the_pause_that_the_store_asks_for_is_read_from_its_answer(through_proxy, proxy):
    proxy.add(Rule(fault=azure_error(503, "ServerBusy", retry_after_s=7)))
    with pytest.raises(StorageError) as raised:
        run(through_proxy._client.loop, through_proxy._client.once("HEAD", "stat", "k"), url="x")
    assert through_proxy._client.policy.asked_s(raised.value) == 7


def test_a_store_that_stays_down_is_given_up_within_the_budget(through_proxy, proxy, watch):
    proxy.add(Rule(fault=BUSY, count=None))
    with pytest.raises(StorageError, match="ServerBusy") as raised:
        through_proxy.push(b"x", "k", watch=watch)
    assert (raised.value.retryable, raised.value.exit_code) == (True, 5)
    assert len(proxy.seen("PUT")) == 4


REFUSALS = [
    (403, "AuthenticationFailed", CredentialsError),
    (401, "InvalidAuthenticationInfo", CredentialsError),
    (403, "KeyBasedAuthenticationNotPermitted", CredentialsError),
    (403, "AuthorizationFailure", AccessDeniedError),
    (403, "AuthorizationPermissionMismatch", AccessDeniedError),
    (412, "LeaseIdMissing", StorageError),
    (409, "BlobArchived", StorageError),
    (409, "BlobImmutableDueToPolicy", StorageError),
]


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS, ids=[code for _, code, _ in REFUSALS])
def test_a_refusal_is_not_tried_again(through_proxy, proxy, watch, status, code, kind):
    proxy.add(Rule(fault=azure_error(status, code), count=None))
    for attempt in (
        lambda: through_proxy.push(b"x", "k", create_only=True, watch=watch),
        lambda: through_proxy.read("k"),
        lambda: through_proxy.stat("k"),
        lambda: through_proxy.delete(["k"]),
        lambda: list(through_proxy.walk("p")),
    ):
        with pytest.raises(kind) as raised:
            attempt()
        assert not isinstance(raised.value, ObjectExistsError | PreconditionFailedError | InputChangedError)
    assert len(proxy.seen()) == 5 + (kind is CredentialsError)  # a HEAD has no body: the reason is asked for


@pytest.mark.parametrize("size", [100, 17 * 2**20])
def test_a_creation_whose_reply_is_lost_is_known_as_ours(through_proxy, proxy, storage, tmp_path, watch, size):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    query = "*" if size == 100 else "comp=blocklist"
    proxy.add(Rule(method="PUT", path="*/k", query=query, fault=LoseReply()))
    info = through_proxy.push(source, "k", create_only=True, watch=watch)
    assert storage.stat("k").pin == info.pin
    assert storage.read("k") == source.read_bytes()


def test_a_block_that_fails_is_sent_again(through_proxy, proxy, watch, large_file, large):
    block = {"method": "PUT", "query": "*comp=block&*"}
    proxy.add(
        Rule(**block, nth=2, fault=Cut(after=3 * 2**20, of="request")),
        Rule(**block, nth=3, fault=azure_error(500, "InternalError")),
    )
    through_proxy.push(large_file, "k", watch=watch)
    assert through_proxy.read("k") == large


def test_a_push_that_fails_leaves_what_was_there(through_proxy, proxy, storage, watch, large_file):
    storage.push(b"old", "k", watch=watch)
    proxy.add(Rule(method="PUT", query="*comp=block&*", nth=2, fault=azure_error(403, "AuthorizationFailure")))
    with pytest.raises(AccessDeniedError):
        through_proxy.push(large_file, "k", watch=watch)
    assert storage.read("k") == b"old"


KILLED = """
import logging, sys
from pathlib import Path
from anystore_doe.contract import StorageContext, Watch
from anystore_doe_azure import AzureOptions, open_azure
url, endpoint, source = sys.argv[1:]
options = AzureOptions(endpoint_url=endpoint, connection_string=sys.stdin.readline().strip())
storage = open_azure(url, options, StorageContext(logger=logging.getLogger("x")))
storage.push(Path(source), "killed", watch=Watch(lambda n: print(n, flush=True)))
"""


def test_the_upload_of_a_killed_process_is_no_object_and_in_nobodys_way(
    storage, proxy, proxied_endpoint, azurite, container, large_file, large, watch
):
    proxy.add(Rule(method="PUT", query="*comp=block&*", nth=3, fault=Delay(s=math.inf), count=None))
    argv = [sys.executable, "-c", KILLED, f"az://{container}", proxied_endpoint, str(large_file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(azurite.connection_string.encode() + b"\n")
        child.stdin.flush()
        assert child.stdout.readline()  # a block has arrived
        child.send_signal(signal.SIGKILL)
    assert storage.find("killed") is None
    assert list(storage.walk()) == []
    storage.push(large_file, "killed", create_only=True, watch=watch)
    assert storage.read("killed") == large


def test_no_more_is_asked_of_the_store_than_needed(through_proxy, proxy, container, watch, large_file, dest):
    through_proxy.push(b"x", "p/a", watch=watch)
    through_proxy.push(large_file, "p/b", watch=watch)
    through_proxy.fetch("p/b", dest, watch=watch)
    list(through_proxy.walk("p"))
    through_proxy.read("p/a")
    through_proxy.delete(["p/a"])
    for seen in proxy.seen():
        if seen.path.strip("/").endswith(container):
            assert (seen.method, "comp=list" in seen.query, "prefix=p/" in seen.query) == ("GET", True, True)
    assert all("if-match" in seen.headers and "x-ms-range" in seen.headers for seen in proxy.seen("GET", "*/p/b"))
    assert all("content-md5" in seen.headers for seen in proxy.seen("PUT"))
    methods = [seen.method for seen in proxy.seen()]
    assert {name: methods.count(name) for name in set(methods)} == {"PUT": 5, "HEAD": 2, "GET": 5, "DELETE": 1}


def test_a_listing_that_never_ends_or_lies_elsewhere_is_not_believed(through_proxy, proxy):
    again = b"<EnumerationResults><Blobs/><NextMarker>again</NextMarker></EnumerationResults>"
    proxy.add(Rule(method="GET", fault=Answer(status=200, body=again), count=None))
    with pytest.raises(StorageError, match="the same page again"):
        list(through_proxy.walk("p"))
    proxy.clear()
    other = b"<EnumerationResults><Blobs><Blob><Name>q/x</Name></Blob></Blobs></EnumerationResults>"
    proxy.add(Rule(method="GET", fault=Answer(status=200, body=other)))
    with pytest.raises(StorageError, match="not below it"):
        list(through_proxy.walk("p"))


def test_every_error_is_one_of_ours(through_proxy, proxy, watch):
    for answer in (
        Answer(status=400, body=b"\x00garbage"),
        Answer(status=200, body=b"<not-xml"),
        Answer(status=301, headers={"Location": "http://127.0.0.1:9/elsewhere"}),
        Answer(status=418),
        azure_error(501, "NotImplemented"),
    ):
        proxy.add(Rule(fault=answer, count=None))
        for attempt in (
            lambda: list(through_proxy.walk("p")),
            lambda: through_proxy.push(b"x" * 10, "k", watch=watch),
            lambda: through_proxy.read("k", 3),
            lambda: through_proxy.stat("k"),
            lambda: through_proxy.delete(["k"]),
        ):
            try:
                attempt()
            except AnystoreDoeError:
                continue
        proxy.clear()
