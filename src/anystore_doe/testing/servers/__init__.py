"""Real servers for tests, each a process of its own on loopback, on a port that the system chose."""

from anystore_doe.testing.servers.azurite import AzuriteServer, start_azurite
from anystore_doe.testing.servers.ceph import CephServer, start_ceph
from anystore_doe.testing.servers.fake_gcs import FakeGcsServer, start_fake_gcs
from anystore_doe.testing.servers.moto import MotoServer, start_moto
from anystore_doe.testing.servers.openssh import OpenSshServer, start_sshd
from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, free_port, require
from anystore_doe.testing.servers.s3_server import S3Server

__all__ = [
    "AzuriteServer",
    "CephServer",
    "FakeGcsServer",
    "MotoServer",
    "OpenSshServer",
    "S3Server",
    "ServerMissingError",
    "ServerProcess",
    "free_port",
    "require",
    "start_azurite",
    "start_ceph",
    "start_fake_gcs",
    "start_moto",
    "start_sshd",
]
