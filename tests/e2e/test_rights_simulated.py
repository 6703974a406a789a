"""The printed policies, judged by a simulator of IAM: all that a sweep asks is allowed, what lies beside it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_rights import ME, Asked, asked, decisions, lint, listing, on_key
from sweeping import BUCKET, Desk, S3Bucket, zipped

from anystore_doe.testing import FaultProxy, Rule, s3_error

if TYPE_CHECKING:
    from anystore_doe.testing.servers import MotoServer

PREFIX = "rights"
OTHER_ACCOUNT = "210987654321"
RUN_SH = """\
#!/usr/bin/env bash
set -e
cat *.in > thermo.out
head -c 17000000 /dev/zero > big.h5
[[ $s3_output != */pintle* || -e $HOME/mended ]]
"""


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
    """Record a sweep of two rows: an archive each, a tree and a file; one fails and is tried again, then replaced."""
    bucket, folder = S3Bucket(moto, PREFIX), tmp_path_factory.mktemp("desk")
    for name in ("hsdi", "pintle"):
        bucket.put(f"input/{name}.zip", zipped({f"{name}.in": f"case {name}\n"}))
    for path in ("mesh/a.dat", "mesh/sub/b.dat", "mech [v1].dat"):
        bucket.put(path, b"0 1 2\n")
    desk, url = Desk(folder, bucket.environ), bucket.url
    rows = [f"{url}/input/{name}.zip,{url}/mesh/,{url}/output/{name}/" for name in ("hsdi", "pintle")]
    desk.write(
        "inputs.csv", "\n".join(["s3_input,mesh_input,s3_output", *rows, ""]).replace("/mesh/,", "/mech [v1].dat,", 1)
    )
    desk.write("run.sh", RUN_SH)
    begun = len(moto.requests())
    words = ("inputs.csv", "-t", "run.sh", "--slots", "2")
    _as_a_narrow_user_sees_it(desk, moto, *words)
    (folder / "mended").touch()
    desk("run", *words)
    desk("run", *words)
    for command in ("status", "results"):
        desk(command, "inputs.csv")
    desk("logs", "0001", "inputs.csv")
    replaced = len(moto.requests())
    desk.write("run.sh", RUN_SH.replace("big.h5", "small.h5").replace("17000000", "17"))
    desk("run", *words, "--overwrite")
    gone = [
        f"{PREFIX}/output/{name}/{path}" for name in ("hsdi", "pintle") for path in ("_anystore/commit.json", "big.h5")
    ]
    return Recorded(
        trace=asked(moto.requests()[begun:replaced]),
        deletions=asked(moto.requests()[replaced:], deleted=gone),
        policy=printed(desk),
        with_delete=printed(desk, "--with-delete"),
        bucket_policy=printed(desk, "--form", "bucket-policy", "--principal", ME),
    )


def _as_a_narrow_user_sees_it(desk: Desk, moto: MotoServer, *words: str) -> None:
    """Run with one failure; to who may list some prefixes only, S3 denies what is not there instead of saying so."""
    with FaultProxy(moto.endpoint_url) as proxy:
        for path in ("*/commit.json", "*/big.h5"):
            proxy.add(Rule(method="GET", path=path, fault=s3_error(403, "AccessDenied")))
            proxy.add(Rule(method="HEAD", path=path, fault=s3_error(403, "AccessDenied")))
        Desk(desk.folder, {**desk.environ, "AWS_ENDPOINT_URL": proxy.url})("run", *words, exit_code=1)


def printed(desk: Desk, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(desk("policy", "inputs.csv", "-t", "run.sh", *words).stdout)
    return document


def test_the_trace_has_everything_that_a_sweep_does(recorded: Recorded) -> None:
    assert {one.action for one in recorded.trace} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    prefixes = {one.context["s3:prefix"] for one in recorded.only("s3:ListBucket")}
    assert f"{PREFIX}/mesh/" in prefixes
    assert f"{PREFIX}/output/hsdi/" in prefixes
    assert f"{PREFIX}/output/hsdi/_anystore/commit.json" in prefixes
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


OUTPUT, INPUT = f"{PREFIX}/output/hsdi", f"{PREFIX}/input/hsdi.zip"
OUTSIDE = [
    *(on_key("s3:GetObject", BUCKET, key) for key in (
        "secret", f"{PREFIX}/input/other.zip", f"{INPUT}.bak", f"{INPUT}/x", f"{PREFIX}/input/", f"{PREFIX}/mesh",
        f"{PREFIX}/mesh2/a.dat", f"{PREFIX}/mech v.dat", f"{OUTPUT}2/thermo.out", OUTPUT, f"{PREFIX}/output/other/x",
        f"other/{INPUT}", f"{PREFIX}/INPUT/hsdi.zip",
    )),
    *(on_key("s3:PutObject", BUCKET, key) for key in (
        INPUT, f"{PREFIX}/mesh/a.dat", f"{PREFIX}/mech [v1].dat", f"{PREFIX}/output/x", OUTPUT, f"{OUTPUT}2/x", "x",
    )),
    *(listing(BUCKET, prefix) for prefix in (
        "", PREFIX, f"{PREFIX}/", f"{PREFIX}/input/", f"{PREFIX}/mesh", f"{PREFIX}/output/", OUTPUT, f"{OUTPUT}2/",
    )),
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
