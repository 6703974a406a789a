"""moto: S3, IAM and STS."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from http.client import HTTPConnection
from importlib.util import find_spec
from typing import TYPE_CHECKING

from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess
from anystore_doe.testing.servers.s3_server import S3Server

if TYPE_CHECKING:
    from collections.abc import Mapping

_READY = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
_ACCESS = re.compile(r'"([A-Z]+) (\S+) HTTP/1\.\d" (\d{3})')
_MAIN = 'from moto.server import main; main(["-H", "127.0.0.1", "-p", "0"])'


class MotoServer(ServerProcess, S3Server):
    """A running moto server; use :func:`start_moto`.

    Its services are ``s3``, ``iam`` and ``sts``. While IAM is not enforced any key is good.
    """

    def __init__(self) -> None:
        """Start it and wait until it answers."""
        super().__init__("moto", [sys.executable, "-c", _MAIN], env=_environment())
        self.access_key = "testing"
        self.secret_key = "testing"  # noqa: S105  the server takes any key
        self.endpoint_url = self.wait_until(lambda: found[1] if (found := _READY.search(self.log)) else "")

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

    def requests(self) -> list[tuple[str, str, int]]:
        """Return method, target and status of every request so far, in the order they were answered."""
        found = _ACCESS.findall(self.log)
        return [(method, target, int(status)) for method, target, status in found]


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
    server = MotoServer()
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
