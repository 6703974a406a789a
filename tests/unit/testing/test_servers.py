"""The moto server is a process of its own that comes up, tells what it was asked, checks IAM when told, and ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anystore_doe.testing.servers import ServerMissingError, require, start_moto
from anystore_doe.testing.servers import moto as moto_module

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def moto():
    try:
        server = start_moto()
    except ServerMissingError as missing:
        require(str(missing))
    with server:
        yield server


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_keeps_objects_and_tells_requests_and_open_uploads(moto):
    bucket = moto.make_bucket("kit-objects")
    with moto.client() as s3:
        s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        assert moto.open_uploads(bucket) == ["big"]
        s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
        assert moto.open_uploads(bucket) == []
    assert ("PUT", "/kit-objects/a%20b", 200) in moto.requests()


def test_it_ends_with_its_context_and_leaves_no_log():
    with start_moto() as server:
        pid, log = server.pid, server._log
        assert Path(f"/proc/{pid}").exists()
    assert gone(pid)
    assert not log.exists()


def test_it_ends_when_its_starter_is_killed():
    code = "from anystore_doe.testing import start_moto; print(start_moto().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        pid = int(starter.stdout.readline())
        starter.kill()
    assert gone(pid)


def test_iam_lets_the_administrator_in_and_a_user_only_where_its_policy_says():
    from botocore.exceptions import ClientError

    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::kit-iam/yes/*"}
    with start_moto(iam=True) as server:
        server.make_bucket("kit-iam")
        with server.client() as s3:
            for key in ("yes/a", "no/a"):
                s3.put_object(Bucket="kit-iam", Key=key, Body=b"x")
        access, secret = server.make_user("reader", {"Version": "2012-10-17", "Statement": [allow]})
        with server.client(access_key=access, secret_key=secret) as s3:
            assert s3.get_object(Bucket="kit-iam", Key="yes/a")["Body"].read() == b"x"
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.get_object(Bucket="kit-iam", Key="no/a")
        with server.client(access_key=access, secret_key="wrong") as s3, pytest.raises(ClientError, match="Signature"):
            s3.get_object(Bucket="kit-iam", Key="yes/a")


def test_a_missing_server_says_what_to_install(monkeypatch):
    monkeypatch.setattr(moto_module, "find_spec", lambda name: None)
    with pytest.raises(ServerMissingError, match="pip install 'moto"):
        start_moto()


def test_a_server_that_does_not_come_up_shows_its_log(monkeypatch):
    monkeypatch.setattr(moto_module, "_MAIN", "raise SystemExit('no port for you')")
    with pytest.raises(ServerMissingError, match="no port for you"):
        start_moto()


@pytest.mark.parametrize(("value", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_server_skips_here_and_fails_where_servers_are_required(monkeypatch, value, outcome):
    monkeypatch.setenv("ANYSTORE_DOE_REQUIRE_SERVERS", value)
    with pytest.raises(outcome, match="not there"):
        require("not there")


def test_the_server_gets_none_of_the_callers_credentials(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    with start_moto() as server:
        assert b"canary" not in Path(f"/proc/{server.pid}/environ").read_bytes()
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "canary"
