"""A slot to solve in; tests that end processes which they find by scanning run in a PID namespace of their own."""

import functools
import os
import subprocess
import sys

import pytest
from solving import LOGGER

from anystore_doe.engine.slots import SlotPool
from anystore_doe.model import SolveRequest

INSIDE = "ANYSTORE_DOE_TEST_PID_NAMESPACE"
UNSHARE = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")


def pytest_configure(config):
    config.addinivalue_line("markers", "own_pid_namespace: ends processes that it finds by scanning")


@functools.cache
def namespace_command():
    """Return the command that starts another one in a PID namespace of its own, or why there is none."""
    reason = ""
    for more in ((), ("--user", "--map-root-user")):
        command = (*UNSHARE, *more)
        try:
            tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=30)
        except FileNotFoundError:
            return None, "there is no unshare(1) here"
        if tried.returncode == 0:
            return command, ""
        reason = f"no PID namespace to be had: {tried.stderr.strip()}"
    return None, reason


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if pyfuncitem.get_closest_marker("own_pid_namespace") is None or INSIDE in os.environ:
        return None
    command, reason = namespace_command()
    if command is None:
        if os.environ.get("ANYSTORE_DOE_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    test = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    done = subprocess.run(
        [*command, *test, pyfuncitem.nodeid],
        cwd=pyfuncitem.config.rootpath,
        env=os.environ | {INSIDE: "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if "1 passed" not in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-2])
    return True


@pytest.fixture
def pool():
    with SlotPool(count=1, cores_per_slot=1, logger=LOGGER) as pool:
        yield pool


@pytest.fixture
def request_for(tmp_path):
    def make(*argv, env=None, **more):
        fields = {
            "cwd": str(tmp_path),
            "env": {"PATH": os.environ["PATH"]} if env is None else env,
            "stdout": str(tmp_path / "stdout.log"),
            "stderr": str(tmp_path / "stderr.log"),
        }
        return SolveRequest(argv=argv, **(fields | more))

    return make


@pytest.fixture
def solve(pool, request_for):
    def run(*argv, **more):
        with pool.seat() as seat:
            return seat.solve(request_for(*argv, **more))

    return run
