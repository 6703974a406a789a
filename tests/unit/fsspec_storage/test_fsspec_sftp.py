"""``sftp://`` against a real OpenSSH server goes through the kit's suite."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.any_fsspec import FsspecOptions, open_any
from anystore_doe.contract import Place, StorageContext, Watch
from anystore_doe.errors import CredentialsError
from anystore_doe.fsspec_storage.sftp import SftpFsspecStorage
from anystore_doe.testing import OpenSshServer, ServerMissingError, require, start_sshd
from anystore_doe.testing.storage_box import together
from anystore_doe.testing.storage_contract import StorageContract

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def sshd(tmp_path_factory) -> Iterator[OpenSshServer]:
    try:
        with start_sshd(tmp_path_factory.mktemp("sshd")) as server:
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture
def own_home(sshd, tmp_path, monkeypatch) -> Path:
    """A home folder whose known_hosts holds the server's key, so that nobody's own is read."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "known_hosts").write_text(sshd.known_host)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


def user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def open_sftp(sshd: OpenSshServer, *, key_file: Path | None = None) -> SftpFsspecStorage:
    options = FsspecOptions(username=user(), key_file=str(key_file or sshd.key_file))
    storage = open_any(sshd.url, options, StorageContext(logger=logging.getLogger("test")))
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

    @contextlib.contextmanager
    def break_store(self, place: Place) -> Iterator[None]:
        """Put a link that leads to itself where the store's folder was."""
        root = Path("/" + place.key)
        root.rename(root.with_name("away"))
        root.symlink_to(root)
        yield
        root.unlink()
        root.with_name("away").rename(root)


def test_a_server_whose_key_is_unknown_is_not_trusted(sshd, own_home, tmp_path):
    (own_home / ".ssh" / "known_hosts").write_text("")
    storage = open_sftp(sshd)
    with pytest.raises(CredentialsError, match="was not found in known_hosts"):
        storage.stat("tmp/x")


def test_a_rejected_login_is_about_credentials(sshd, own_home):
    with pytest.raises(CredentialsError, match="rejects the login"):
        open_sftp(sshd, key_file=sshd.stranger_file).stat("tmp/x")


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


def test_threads_that_push_into_new_folders_make_them_together(sshd, own_home, tmp_path):
    storage = open_sftp(sshd)
    for number in range(10):
        root = f"{str(tmp_path).lstrip('/')}/new{number}/a/b/c"
        together(*(partial(storage.push, b"x", f"{root}/{n}", watch=Watch()) for n in range(8)))
        assert len(list(storage.walk(root))) == 8
    storage.close()
