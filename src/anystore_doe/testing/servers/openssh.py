"""OpenSSH: sftp with keys and a configuration of its own; needs Debian's ``openssh-server``, no root."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, free_port

_SSHD = Path("/usr/sbin/sshd")
_PORTS_TRIED = 5
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host
AuthorizedKeysFile {home}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


class OpenSshServer(ServerProcess):
    """A running sshd; use :func:`start_sshd`.

    Attributes:
        url: Such as ``sftp://127.0.0.1:41234``; the whole file system lies below it.
        key_file: A private key that is let in, as the user who started the server.
        stranger_file: One that is not.
        known_host: The server's line for a ``known_hosts`` file.
    """

    def __init__(self, home: Path, port: int) -> None:
        """Start it on ``port``; ``home`` holds the keys.

        Raises:
            ServerMissingError: it did not come up: somebody else may have taken the port.
        """
        config = home / f"config-{port}"
        config.write_text(_CONFIG.format(home=home, port=port))
        kind, key, *_ = (home / "host.pub").read_text().split()
        self.url = f"sftp://127.0.0.1:{port}"
        self.key_file, self.stranger_file = home / "user", home / "stranger"
        self.known_host = f"[127.0.0.1]:{port} {kind} {key}\n"
        super().__init__("sshd", [str(_SSHD), "-D", "-e", "-f", str(config)])
        self.wait_until(lambda: "yes" if _answers(port) else "")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def start_sshd(home: Path) -> OpenSshServer:
    """Start an sshd and return it when it answers; use it as a context manager.

    Args:
        home: An empty folder for keys and configuration, which the caller removes.

    Raises:
        ServerMissingError: OpenSSH's server is not installed, or did not come up.
    """
    if not _SSHD.exists() or shutil.which("ssh-keygen") is None:
        msg = "no OpenSSH server: apt-get install openssh-server"
        raise ServerMissingError(msg)
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "authorized").write_bytes((home / "user.pub").read_bytes())
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for _ in range(_PORTS_TRIED - 1):
        with contextlib.suppress(ServerMissingError):
            return OpenSshServer(home, free_port())
    return OpenSshServer(home, free_port())
