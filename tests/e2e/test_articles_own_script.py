"""The article's own long script: it copies, unpacks, pushes and cleans up by itself, with shared credentials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aws_cli import aws_folder
from sweeping import Desk, S3Bucket, commit_of, zipped

from anystore_doe.testing.servers import require

if TYPE_CHECKING:
    from anystore_doe.testing.servers import S3Server

SCRIPT = """\
#!/bin/bash
set -e
aws s3 cp ${s3_input} .
unzip -oq *.zip
tr a-z A-Z < inputs.in > thermo.out
rm -f *.zip *.in run.sh
aws s3 sync . ${s3_output}
rm -rf *
"""


@pytest.mark.timeout(300)
def test_it_runs_with_shared_credentials_and_says_that_no_outputs_were_left(s3: S3Server, tmp_path: Path) -> None:
    try:
        aws = aws_folder()
    except OSError as error:
        require(f"the aws command line can not be installed: {error}")
    bucket = S3Bucket(s3, uuid4().hex)
    for name in ("hsdi", "pintle"):
        bucket.put(f"input/{name}.zip", zipped({"inputs.in": name}))
    desk = Desk(tmp_path, {})
    rows = [f"{bucket.url}/input/{name}.zip,{bucket.url}/output/{name}/" for name in ("hsdi", "pintle")]
    desk.write("inputs.csv", "\n".join(["s3_input,s3_output", *rows, ""]))
    desk.write("run.sh", SCRIPT)
    desk.write(
        "config",
        f"[default]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
        f"region = us-east-1\nendpoint_url = {s3.endpoint_url}\n",
    )
    desk.write("sweep.toml", f'[storage."s3://{bucket.url.split("/")[2]}"]\nconfig_file = "config"\n')
    words = ("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    path = {"PATH": f"{Path(desk.env()['PATH'].split(':')[0])}:{aws}:{desk.env()['PATH']}"}
    denied = desk(*words, "--select", "1", exit_code=1, **path)
    assert "credentials" in denied.stdout.lower()
    done = desk(*words, "--share-credentials", **path)
    assert "no outputs were left" in done.stderr + done.stdout
    for name in ("hsdi", "pintle"):
        assert bucket.get(f"output/{name}/thermo.out").decode() == name.upper()
        assert commit_of(bucket, f"output/{name}")["files"] == 0
    assert "config" not in "".join(bucket.paths("output"))
