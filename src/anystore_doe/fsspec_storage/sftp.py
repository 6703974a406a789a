"""``sftp://`` over paramiko: known hosts only, pipelined transfers, renaming in one step."""

from __future__ import annotations

import contextlib
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anystore_doe.fsspec_storage.storage import FsspecStorage
from anystore_doe.fsspec_storage.translate import foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore_doe.contract import StorageContext
    from anystore_doe.model import ObjectInfo

_MOST_CONNECTIONS = 8  # sshd refuses more than 10 at once that are not logged in yet (MaxStartups)
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


def known_hosts_policy() -> Any:
    """Return a policy that trusts the hosts that ``ssh`` trusts, and no other.

    fsspec's own choices are to trust whoever answers, or nobody: it reads no file of known hosts.
    """
    import paramiko

    class KnownHosts(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            known = paramiko.HostKeys()
            for name in _KNOWN_HOSTS:
                with contextlib.suppress(OSError):
                    known.load(str(Path(name).expanduser()))
            if not known.check(hostname, key):
                message = f"the {key.get_name()} key of {hostname} was not found in known_hosts"
                raise paramiko.SSHException(message)
            del client

    return KnownHosts()


class SftpFsspecStorage(FsspecStorage):
    """``sftp://``: a file is renamed over the old one by the server, in one step.

    SFTP tells times in whole seconds: two versions of one size written within a second look the same.
    """

    def __init__(self, url: str, make: Callable[[], Any], prefix: str, context: StorageContext) -> None:
        """See the base; several connections, one for every thread at work."""
        super().__init__(url, make, prefix, context)
        self._idle: list[Any] = []
        self._places = threading.BoundedSemaphore(min(_MOST_CONNECTIONS, context.connections_per_host))

    @contextmanager
    def _opened(self, doing: str, key: str, path: str, info: ObjectInfo) -> Iterator[Any]:
        with foreign(doing, self.url_of(key)), self._fs.open(path, "rb") as file:
            file.prefetch(info.size, max_concurrent_requests=16)
            yield file

    def _prepare_write(self, file: Any) -> None:
        file.set_pipelined(True)

    def _rename(self, temporary: str, path: str) -> None:
        self._fs.ftp.posix_rename(temporary, path)

    def _acquire(self) -> Any:
        """Give a connection to one thread alone: a paramiko client loses the answers to a second one."""
        self._places.acquire()
        try:
            with self._lock:
                if self._idle:
                    return self._idle.pop()
            return self._make()
        except BaseException:
            self._places.release()
            raise

    def _give_back(self, fs: Any, *, broken: bool) -> None:
        if broken:
            _hang_up(fs)
        else:
            with self._lock:
                self._idle.append(fs)
        self._places.release()

    def close(self) -> None:
        """See the contract."""
        with self._lock:
            idle, self._idle = self._idle, []
        for fs in idle:
            _hang_up(fs)


def _hang_up(fs: Any) -> None:
    with contextlib.suppress(Exception):
        fs.client.close()
