"""No more rights than promised: read and list the inputs, read, list and write the outputs; nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sweeping import BUCKET, EXECUTORS, Desk, S3Bucket

from anystore_doe.testing.faults import Rule, s3_error
from anystore_doe.testing.proxy import FaultProxy
from anystore_doe.testing.servers import MotoServer, ServerMissingError, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def strict() -> Iterator[MotoServer]:
    """A server that enforces IAM."""
    try:
        with start_moto() as server:
            server.make_bucket(BUCKET)
            server.enforce_iam()
            yield server
    except ServerMissingError as error:
        require(str(error))


def narrow(bucket: str, prefix: str) -> dict[str, object]:
    def allow(actions: list[str], resource: str) -> dict[str, object]:
        return {"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{bucket}{resource}"}

    statements = [
        allow(["s3:ListBucket"], ""),
        allow(["s3:GetObject"], f"/{prefix}/in/*"),
        allow(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], f"/{prefix}/out/*"),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_failing_and_trying_again_needs_no_right_to_delete(strict: MotoServer, tmp_path: Path, executor: str) -> None:
    bucket = S3Bucket(strict, uuid4().hex)
    key, secret = strict.make_user(bucket.prefix, narrow(BUCKET, bucket.prefix))
    rights = {**bucket.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    desk = Desk(tmp_path, rights, executor)
    case = bucket.put("in/case.txt", b"case")
    desk.write("runs.csv", "n\n1\n2\n")
    desk.write("run.sh", f"cat case.txt > a.out\nseq $n > b.out\ntest $n = 1 || test -e {tmp_path}/mended\n")
    words = ("run", "runs.csv", "-t", "run.sh", "-i", case, "-o", f"{bucket.url}/out", "--push-failed")
    desk(*words, exit_code=1)
    assert bucket.get("out/0002/b.out") == b"1\n2\n"
    (tmp_path / "mended").touch()
    desk(*words)
    assert bucket.get("out/0002/_anystore/commit.json")
    assert "2 done before" in desk(*words).stdout


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_right_to_list_may_be_for_the_prefixes_only(moto: MotoServer, tmp_path: Path, executor: str) -> None:
    """S3 hides from such a user whether an object that can not be read is there: 403 where others get 404."""
    bucket = S3Bucket(moto, uuid4().hex)
    with FaultProxy(moto.endpoint_url) as proxy:
        desk = Desk(tmp_path, {**bucket.environ, "AWS_ENDPOINT_URL": proxy.url}, executor)
        desk.write("runs.csv", "n\n1\n")
        denied = s3_error(403, "AccessDenied")  # each once: then it is there
        proxy.add(Rule(method="GET", path="*/commit.json", fault=denied))
        proxy.add(Rule(method="HEAD", path="*/big.out", fault=denied))
        proxy.add(Rule(method="GET", path="*/big.out", fault=denied))
        words = ("run", "runs.csv", "-o", f"{bucket.url}/out", "--", "sh", "-c", "head -c 20000000 /dev/zero > big.out")
        desk(*words)
        proxy.clear()
        assert "1 done before" in desk(*words).stdout
        assert len(bucket.get("out/0001/big.out")) == 20_000_000
