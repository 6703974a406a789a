"""Errors show no secret of the URL they are about, not in foreign words either."""

import pytest

from anystore_doe.errors import StorageError, masked_url, safe_url


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("s3://bucket/a:b@c?d", "s3://bucket/a:b@c?d"),
        ("s3://AKIA1@bucket/x", "s3://***@bucket/x"),
        ("s3://AKIA1:wJa/K7/b@bucket/x", "s3://***@bucket/x"),
        ("abfss://c@acc.dfs.core.windows.net/x", "abfss://c@acc.dfs.core.windows.net/x"),
        ("abfss://c:key@acc.dfs.core.windows.net/x", "abfss://***@acc.dfs.core.windows.net/x"),
        ("http://host:80/x?Signature=k/y", "http://host:80/x?***"),
        ("HTTPS://host?Signature=k", "HTTPS://host?***"),
        ("a/path:b@c", "a/path:b@c"),
    ],
)
def test_what_may_be_a_secret_is_masked(url, masked):
    assert masked_url(url) == masked


def test_a_message_escapes_what_data_keeps():
    assert (masked_url("s3://b/\x1b"), safe_url("s3://b/\x1b")) == ("s3://b/\x1b", "s3://b/\\x1b")


@pytest.mark.parametrize(
    ("url", "detail", "said"),
    [
        ("s3://AKIA1@b/x", 'Invalid bucket name "AKIA1@b": no', 'Invalid bucket name "***@b": no'),
        (
            "http://h/x?Signature=ab%2Fc",
            "404, url='http://h/x?Signature=ab/c' after http://h/x?Signature=ab%2Fc",
            "404, url='http://h/x?***' after http://h/x?***",
        ),
        ("http://h/x?Signature=abc", "asked for /x?Signature=abc", "asked for /x?***"),
        ("s3://b/x", "proxy http://me:geheim@proxy:80 said 407", "proxy http://***@proxy:80 said 407"),
        ("s3://b/x?y", "no x?y; is it 12:30 me@home?", "no x?y; is it 12:30 me@home?"),
    ],
)
def test_foreign_words_are_scrubbed_of_the_secrets_of_urls(url, detail, said):
    error = StorageError("stat", url, detail, hint=detail)
    assert (error.detail, error.hint) == (said, said)
    assert error.message == f"stat {safe_url(url)}: {said}"
