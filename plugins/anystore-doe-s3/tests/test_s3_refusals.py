"""What is said when the store refuses: the right region and its settings line, a clock that is off, its own words."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from anystore_doe.errors import CredentialsError, ObjectNotFoundError, StorageError
from anystore_doe.testing import Answer, Rule, s3_error
from anystore_doe.testing.faults import REQUEST_ID

REGION = {"x-amz-bucket-region": "eu-west-1"}
MALFORMED = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"


def with_headers(answer: Answer, headers: dict[str, str]) -> Answer:
    return Answer(status=answer.status, body=answer.body, headers={**answer.headers, **headers})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (with_headers(s3_error(301, "PermanentRedirect"), REGION), "PermanentRedirect"),
        (
            s3_error(400, "AuthorizationHeaderMalformed", message=MALFORMED, more="<Region>eu-west-1</Region>"),
            "AuthorizationHeaderMalformed",
        ),
    ],
    ids=["301", "400"],
)
def test_the_right_region_is_named_with_the_settings_line(through_proxy, proxy, bucket, watch, answer, code):
    proxy.add(Rule(fault=answer, count=None))
    for attempt in (
        lambda: through_proxy.stat("k"),
        lambda: through_proxy.read("k"),
        lambda: list(through_proxy.walk("p")),
        lambda: through_proxy.push(b"x", "k", watch=watch),
    ):
        with pytest.raises(StorageError, match="the bucket is in region eu-west-1") as raised:
            attempt()
        assert f'set region = "eu-west-1" under [storage."s3://{bucket}/"] in sweep.toml' in raised.value.hint
        assert f"endpoint_url of that region, not {proxy.url}" in raised.value.hint
        assert f"({code}, request {REQUEST_ID})" in str(raised.value)
        assert (raised.value.exit_code, raised.value.retryable) == (5, False)


def test_a_region_that_is_none_is_not_named(through_proxy, proxy):
    odd = s3_error(400, "AuthorizationHeaderMalformed", more="<Region>EU</Region>")
    proxy.add(Rule(fault=odd, count=None))
    with pytest.raises(StorageError) as raised:
        through_proxy.read("k")
    assert raised.value.hint.startswith("set region under ")


@pytest.mark.parametrize(("off_s", "words"), [(1200, "20 minutes behind"), (-1200, "20 minutes ahead of"), (0, "off")])
def test_a_clock_that_is_off_is_said_by_how_much(through_proxy, proxy, off_s, words):
    now = {"Date": formatdate(time.time() + off_s, usegmt=True)}
    proxy.add(Rule(fault=with_headers(s3_error(403, "RequestTimeTooSkewed"), now), count=None))
    for attempt in (lambda: through_proxy.stat("k"), lambda: through_proxy.read("k")):
        with pytest.raises(CredentialsError, match=f"the clock of this machine is {words}") as raised:
            attempt()
        assert "clock" in raised.value.hint
        assert raised.value.exit_code == 4


def test_the_servers_own_name_of_the_request_is_said(storage):
    with pytest.raises(ObjectNotFoundError, match=r"there is no such object \((404|NoSuchKey), request \w+\)$"):
        storage.read("absent")


def test_a_bucket_that_is_not_there_is_never_made(open_at, moto, watch):
    nowhere = open_at(moto.endpoint_url, root="s3://no-such-bucket-here")
    with pytest.raises(ObjectNotFoundError, match="no bucket 'no-such-bucket-here' \\(NoSuchBucket, request") as raised:
        nowhere.push(b"", "k", watch=watch)
    assert raised.value.exit_code == 3
    with moto.client() as s3:
        assert "no-such-bucket-here" not in [found["Name"] for found in s3.list_buckets()["Buckets"]]
