"""Real servers for tests, each a process of its own on loopback, on a port that the system chose."""

from anystore_doe.testing.servers.moto import MotoServer, start_moto
from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess, require

__all__ = ["MotoServer", "ServerMissingError", "ServerProcess", "require", "start_moto"]
