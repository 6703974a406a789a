"""Real servers for tests, each a process of its own on loopback, on a port that the system chose."""

from anystore_doe.testing.servers.azurite import AzuriteServer, start_azurite
from anystore_doe.testing.servers.moto import MotoServer, start_moto
from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, require

__all__ = [
    "AzuriteServer",
    "MotoServer",
    "ServerMissingError",
    "ServerProcess",
    "require",
    "start_azurite",
    "start_moto",
]
