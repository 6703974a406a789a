"""Real servers for tests, each a process of its own on loopback, on a port that was free."""

from anystore_doe.testing.servers.fake_gcs import FakeGcsServer, start_fake_gcs
from anystore_doe.testing.servers.moto import MotoServer, start_moto
from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, require

__all__ = [
    "FakeGcsServer",
    "MotoServer",
    "ServerMissingError",
    "ServerProcess",
    "require",
    "start_fake_gcs",
    "start_moto",
]
