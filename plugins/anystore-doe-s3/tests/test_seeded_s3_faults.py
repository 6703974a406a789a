"""The suite of HTTP faults notices: each storage has one bug, the test named beside it fails on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from anystore_doe_s3.errors import asked_pause_s
from anystore_doe_s3.options import S3Options
from anystore_doe_s3.storage import S3Storage

from anystore_doe.contract import Place
from anystore_doe.errors import AccessDeniedError, CancelledTransferError, CredentialsError, StorageError
from anystore_doe.testing import HttpFaultsContract, s3_error
from anystore_doe.testing.fixtures import quick
from anystore_doe.testing.seeded import Bugs

QUICK = quick(asked_pause_s)


class Seeded(HttpFaultsContract):
    subject = S3Storage
    expired = s3_error(400, "ExpiredToken")
    denied = s3_error(403, "AccessDenied")

    @pytest.fixture
    def place(self, proxy, bucket, context):
        storage = self.subject(f"s3://{bucket}", S3Options(endpoint_url=proxy.url), context, policy=QUICK)
        yield Place(storage=storage, key="kit")
        storage.close()


BUGS = Bugs(globals(), Seeded)


@BUGS.caught_by("test_a_fetch_outlives_what_passes[503]")
class TriesOnce(S3Storage):
    def __init__(self, url, options, context, *, policy):
        super().__init__(url, options, context, policy=dataclasses.replace(policy, attempts=1))


@BUGS.caught_by("test_a_push_outlives_what_passes[429]")
class TakesThrottlingForFinal(S3Storage):
    def push(self, *arguments, **more):
        self._client.policy = dataclasses.replace(self._client.policy, attempts=1)
        return super().push(*arguments, **more)


@BUGS.caught_by("test_a_flipped_bit_is_noticed_and_fetched_again")
class ComparesNoChecksum(S3Storage):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        head = self._client.head

        async def blind(key, **given):
            return dataclasses.replace(await head(key, **given), checksums={})

        self._client.head = blind


@BUGS.caught_by("test_an_object_that_is_swapped_mid_body_is_never_mixed")
class ReadsUnpinned(S3Storage):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        ranged, head = self._client.range, self._client.head
        self._client.range = lambda key, start, end, *, pin: ranged(key, start, end, pin=None)

        async def blind(key, **given):
            return dataclasses.replace(await head(key, **given), checksums={})

        self._client.head = blind


@BUGS.caught_by("test_a_body_that_is_always_cut_leaves_what_was_there")
class EmptiesDestFirst(S3Storage):
    def fetch(self, key, dest, *, pin=None, watch):
        dest.write_bytes(b"")
        return super().fetch(key, dest, pin=pin, watch=watch)


@BUGS.caught_by("test_a_creation_whose_reply_is_lost_is_known_as_ours")
class NeverLooksAgain(S3Storage):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        writer = self._writer
        until = writer.until_known

        async def nothing():
            return None

        writer.until_known = lambda key, once, written, condition: until(key, once, nothing, condition)


@BUGS.caught_by("test_a_creation_that_was_refused_by_a_race_is_not_ours")
class TakesAnyObjectForItsOwn(S3Storage):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        writer, client = self._writer, self._client
        until = writer.until_known

        def careless(key, once, written, condition):
            return until(key, once, lambda: client.head(key), condition)

        writer.until_known = careless


@BUGS.caught_by("test_expired_credentials_are_said_and_not_tried_again")
class TakesExpiredForDown(S3Storage):
    def stat(self, key):
        try:
            return super().stat(key)
        except CredentialsError as error:
            raise StorageError("stat", self.url_of(key), "no answer", retryable=True) from error


@BUGS.caught_by("test_a_refusal_says_where_and_what_the_server_calls_it_and_the_request")
class KeepsTheServersWordsToItself(S3Storage):
    def stat(self, key):
        try:
            return super().stat(key)
        except AccessDeniedError as error:
            raise AccessDeniedError("stat", self.url_of(key), error.detail, hint=error.hint) from error


@BUGS.caught_by("test_a_request_that_the_server_does_not_name_has_no_name")
class MakesUpARequest(S3Storage):
    def stat(self, key):
        try:
            return super().stat(key)
        except AccessDeniedError as error:
            raise AccessDeniedError("stat", self.url_of(key), error.detail).answered(error.code, "unknown") from error


@BUGS.caught_by("test_a_server_that_hangs_does_not_keep_a_cancelled_fetch")
class LeavesAPartWhenCancelled(S3Storage):
    def fetch(self, key, dest, *, pin=None, watch):
        try:
            return super().fetch(key, dest, pin=pin, watch=watch)
        except CancelledTransferError:
            dest.with_suffix(".part").write_bytes(b"")
            raise


@BUGS.caught_by("test_a_store_that_stays_down_is_given_up")
class NamesNoUrl(S3Storage):
    def push(self, source, key, **more):
        try:
            return super().push(source, key, **more)
        except StorageError as error:
            raise StorageError("push", self.url, "no answer", retryable=True) from error


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return BUGS.outcomes(Path(__file__), tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("name", BUGS.caught)
def test_the_suite_catches_the_bug(outcomes, name):
    assert "failure" in outcomes[name], f"{BUGS.caught[name]} does not notice {name}"
    assert "error" not in outcomes[name], f"{name} fails outside of its test"


def test_without_a_bug_the_same_tests_pass(outcomes):
    assert outcomes["Seeded"] <= {"passed", "skipped"}
