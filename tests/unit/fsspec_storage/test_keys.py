"""Which keys an object store's client takes, and what a server's answer adds to an error."""

from __future__ import annotations

import pytest

from anystore_doe.errors import AccessDeniedError, UnsupportedError
from anystore_doe.fsspec_storage.keys import Keys
from anystore_doe.fsspec_storage.translate import off_by, request_id_of, translated


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "has 0 bytes"),
        ("é" * 513, "has 1026 bytes; the store takes 1 to 1024"),
        ("a\nb", "has control characters"),
        ("a\x85b", "has control characters"),
        ("a\ud800b", "is not valid Unicode"),
        ("a/../b", "has '.' or '..' as a part"),
    ],
)
def test_a_key_that_can_not_travel_is_refused(key, words):
    with pytest.raises(UnsupportedError, match=f"the key {words}"):
        Keys("s3://b").check_key("push", key)


@pytest.mark.parametrize("key", ["a", "a//b", "a/...", " a b?#%20", "é" * 512, "p/"])
def test_any_other_key_is_taken_as_it_is(key):
    keys = Keys("s3://b")
    assert keys.check_key("push", key) == key
    assert keys.url_of(key) == f"s3://b/{key}"


@pytest.mark.parametrize(
    ("code", "request_id", "said"),
    [
        ("AccessDenied", "44A", " (AccessDenied, request 44A)"),
        ("AccessDenied", "", " (AccessDenied)"),
        ("", "44A", " (request 44A)"),
        ("", "", ""),
        ("x\x1b[2J", "", " (x\\x1b[2J)"),
    ],
)
def test_what_a_server_calls_it_is_added_and_kept_apart(code, request_id, said):
    error = AccessDeniedError("stat", "s3://b/k").answered(code, request_id)
    assert str(error) == f"stat s3://b/k: access denied{said}"
    assert error.sentence == "stat s3://b/k: access denied"
    assert error.request_id == request_id


def test_a_name_of_any_length_is_cut():
    assert len(str(AccessDeniedError("stat", "s3://b/k").answered("x" * 9999, "y" * 9999))) < 500


def test_every_protocols_name_of_the_request_is_found():
    assert request_id_of({"x-ms-request-id": "1", "server": "x"}) == "1"
    assert request_id_of({"x-amz-request-id": ""}) == ""


def test_an_answer_to_https_is_named_too():
    error = OSError("no")
    error.status, error.headers = 503, {"X-Amz-Request-Id": "44A"}
    assert str(translated(error, "fetch", "https://h/k")).endswith("(503, request 44A)")


def test_a_clock_without_a_date_to_compare_it_with_is_off():
    assert off_by({}) == off_by({"date": "yesterday"}) == "off"
