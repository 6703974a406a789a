"""A server as a process of its own: started, waited for until it answers, and never left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

REQUIRE_SERVERS = "ANYSTORE_DOE_REQUIRE_SERVERS"
"""Environment variable; ``1`` makes a missing server an error instead of a skip."""

_READY_WITHIN_S = 60.0
_END_WITHIN_S = 10.0
_POLL_S = 0.02

# A guard stands between us and the server: it ends the server when its stdin ends, so that no server outlives a test
# process, however that ends.
_GUARD = """
import subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
threading.Thread(target=watch, daemon=True).start()
sys.exit(server.wait())
"""


class ServerMissingError(Exception):
    """A server that a test needs is not installed, or did not start; says what to do."""


def require(reason: str) -> None:
    """Skip the calling test because of ``reason``, or fail it when ``ANYSTORE_DOE_REQUIRE_SERVERS=1``."""
    import pytest

    if os.environ.get(REQUIRE_SERVERS) == "1":
        pytest.fail(f"{reason} ({REQUIRE_SERVERS}=1)", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port that nobody listens on now; somebody may take it before you do: then try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A running server; a context manager that ends it."""

    def __init__(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        """Start ``argv``, whose output goes to a log of its own; it does not answer yet.

        Args:
            name: For messages.
            argv: Words of the command.
            env: Its whole environment; ``None``: this process's.
        """
        self.name = name
        handle, log = tempfile.mkstemp(prefix=f"anystore-doe-{name}-", suffix=".log")
        self._log = Path(log)
        with os.fdopen(handle, "wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _GUARD, *argv],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                env=None if env is None else dict(env),
                start_new_session=True,  # Ctrl-C in a test session is not for the server: it ends with its context
            )

    @property
    def pid(self) -> int:
        """The process id of the server's guard, which ends with it."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return self._log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], str]) -> str:
        """Wait until ``ready()`` returns more than ``""``, and return it.

        Raises:
            ServerMissingError: the server ended, or was not ready within a minute; it is closed.
        """
        deadline = time.monotonic() + _READY_WITHIN_S
        while not (found := ready()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = self.log[-2000:]
                self.close()
                msg = f"the server {self.name} did not come up:\n{words}"
                raise ServerMissingError(msg)
            time.sleep(_POLL_S)
        return found

    def close(self) -> None:
        """End the server and wait for it; twice is no error."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()
