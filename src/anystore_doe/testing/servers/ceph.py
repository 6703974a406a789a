"""Ceph's RADOS gateway: S3 as an on-premises cluster speaks it, with one monitor, one store in memory, one gateway."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from urllib.request import urlopen

from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, free_port
from anystore_doe.testing.servers.s3_server import S3Server

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-common"
_STEP_TIMEOUT_S = 60.0
_CAPS = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")

# Names of settings are those of the Ceph documentation, "Configuration reference". One copy of each object and few
# placement groups, because there is one store; nothing is written outside of {home}.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{port}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_allow_insecure_global_id_reclaim = false
keyring = {home}/keyring
run_dir = {home}
crash_dir = {home}
admin_socket =
log_file =
log_to_file = false
log_to_stderr = true
mon_data = {home}/mon
mon_cluster_log_to_file = false
mon_data_avail_crit = 1
mon_allow_pool_size_one = true
osd_data = {home}/osd
osd_objectstore = memstore
memstore_device_bytes = {memory_bytes}
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
rgw_data = {home}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{gateway_port}
"""


class CephServer(S3Server):
    """A running RADOS gateway and the cluster behind it; use :func:`start_ceph`."""

    def __init__(self, memory_bytes: int) -> None:
        """Start it and wait until it answers."""
        self.access_key = "testing"
        self.secret_key = "testing-secret"  # noqa: S105  of a server that lives as long as a test
        self._home = Path(tempfile.mkdtemp(prefix="anystore-doe-ceph-"))
        self._running: list[ServerProcess] = []
        port, gateway_port = free_port(), free_port()
        self.endpoint_url = f"http://127.0.0.1:{gateway_port}"
        try:
            self._configure(port, gateway_port, memory_bytes)
            self._start_cluster()
            self._start_gateway()
        except BaseException:
            self.close()
            raise

    def _configure(self, port: int, gateway_port: int, memory_bytes: int) -> None:
        for name in ("mon", "osd", "rgw"):
            (self._home / name).mkdir()
        fsid = str(uuid.uuid4())
        (self._home / "ceph.conf").write_text(
            _CONFIGURATION.format(
                fsid=fsid, port=port, gateway_port=gateway_port, home=self._home, memory_bytes=memory_bytes
            )
        )
        keyring, monitors = str(self._home / "keyring"), str(self._home / "monmap")
        _step("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for who in ("client.admin", "client.rgw", "osd.0"):
            _step("ceph-authtool", keyring, "--gen-key", "-n", who, *_CAPS)
        _step("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{port}]", monitors)
        self._tool("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors, "--keyring", keyring)

    def _start_cluster(self) -> None:
        self._daemon("ceph-mon", "-i", "a")
        name = str(uuid.uuid4())  # the store is known by it: another one of its own would never be let in
        self._tool("ceph", "osd", "new", name)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)
        self._daemon("ceph-osd", "-i", "0")

    def _start_gateway(self) -> None:
        keys = (f"--access-key={self.access_key}", f"--secret-key={self.secret_key}")
        self._tool("radosgw-admin", "user", "create", "--uid=doe", "--display-name=doe", *keys)
        self._daemon("radosgw", "-n", "client.rgw").wait_until(self._answers)

    def _answers(self) -> str:
        with contextlib.suppress(OSError), urlopen(self.endpoint_url, timeout=5):  # noqa: S310  its own endpoint
            return "yes"
        return ""

    def _tool(self, *words: str) -> None:
        _step(words[0], "-c", str(self._home / "ceph.conf"), *words[1:])

    def _daemon(self, program: str, *words: str) -> ServerProcess:
        server = ServerProcess(program, [program, "-c", str(self._home / "ceph.conf"), *words, "-f"])
        self._running.append(server)
        return server

    def close(self) -> None:
        """End the gateway, then the cluster, and wait for both; twice is no error."""
        while self._running:
            self._running.pop().close()
        shutil.rmtree(self._home, ignore_errors=True)


def start_ceph(*, memory_bytes: int = 4 * 2**30) -> CephServer:
    """Start a RADOS gateway and return it when it answers, after some 12 s; use it as a context manager.

    Args:
        memory_bytes: For all that is ever written: what is deleted is collected late.

    Raises:
        ServerMissingError: Ceph is not installed, or did not come up.
    """
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        msg = f"Ceph is not installed, {missing[0]} is missing: {_INSTALL}"
        raise ServerMissingError(msg)
    return CephServer(memory_bytes)


def _step(*words: str) -> None:
    """Run one command of the set-up to its end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}
    try:
        done = subprocess.run(words, capture_output=True, timeout=_STEP_TIMEOUT_S, env=environ, check=False)
    except subprocess.TimeoutExpired as error:
        msg = f"Ceph did not come up: {words[0]} did not end in {_STEP_TIMEOUT_S:g} s"
        raise ServerMissingError(msg) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-2000:]
        msg = f"Ceph did not come up: {' '.join(words)} ended with {done.returncode}:\n{said}"
        raise ServerMissingError(msg)
