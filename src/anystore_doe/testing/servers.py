"""Real servers for tests, each a process of its own on loopback, on a port that the system chose."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

REQUIRE_SERVERS = "ANYSTORE_DOE_REQUIRE_SERVERS"
"""Environment variable; ``1`` makes a missing server an error instead of a skip."""

_READY_WITHIN_S = 60.0
_END_WITHIN_S = 10.0
_POLL_S = 0.02
_READY = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
_ACCESS = re.compile(r'"([A-Z]+) (\S+) HTTP/1\.\d" (\d{3})')

# The server ends when its stdin does, so that it never outlives a test process, however that ends.
_CHILD = """
import os, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(["-H", "127.0.0.1", "-p", "0"])
"""


class ServerMissingError(Exception):
    """A server that a test needs is not installed, or did not start; says what to do."""


def require(reason: str) -> None:
    """Skip the calling test because of ``reason``, or fail it when ``ANYSTORE_DOE_REQUIRE_SERVERS=1``."""
    import pytest

    if os.environ.get(REQUIRE_SERVERS) == "1":
        pytest.fail(f"{reason} ({REQUIRE_SERVERS}=1)", pytrace=False)
    pytest.skip(reason)


class MotoServer:
    """A running moto server; use :func:`start_moto`.

    Attributes:
        endpoint_url: Such as ``http://127.0.0.1:41234``.
        access_key: Of an administrator (any key is good while IAM is not enforced).
        secret_key: The same.
    """

    def __init__(self, process: subprocess.Popen[bytes], endpoint_url: str, log: Path) -> None:
        """Take over ``process``, which writes its access log to ``log``."""
        self._process = process
        self._log = log
        self.endpoint_url = endpoint_url
        self.access_key = "testing"
        self.secret_key = "testing"  # noqa: S105  the server takes any key

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    @contextlib.contextmanager
    def client(self, service: str = "s3", *, access_key: str = "", secret_key: str = "") -> Iterator[Any]:
        """Yield a botocore client of ``service`` (``s3``, ``iam``, ``sts``), the administrator's by default."""
        from botocore.config import Config
        from botocore.session import Session

        client = Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )
        try:
            yield client
        finally:
            client.close()

    def make_bucket(self, name: str) -> str:
        """Create the bucket ``name`` and return it."""
        with self.client() as s3:
            s3.create_bucket(Bucket=name)
        return name

    def make_user(self, name: str, policy: Mapping[str, object]) -> tuple[str, str]:
        """Create the user ``name`` with one inline policy; return access key and secret key."""
        with self.client("iam") as iam:
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
            key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def enforce_iam(self) -> None:
        """Make an administrator, take over its keys, and let the server check every request from now on."""
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        self.access_key, self.secret_key = self.make_user("administrator", everything)
        server = HTTPConnection(self.endpoint_url.removeprefix("http://"))
        with contextlib.closing(server):
            server.request("POST", "/moto-api/reset-auth", body=b"0", headers={"Content-Type": "text/plain"})
            if (status := server.getresponse().status) != 200:
                msg = f"moto did not switch IAM on: status {status}"
                raise ServerMissingError(msg)

    def open_uploads(self, bucket: str) -> list[str]:
        """Return the keys of multipart uploads that were begun in ``bucket`` and neither completed nor aborted."""
        with self.client() as s3:
            return [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    def requests(self) -> list[tuple[str, str, int]]:
        """Return method, target and status of every request so far, in the order they were answered."""
        found = _ACCESS.findall(self._log.read_text(errors="replace"))
        return [(method, target, int(status)) for method, target, status in found]

    def close(self) -> None:
        """End the server and wait for it; twice is no error."""
        self._process.terminate()
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._log.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()


def start_moto(*, iam: bool = False) -> MotoServer:
    """Start a moto server and return it when it answers; use it as a context manager.

    Args:
        iam: Enforce IAM, as :meth:`MotoServer.enforce_iam` does.

    Raises:
        ServerMissingError: moto is not installed, or the server did not come up.
    """
    if find_spec("moto") is None or find_spec("flask") is None:
        msg = "moto is not installed: pip install 'moto[iam,s3,server,sts]'"
        raise ServerMissingError(msg)
    handle, name = tempfile.mkstemp(prefix="anystore-doe-moto-", suffix=".log")
    log = Path(name)
    with os.fdopen(handle, "wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in a test session is not for the server: it ends with its context
        )
    try:
        server = MotoServer(process, _wait_until_ready(process, log), log)
    except BaseException:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        raise
    if iam:
        try:
            server.enforce_iam()
        except BaseException:
            server.close()
            raise
    return server


def _environment() -> dict[str, str]:
    """Return the caller's environment without what would steer moto or hand it credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_", "INITIAL_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the URL that the server says it runs on."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        text = log.read_text(errors="replace")
        if ready := _READY.search(text):
            return ready[1]
        if process.poll() is not None or time.monotonic() > deadline:
            msg = f"the moto server did not come up (its log {log}):\n{text[-2000:]}"
            raise ServerMissingError(msg)
        time.sleep(_POLL_S)
