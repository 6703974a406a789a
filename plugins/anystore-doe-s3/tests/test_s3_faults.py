"""What the network and the server do to a transfer, played by the fault proxy: no wrong file, no open upload."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys

import pytest
from anystore_doe_s3.writing import arguments_of

from anystore_doe.errors import (
    ChecksumError,
    InputChangedError,
    ObjectExistsError,
    StorageError,
)
from anystore_doe.fsspec_storage.bridge import run
from anystore_doe.fsspec_storage.conditions import Condition
from anystore_doe.testing import Answer, Cut, Delay, Flip, LoseReply, Rule, Swap, s3_error
from anystore_doe.testing.fixtures import only_file

GET = {"method": "GET", "path": "*/k"}


@pytest.fixture
def put(moto, bucket):
    def put(key: str, data: bytes) -> None:
        with moto.client() as s3:
            s3.put_object(Bucket=bucket, Key=key, Body=data)

    return put


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_body_goes_on_where_it_ended(through_proxy, proxy, put, dest, watch, large, reset):
    put("k", large)
    proxy.add(Rule(**GET, nth=2, fault=Cut(after=5 * 2**20, reset=reset)))
    through_proxy.fetch("k", dest, watch=watch)
    assert only_file(dest) == large
    ranges = sorted(seen.headers["range"] for seen in proxy.seen("GET", "*/k"))
    assert len(ranges) == 4
    assert len(set(ranges)) == 4


def test_an_object_swapped_mid_body_is_never_mixed(through_proxy, proxy, put, dest, watch, large):
    put("k", large)
    old = through_proxy.stat("k").pin
    proxy.add(Rule(**GET, nth=3, fault=Swap(call=lambda: put("k", large[::-1]), after=2**20, then_cut=True)))
    with pytest.raises(InputChangedError) as raised:
        through_proxy.fetch("k", dest, watch=watch)
    assert f"{old} -> {through_proxy.stat('k').pin}" in str(raised.value)
    assert list(dest.parent.iterdir()) == []


def test_a_flipped_bit_in_an_object_of_many_parts_is_noticed(through_proxy, proxy, storage, dest, watch, large_file):
    storage.push(large_file, "k", watch=watch)
    proxy.add(Rule(**GET, fault=Flip(at=777), count=None))
    with pytest.raises(ChecksumError, match="the store says"):
        through_proxy.fetch("k", dest, watch=watch)
    assert list(dest.parent.iterdir()) == []


@pytest.mark.parametrize("size", [1000, 17 * 2**20])
def test_a_flipped_bit_on_the_way_in_is_noticed_and_sent_again(through_proxy, proxy, watch, tmp_path, size):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    proxy.add(Rule(method="PUT", path="*/k", fault=Flip(at=3, of="request")))
    through_proxy.push(source, "k", watch=watch)
    assert through_proxy.read("k") == source.read_bytes()


def test_a_creation_that_arrives_wrong_is_an_error(through_proxy, proxy, watch):
    proxy.add(Rule(method="PUT", path="*/k", fault=Flip(at=3, of="request"), count=None))
    with pytest.raises(ChecksumError, match="not what was sent"):
        through_proxy.push(b"x" * 1000, "k", create_only=True, watch=watch)


def test_the_sdk_sends_a_request_once(proxy, open_at, moto):
    """aiohttp, botocore and s3fs each have tries of their own; if one comes back, this fails."""
    storage = open_at(proxy.url)
    storage.find("warm-up")  # a connection that is used again is what aiohttp tries again on
    proxy.clear()
    for operation, arguments in {"put_object": {"Key": "k", "Body": b"x"}, "get_object": {"Key": "k"}}.items():
        proxy.add(Rule(path="*/k", fault=LoseReply()), Rule(path="*/k", fault=s3_error(500, "InternalError")))
        for expected in (1, 2):
            with pytest.raises(StorageError) as raised:
                run(storage._client.loop, storage._client.once(operation, "try", "k", **arguments), url="x")
            assert raised.value.retryable
            assert len(proxy.seen()) == expected
        proxy.clear()


@pytest.mark.parametrize(
    "answer",
    [
        s3_error(500, "InternalError"),
        s3_error(503, "SlowDown", retry_after_s=0),
        Answer(status=429),
        Answer(status=502, body=b"<html>"),
        s3_error(409, "ConditionalRequestConflict"),
        LoseReply(),
    ],
    ids=["500", "503", "429", "502", "409", "lost"],
)
@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "POST"])
def test_what_passes_is_tried_again(through_proxy, proxy, put, dest, watch, answer, method):
    put("k", b"data")
    proxy.add(Rule(method=method, path="*/k" if method != "POST" else "*", fault=answer, count=2))
    if method == "PUT":
        through_proxy.push(b"new", "k", watch=watch)
        assert through_proxy.read("k") == b"new"
    elif method == "POST":
        through_proxy.delete(["k"])
        assert through_proxy.find("k") is None
    else:
        through_proxy.fetch("k", dest, watch=watch)
        assert only_file(dest) == b"data"


def test_a_store_that_stays_down_is_given_up_within_the_budget(through_proxy, proxy, watch):
    proxy.add(Rule(fault=s3_error(503, "SlowDown"), count=None))
    with pytest.raises(StorageError, match="SlowDown") as raised:
        through_proxy.push(b"x", "k", watch=watch)
    assert raised.value.retryable
    assert len(proxy.seen("PUT")) == 4


@pytest.mark.parametrize("size", [100, 17 * 2**20])
def test_a_creation_whose_reply_is_lost_is_known_as_ours(through_proxy, proxy, tmp_path, watch, size, moto, bucket):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    method = "PUT" if size == 100 else "POST"
    query = "*" if size == 100 else "uploadId=*"
    proxy.add(Rule(method=method, path="*/k", query=query, fault=LoseReply()))
    info = through_proxy.push(source, "k", create_only=True, watch=watch)
    assert through_proxy.stat("k").pin == info.pin
    assert through_proxy.read("k") == source.read_bytes()
    assert moto.open_uploads(bucket) == []


def test_a_part_that_fails_is_sent_again(through_proxy, proxy, watch, large_file, large):
    proxy.add(
        Rule(method="PUT", query="*partNumber=2*", fault=Cut(after=3 * 2**20, of="request")),
        Rule(method="PUT", query="*partNumber=3*", fault=s3_error(500, "InternalError")),
    )
    through_proxy.push(large_file, "k", watch=watch)
    assert through_proxy.read("k") == large


def test_a_push_that_fails_leaves_no_open_upload(through_proxy, proxy, watch, large_file, moto, bucket, context):
    proxy.add(Rule(method="PUT", query="*partNumber=2*", fault=s3_error(403, "AccessDenied"), count=None))
    with pytest.raises(StorageError):
        through_proxy.push(large_file, "k", watch=watch)
    assert moto.open_uploads(bucket) == []
    assert list((context.state_folder / "open-uploads").iterdir()) == []


def test_an_abort_that_does_not_reach_the_store_keeps_its_note(through_proxy, proxy, watch, large_file, context):
    proxy.add(
        Rule(method="PUT", query="*partNumber=2*", fault=s3_error(403, "AccessDenied"), count=None),
        Rule(method="DELETE", fault=s3_error(503, "SlowDown"), count=None),
    )
    with pytest.raises(StorageError):
        through_proxy.push(large_file, "k", watch=watch)
    assert len(list((context.state_folder / "open-uploads").iterdir())) == 1


KILLED = """
import json, logging, sys
from pathlib import Path
from anystore_doe.contract import StorageContext, Watch
from anystore_doe_s3 import S3Options, open_s3
url, endpoint, source, state = sys.argv[1:]
context = StorageContext(logger=logging.getLogger("x"), state_folder=Path(state))
def advanced(n):
    print(n, flush=True)
storage = open_s3(url, S3Options(endpoint_url=endpoint), context)
storage.push(Path(source), "killed", watch=Watch(advanced))
"""


def test_the_upload_of_a_killed_process_is_aborted_by_the_next_one(
    proxy, moto, bucket, context, large_file, open_at, watch
):
    proxy.add(Rule(method="PUT", query="*partNumber=3*", fault=Delay(s=math.inf), count=None))
    arguments = [f"s3://{bucket}", moto.endpoint_url, str(large_file), str(context.state_folder)]
    arguments[1] = proxy.url
    child = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline()  # a part has arrived
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert moto.open_uploads(bucket) == ["killed"]
    proxy.clear()
    other = open_at(moto.endpoint_url)
    other.push(large_file, "other", watch=watch)
    assert moto.open_uploads(bucket) == ["killed"]  # another endpoint's: not ours to judge
    open_at(proxy.url).push(large_file, "next", watch=watch)
    assert moto.open_uploads(bucket) == []
    assert list((context.state_folder / "open-uploads").glob("*.json")) == []


def test_a_note_of_a_living_process_is_left_alone(through_proxy, storage, moto, bucket, context, watch, large_file):
    with moto.client() as s3:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="alive")["UploadId"]
    storage._writer._uploads.note("alive", upload)
    storage.push(large_file, "k", watch=watch)
    assert moto.open_uploads(bucket) == ["alive"]


def test_a_condition_is_part_of_the_last_request_too(through_proxy, proxy, watch, large_file, put):
    """The look before a large push saves the bytes; what decides is the condition of its completion."""
    proxy.add(Rule(method="POST", query="uploadId=*", fault=Swap(call=lambda: put("k", b"theirs"))))
    with pytest.raises(ObjectExistsError):
        through_proxy.push(large_file, "k", create_only=True, watch=watch)
    assert through_proxy.read("k") == b"theirs"
    assert arguments_of(Condition(replacing="abc")) == {"IfMatch": '"abc"'}


def test_no_more_is_asked_of_the_store_than_needed(through_proxy, proxy, bucket, watch, large_file, dest):
    through_proxy.push(b"x", "p/a", watch=watch)
    through_proxy.push(large_file, "p/b", watch=watch)
    through_proxy.fetch("p/b", dest, watch=watch)
    list(through_proxy.walk("p"))
    through_proxy.read("p/a")
    through_proxy.delete(["p/a"])
    for seen in proxy.seen():
        on_bucket = seen.path.strip("/") == bucket
        assert seen.method != "HEAD" or not on_bucket, "HeadBucket"
        assert seen.method != "PUT" or not on_bucket, "CreateBucket"
        assert "location" not in seen.query
        if seen.method == "GET" and on_bucket:
            assert "prefix=p%2F" in seen.query
    assert all("if-match" in seen.headers for seen in proxy.seen("GET", "*/p/b"))
    assert all("range" in seen.headers for seen in proxy.seen("GET", "*/p/b"))


def test_only_md5_is_sent_where_a_store_refuses_other_checksums(proxy, open_at, watch, large_file, large, bucket):
    storage = open_at(proxy.url, request_checksums="when_required")
    storage.push(b"x", "small", watch=watch)
    storage.push(large_file, "large", watch=watch)
    assert storage.read("large") == large
    writes = [seen for seen in proxy.seen() if seen.method in {"PUT", "POST"}]
    assert not [name for seen in writes for name in seen.headers if name.startswith(("x-amz-checksum", "x-amz-sdk"))]
    assert all("content-md5" in seen.headers for seen in writes if seen.method == "PUT")
    proxy.clear()
    open_at(proxy.url).push(b"x", "small", watch=watch)
    assert "x-amz-checksum-crc32" in proxy.seen("PUT")[0].headers


def test_a_deletion_that_is_refused_names_the_key(through_proxy, proxy, watch):
    from anystore_doe.errors import AccessDeniedError

    through_proxy.push(b"x", "k", watch=watch)
    body = b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    proxy.add(Rule(method="POST", fault=Answer(status=200, body=body, headers={"Content-Type": "application/xml"})))
    with pytest.raises(AccessDeniedError, match="/k: access denied"):
        through_proxy.delete(["k"])


def test_a_listing_that_never_ends_is_noticed(through_proxy, proxy):
    body = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>again</NextContinuationToken></ListBucketResult>"
    )
    answer = Answer(status=200, body=body, headers={"Content-Type": "application/xml"})
    proxy.add(Rule(method="GET", fault=answer, count=None))
    with pytest.raises(StorageError, match="the same page again"):
        list(through_proxy.walk("p"))


def test_a_store_that_lists_what_lies_elsewhere_is_not_believed(through_proxy, proxy):
    body = b"<ListBucketResult><Contents><Key>../q/x</Key><Size>1</Size></Contents></ListBucketResult>"
    proxy.add(Rule(method="GET", fault=Answer(status=200, body=body, headers={"Content-Type": "application/xml"})))
    with pytest.raises(StorageError, match="not below it"):
        list(through_proxy.walk("p"))


def test_notes_that_can_not_be_read_are_left_alone(storage, context, watch, large_file):
    folder = context.state_folder / "open-uploads"
    folder.mkdir(parents=True)
    (folder / "torn.json").write_text('{"store": ')
    (folder / "list.json").write_text(json.dumps([1]))
    storage.push(large_file, "k", watch=watch)
    assert sorted(path.name for path in folder.iterdir()) == ["list.json", "torn.json"]
