"""kill -9 while a large output is being pushed to S3: the next run leaves no open upload, and a whole object."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sweeping import BUCKET, EXECUTORS, Desk, S3Bucket

from anystore_doe.testing.faults import Delay, Rule
from anystore_doe.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.servers import S3Server

DEADLINE_S = 40


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_upload_stays_open(s3: S3Server, tmp_path: Path, executor: str) -> None:
    bucket = S3Bucket(s3, uuid4().hex)
    with FaultProxy(s3.endpoint_url) as proxy:
        desk = Desk(tmp_path, {**bucket.environ, "AWS_ENDPOINT_URL": proxy.url}, executor)
        desk.write("runs.csv", f"n,output\n1,{bucket.url}/out\n")
        desk.write("run.sh", "head -c 40000000 /dev/zero > big.bin\n")
        words = ("run", "runs.csv", "-t", "run.sh")
        proxy.add(Rule(method="PUT", path="*/big.bin", nth=2, count=None, fault=Delay(s=600)))
        engine = subprocess.Popen(desk.command(*words), cwd=tmp_path, env=desk.env(), stderr=subprocess.DEVNULL)
        until = time.monotonic() + DEADLINE_S
        while len(proxy.seen("PUT", "*/big.bin")) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(engine.pid, signal.SIGKILL)
        engine.wait()
        opened = s3.open_uploads(BUCKET)
        proxy.clear()
    desk = Desk(tmp_path, bucket.environ, executor)
    desk(*words)
    assert len(bucket.get("out/big.bin")) == 40_000_000
    mine = f"{bucket.prefix}/out/big.bin"
    assert mine not in s3.open_uploads(BUCKET)
    assert executor != "local" or mine in opened
