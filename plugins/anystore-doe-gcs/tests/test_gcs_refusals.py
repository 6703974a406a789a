"""What is said when the store refuses: its own words and name of the request, and what has vanished meanwhile."""

from __future__ import annotations

import pytest

from anystore_doe.errors import AccessDeniedError, InputChangedError, ObjectNotFoundError, StorageError
from anystore_doe.testing import Rule, gcs_error
from anystore_doe.testing.faults import REQUEST_ID


def test_what_the_store_calls_it_and_the_request_are_said(through_proxy, proxy, watch):
    proxy.add(Rule(fault=gcs_error(429, "rateLimitExceeded"), count=None))
    with pytest.raises(StorageError, match=rf"\(rateLimitExceeded, request {REQUEST_ID}\)$") as raised:
        through_proxy.push(b"", "k", watch=watch)
    assert (raised.value.exit_code, raised.value.retryable) == (5, True)


def test_what_names_an_upload_session_is_not_shown(through_proxy, proxy, watch, large_file):
    """Within a session the header holds the session's own name, and who knows that may write the object."""
    proxy.add(Rule(method="PUT", fault=gcs_error(403, "forbidden"), count=None))
    with pytest.raises(AccessDeniedError, match=r"\(forbidden\)$") as raised:
        through_proxy.push(large_file, "k", watch=watch)
    assert REQUEST_ID not in f"{raised.value} {raised.value!r} {raised.value.hint} {raised.value.request_id}"


def test_a_generation_that_vanished_between_plan_and_fetch_is_a_change(storage, tmp_path, watch):
    pin = storage.push(b"planned", "k", watch=watch).pin
    dest = tmp_path / "dest"
    dest.write_bytes(b"mine")
    storage.delete(["k"])
    with pytest.raises(InputChangedError, match=f"generation {pin} -> none") as raised:
        storage.fetch("k", dest, pin=pin, watch=watch)
    assert raised.value.exit_code == 6
    assert dest.read_bytes() == b"mine"
    new = storage.push(b"another", "k", watch=watch).pin
    with pytest.raises(InputChangedError, match=f"generation {pin} -> {new}"):
        storage.fetch("k", dest, pin=pin, watch=watch)


def test_a_bucket_that_is_not_there_is_never_made(open_at, proxy, watch):
    nowhere = open_at(proxy.url, root="gs://no-such-bucket-here")
    with pytest.raises(ObjectNotFoundError, match="no bucket 'no-such-bucket-here'") as raised:
        nowhere.push(b"", "k", watch=watch)
    assert raised.value.exit_code == 3
    assert [seen.path for seen in proxy.seen()] == ["/upload/storage/v1/b/no-such-bucket-here/o"]
    with pytest.raises(ObjectNotFoundError):
        list(nowhere.walk())
