"""The printed policy is enough for the sweep it was printed for, on a server that enforces it, and not too much."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aws_rights import asked
from sweeping import BUCKET, Desk, S3Bucket, zipped

from anystore_doe.testing.servers import MotoServer, ServerMissingError, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
POLICY = ("policy", "inputs.csv", "-t", "run.sh")


@pytest.fixture(scope="module")
def strict() -> Iterator[MotoServer]:
    """A server that enforces IAM: actions and resources; conditions on ``s3:prefix`` it lets through."""
    try:
        with start_moto() as server:
            server.make_bucket(BUCKET)
            server.enforce_iam()
            yield server
    except ServerMissingError as error:
        require(str(error))


class Article:
    """The article's two cases below a prefix of their own, and a desk without any credentials."""

    def __init__(self, server: MotoServer, folder: Path) -> None:
        self.server = server
        self.bucket = S3Bucket(server, uuid4().hex)
        for name in ("hsdi", "pintle"):
            self.bucket.put(f"input/{name}.zip", zipped({"inputs.in": f"case {name}\n"}))
        self.nobody = Desk(folder, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"})
        url = self.bucket.url
        rows = [f"{url}/input/{name}.zip,{url}/output/{name}/" for name in ("hsdi", "pintle")]
        self.nobody.write("inputs.csv", "\n".join(["s3_input,s3_output", *rows, ""]))
        self.script("tr a-z A-Z < inputs.in > thermo.out\n")

    def script(self, text: str) -> None:
        self.nobody.write("run.sh", f"#!/usr/bin/env bash\nset -e\n{text}")

    def policy(self, *words: str) -> dict[str, Any]:
        """Return what ``policy`` prints, without a store that could be asked."""
        document: dict[str, Any] = json.loads(self.nobody(*POLICY, *words).stdout)
        return document

    def desk(self, policy: dict[str, Any]) -> Desk:
        """Return a desk whose keys have exactly these rights."""
        key, secret = self.server.make_user(uuid4().hex, policy)
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        return Desk(self.nobody.folder, {**self.bucket.environ, **keys})


@pytest.fixture
def article(strict: MotoServer, tmp_path: Path) -> Article:
    return Article(strict, tmp_path)


def granted(policy: dict[str, Any]) -> list[tuple[int, str]]:
    return [(n, action) for n, one in enumerate(policy["Statement"]) for action in one["Action"]]


def without(policy: dict[str, Any], statement: int, action: str) -> dict[str, Any]:
    left = copy.deepcopy(policy)
    left["Statement"][statement]["Action"].remove(action)
    left["Statement"] = [one for one in left["Statement"] if one["Action"]]
    return left


def test_the_articles_sweep_passes_with_exactly_the_printed_policy(article: Article) -> None:
    desk = article.desk(article.policy())
    begun = len(article.server.requests())
    assert "2 to run" in desk("plan", *RUN[1:]).stdout
    assert "2 committed" in desk(*RUN).stdout
    assert "2 done before" in desk(*RUN).stdout
    assert desk("status", "inputs.csv").stdout.count("committed") >= 2
    assert article.bucket.get("output/pintle/thermo.out") == b"CASE PINTLE\n"
    trace = article.server.requests()[begun:]
    assert 403 not in {status for _, _, status in trace}
    assert {one.action for one in asked(trace)} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}


USED = [
    (0, "s3:GetObject", "input/hsdi.zip"),
    (1, "s3:GetObject", "output/hsdi/"),
    (1, "s3:PutObject", "output/hsdi/"),
    (2, "s3:ListBucket", ""),
]


@pytest.mark.parametrize(("statement", "action", "where"), USED, ids=[f"{one[1]}-{one[2]}" for one in USED])
def test_without_one_action_that_the_sweep_uses_it_fails_and_names_it(
    article: Article, statement: int, action: str, where: str
) -> None:
    whole = article.policy()
    assert (statement, action) in granted(whole)
    desk = article.desk(without(whole, statement, action))
    if where == "output/hsdi/" and action == "s3:GetObject":  # a first run finds nothing there that it had to read
        desk(*RUN)
    failed = desk(*RUN, exit_code=4)
    arn = f"arn:aws:s3:::{BUCKET}/{article.bucket.prefix}/{where}" if where else f"arn:aws:s3:::{BUCKET}"
    assert f"allow {action} on {arn}" in failed.stdout + failed.stderr


def test_deleting_is_granted_on_demand_and_replaces_a_committed_run(article: Article) -> None:
    wide = article.policy("--with-delete")
    assert without(wide, 1, "s3:DeleteObject") == article.policy()
    # moto asks once, about the bucket, where AWS asks about each key: test_rights_simulated asks about the keys.
    asks = {"Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": [f"arn:aws:s3:::{BUCKET}"]}
    narrow, user = article.desk(article.policy()), article.desk({**wide, "Statement": [*wide["Statement"], asks]})
    narrow(*RUN)
    article.script("cat inputs.in > other.out\n")
    refused = narrow(*RUN, "--overwrite", exit_code=4)
    assert f"allow s3:DeleteObject on arn:aws:s3:::{BUCKET}/{article.bucket.prefix}/output/" in refused.stdout
    assert article.bucket.get("output/hsdi/thermo.out") == b"CASE HSDI\n"
    user(*RUN, "--overwrite")
    assert article.bucket.get("output/hsdi/other.out") == b"case hsdi\n"
    assert "output/hsdi/thermo.out" not in article.bucket.paths("output/hsdi/")
