"""The printed policies, judged by a simulator of IAM: all that a sweep asks is allowed, what lies beside it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_rights import ME, Asked, asked, decisions, lint, listing, on_key
from rights_sweep import (
    GONE,
    INPUT,
    OUTPUT,
    PREFIX,
    UNLISTABLE,
    UNREADABLE,
    UNWRITABLE,
    desk_for,
    go_on,
    printed,
    replace,
    run,
)
from sweeping import BUCKET, Desk, S3Bucket

from anystore_doe.testing import FaultProxy, Rule, s3_error

if TYPE_CHECKING:
    from anystore_doe.testing.servers import MotoServer

OTHER_ACCOUNT = "210987654321"


@dataclass(frozen=True)
class Recorded:
    """What a sweep asked for, without and with deletions, and the policies that were printed for it."""

    trace: list[Asked]
    deletions: list[Asked]
    policy: dict[str, Any]
    with_delete: dict[str, Any]
    bucket_policy: dict[str, Any]

    def only(self, action: str) -> list[Asked]:
        return [one for one in self.trace if one.action == action]


@pytest.fixture(scope="module")
def recorded(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a sweep of two rows; one fails and is tried again, then both are replaced."""
    bucket = S3Bucket(moto, PREFIX)
    desk = desk_for(bucket, tmp_path_factory.mktemp("desk"))
    begun = len(moto.requests())
    _run_as_a_narrow_user_sees_it(desk, moto)
    go_on(desk)
    replaced = len(moto.requests())
    replace(desk)
    return Recorded(
        trace=asked(moto.requests()[begun:replaced]),
        deletions=asked(moto.requests()[replaced:], deleted=[f"{PREFIX}/{path}" for path in GONE]),
        policy=json.loads(printed(desk)),
        with_delete=json.loads(printed(desk, "--with-delete")),
        bucket_policy=json.loads(printed(desk, "--form", "bucket-policy", "--principal", ME)),
    )


def _run_as_a_narrow_user_sees_it(desk: Desk, moto: MotoServer) -> None:
    """Run with one failure; to who may list some prefixes only, S3 denies what is not there instead of saying so."""
    with FaultProxy(moto.endpoint_url) as proxy:
        for path in ("*/commit.json", "*/big.h5"):
            proxy.add(Rule(method="GET", path=path, fault=s3_error(403, "AccessDenied")))
            proxy.add(Rule(method="HEAD", path=path, fault=s3_error(403, "AccessDenied")))
        run(Desk(desk.folder, {**desk.environ, "AWS_ENDPOINT_URL": proxy.url}))


def test_the_trace_has_everything_that_a_sweep_does(recorded: Recorded) -> None:
    assert {one.action for one in recorded.trace} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    prefixes = {one.context["s3:prefix"] for one in recorded.only("s3:ListBucket")}
    assert f"{PREFIX}/mesh/" in prefixes
    assert f"{PREFIX}/output/hsdi/" in prefixes
    assert any(prefix.endswith("/_anystore/commit.json") for prefix in prefixes)  # whichever run was looked at first
    assert len(recorded.trace) > 50
    assert {"s3:DeleteObject"} == {one.action for one in recorded.deletions} - {one.action for one in recorded.trace}


def test_every_request_of_the_sweep_is_allowed(recorded: Recorded) -> None:
    assert set(decisions(recorded.trace, identity=[recorded.policy])) == {"Allowed"}
    assert set(decisions(recorded.deletions, identity=[recorded.with_delete])) == {"Allowed"}


def test_deletions_are_denied_unless_they_were_asked_for(recorded: Recorded) -> None:
    deletions = [one for one in recorded.deletions if one.action == "s3:DeleteObject"]
    assert len(deletions) >= 4
    assert set(decisions(deletions, identity=[recorded.policy])) == {"ImplicitlyDenied"}


def test_across_accounts_both_sides_allow_the_sweep_and_neither_does_alone(recorded: Recorded) -> None:
    both = decisions(recorded.trace, identity=[recorded.policy], bucket=recorded.bucket_policy, owner=OTHER_ACCOUNT)
    assert set(both) == {"Allowed"}
    one = decisions(recorded.trace, identity=[recorded.policy], owner=OTHER_ACCOUNT)
    other = decisions(recorded.trace, bucket=recorded.bucket_policy, owner=OTHER_ACCOUNT)
    assert "Allowed" not in {*one, *other}


OUTSIDE = [
    *(on_key("s3:GetObject", BUCKET, key) for key in UNREADABLE),
    *(on_key("s3:PutObject", BUCKET, key) for key in UNWRITABLE),
    *(listing(BUCKET, prefix) for prefix in UNLISTABLE),
    Asked("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
    *(on_key(f"s3:{action}", BUCKET, f"{OUTPUT}/thermo.out") for action in (
        "DeleteObject", "PutObjectAcl", "GetObjectVersion", "PutObjectRetention", "RestoreObject",
    )),
    on_key("s3:GetObject", f"{BUCKET}-2", INPUT),
    on_key("s3:PutObject", "another-bucket", f"{OUTPUT}/thermo.out"),
    *(Asked(f"s3:{action}", f"arn:aws:s3:::{BUCKET}") for action in (
        "DeleteBucket", "PutBucketPolicy", "GetBucketPolicy", "ListBucketVersions",
    )),
]  # fmt: skip


def test_the_requests_outside_are_forty_and_differ() -> None:
    assert len({one.words for one in OUTSIDE}) == 40


@pytest.mark.parametrize("form", ["identity", "bucket"])
def test_every_request_outside_the_sweep_is_denied(recorded: Recorded, form: str) -> None:
    if form == "identity":
        answers = decisions(OUTSIDE, identity=[recorded.policy])
    else:  # in the same account the bucket's policy alone would do
        answers = decisions(OUTSIDE, bucket=recorded.bucket_policy)
    assert [one.words for one, answer in zip(OUTSIDE, answers, strict=True) if answer != "ImplicitlyDenied"] == []


def test_the_linter_finds_nothing(recorded: Recorded) -> None:
    for policy in (recorded.policy, recorded.with_delete, recorded.bucket_policy):
        assert lint(policy) == []
