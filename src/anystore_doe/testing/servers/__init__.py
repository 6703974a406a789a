"""Real servers for tests, each a process of its own on loopback, on a port that the system chose."""

from anystore_doe.testing.servers.azurite import AzuriteServer, start_azurite
from anystore_doe.testing.servers.fake_gcs import FakeGcsServer, start_fake_gcs
from anystore_doe.testing.servers.moto import MotoServer, start_moto
from anystore_doe.testing.servers.openssh import OpenSshServer, start_sshd
from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, free_port, require

__all__ = [
    "AzuriteServer",
    "FakeGcsServer",
    "MotoServer",
    "OpenSshServer",
    "ServerMissingError",
    "ServerProcess",
    "free_port",
    "require",
    "start_azurite",
    "start_fake_gcs",
    "start_moto",
    "start_sshd",
]
