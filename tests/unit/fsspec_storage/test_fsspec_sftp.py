"""``sftp://`` against a real OpenSSH server goes through the kit's suite."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.any_fsspec import FsspecOptions, open_any
from anystore_doe.contract import Place, StorageContext, Watch
from anystore_doe.errors import CredentialsError
from anystore_doe.fsspec_storage.sftp import SftpFsspecStorage
from anystore_doe.testing import require
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server
SSHD = Path("/usr/sbin/sshd")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_sshd(home: Path) -> Iterator[int]:
    """Start sshd on a free port; it takes the port itself, so a port that was lost meanwhile is tried again."""
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "authorized").write_bytes((home / "user.pub").read_bytes())
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for _ in range(5):
        port = free_port()
        (home / "config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {home}/host\nAuthorizedKeysFile {home}/authorized\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "Subsystem sftp internal-sftp\n"
        )
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 20
            while server.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    yield port
                    return
        finally:
            server.terminate()
            server.wait()
    raise RuntimeError("sshd did not come up")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory) -> Iterator[tuple[Path, int]]:
    if not SSHD.exists():
        require("no OpenSSH server: apt-get install openssh-server")
    home = tmp_path_factory.mktemp("sshd")
    with running_sshd(home) as port:
        yield home, port


@pytest.fixture
def own_home(sshd, monkeypatch) -> Path:
    """A home folder whose known_hosts holds the server's key, so that nobody's own is read."""
    home, port = sshd
    folder = home / "home"
    (folder / ".ssh").mkdir(parents=True, exist_ok=True)
    kind, key, *_ = (home / "host.pub").read_text().split()
    (folder / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


def user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def open_sftp(sshd, *, key: str = "user") -> SftpFsspecStorage:
    home, port = sshd
    options = FsspecOptions(username=user(), key_file=str(home / key))
    storage = open_any(f"sftp://127.0.0.1:{port}", options, StorageContext(logger=logging.getLogger("test")))
    assert isinstance(storage, SftpFsspecStorage)
    return storage


class TestSftpContract(StorageContract):
    big_bytes = 3 * 2**20 + 1
    many = 120

    @pytest.fixture
    def place(self, sshd, own_home, tmp_path) -> Iterator[Place]:
        self.sshd = sshd
        storage = open_sftp(sshd)
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        yield Place(storage=storage, key=str(folder).lstrip("/"))
        storage.close()

    def seed(self, place: Place, key: str, data: bytes) -> None:
        """Write a version that was made at another second than the last: SFTP tells no finer times."""
        super().seed(place, key, data)
        self.second = getattr(self, "second", 1_700_000_000) + 1
        os.utime("/" + key, (self.second, self.second))

    def another(self, place: Place) -> SftpFsspecStorage:
        return open_sftp(self.sshd)


def test_a_server_whose_key_is_unknown_is_not_trusted(sshd, own_home, tmp_path):
    (own_home / ".ssh" / "known_hosts").write_text("")
    storage = open_sftp(sshd)
    with pytest.raises(CredentialsError, match="was not found in known_hosts"):
        storage.stat("tmp/x")


def test_a_rejected_login_is_about_credentials(sshd, own_home):
    with pytest.raises(CredentialsError, match="rejects the login"):
        open_sftp(sshd, key="stranger").stat("tmp/x")


def test_a_lost_connection_is_made_anew(sshd, own_home, tmp_path):
    storage = open_sftp(sshd)
    file = tmp_path / "x"
    file.write_bytes(b"hello")
    key = str(file).lstrip("/")
    assert storage.read(key) == b"hello"
    storage._idle[0].client.get_transport().sock.close()
    assert storage.read(key) == b"hello"
    storage.fetch(key, tmp_path / "y", watch=Watch())
    assert (tmp_path / "y").read_bytes() == b"hello"
    storage.close()
