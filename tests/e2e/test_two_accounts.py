"""Two accounts of one cloud in one sweep: each prefix has its own credentials, and neither's open the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from clouds import AzureBucket
from sweeping import EXECUTORS, Desk, zipped

from anystore_doe.testing.servers import AzuriteServer, MotoServer, ServerMissingError, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ("run", "runs.csv", "-c", "sweep.toml", "--slots", "1")
SOLVER = ("--", "sh", "-c", "tr a-z A-Z < case.in > case.out")


@pytest.fixture(scope="module")
def strict() -> Iterator[MotoServer]:
    """A server that enforces IAM."""
    try:
        server = start_moto(iam=True)
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


@pytest.fixture(params=EXECUTORS)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    """A desk without any credentials in its environment."""
    return Desk(tmp_path, {"AWS_EC2_METADATA_DISABLED": "true"}, request.param)


def user_of(server: MotoServer, bucket: str) -> tuple[str, str]:
    """Make a bucket, and a user who may do everything in it and nothing elsewhere."""
    server.make_bucket(bucket)
    mine = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return server.make_user(
        uuid4().hex,
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": mine}]},
    )


def test_two_accounts_of_s3(strict: MotoServer, bare: Desk) -> None:
    theirs, ours = f"theirs-{uuid4().hex}", f"ours-{uuid4().hex}"
    profiles = ""
    for name, bucket in (("theirs", theirs), ("ours", ours)):
        key, secret = user_of(strict, bucket)
        profiles += f"[profile {name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    bare.write("keys", profiles)
    with strict.client() as s3:
        s3.put_object(Bucket=theirs, Key="in/case.zip", Body=zipped({"case.in": "diesel\n"}))
    bare.write("runs.csv", f"input,output\ns3://{theirs}/in/case.zip,s3://{ours}/out/\n")
    section = '[storage."s3://{}"]\nendpoint_url = "{}"\nregion = "us-east-1"\nconfig_file = "keys"\nprofile = "{}"\n'
    settings = [
        section.format(bucket, strict.endpoint_url, name) for bucket, name in ((theirs, "theirs"), (ours, "ours"))
    ]
    bare.write("sweep.toml", "".join(settings))
    bare(*RUN, *SOLVER)
    with strict.client() as s3:
        assert s3.get_object(Bucket=ours, Key="out/case.out")["Body"].read() == b"DIESEL\n"

    bare.write("sweep.toml", "".join(settings).replace('profile = "theirs"', 'profile = "ours"'))
    denied = bare(*RUN, "--overwrite", *SOLVER, exit_code=4)
    assert theirs in denied.stdout + denied.stderr


def test_two_accounts_of_azure(azurite: AzuriteServer, bare: Desk) -> None:
    container = f"c{uuid4().hex}"
    theirs = AzureBucket(azurite, container, "in", azurite.other_connection_string)
    ours = AzureBucket(azurite, f"{container}-ours", "out")
    for one in (theirs, ours):
        azurite.make_container(one.container, connection_string=one.connection_string)
    case = theirs.put("case.zip", zipped({"case.in": "diesel\n"}))
    bare.write("runs.csv", f"input,output\n{case},{ours.url}/\n")
    section = '[storage."az://{}"]\nconnection_string_env = "{}"\n'
    settings = section.format(container, "THEIRS") + section.format(ours.container, "OURS")
    if bare.executor == "worker-process":  # it passes nothing on that is not named
        settings += f'[executor]\nname = "{bare.executor}"\npass_env = "THEIRS,OURS"\n'
    bare.write("sweep.toml", settings)
    keys = {"THEIRS": theirs.connection_string, "OURS": ours.connection_string}
    bare(*RUN, *SOLVER[:-1], "env | sort > env.out; " + SOLVER[-1], **keys)
    assert ours.get("case.out") == b"DIESEL\n"
    seen = {line.partition("=")[0] for line in ours.get("env.out").decode().splitlines()}
    assert "ANYSTORE_DOE_RUN_ID" in seen
    assert not seen & {"THEIRS", "OURS"}

    missing = bare(*RUN, *SOLVER, exit_code=3, THEIRS=theirs.connection_string)
    assert "connection_string_env: the variable OURS is not set" in missing.stderr
    swapped = bare(*RUN, *SOLVER, exit_code=3, THEIRS=ours.connection_string, OURS=ours.connection_string)
    assert f"there is no container {container!r}" in swapped.stdout + swapped.stderr

    if bare.executor == "worker-process":
        bare.write("sweep.toml", settings.replace("THEIRS,OURS", "THEIRS"))
        told = bare(*RUN, "--overwrite", *SOLVER, exit_code=1, **keys)
        assert "run 0001 failed at claim: " in told.stdout
        assert "connection_string_env: the variable OURS is not set" in told.stdout
