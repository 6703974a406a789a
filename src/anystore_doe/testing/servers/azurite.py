"""azurite: Azure Blob Storage."""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
from pathlib import Path

from anystore_doe.testing.servers.process import ServerMissingError, ServerProcess

AZURITE = "ANYSTORE_DOE_AZURITE"
"""Environment variable: the folder that holds ``azurite-blob`` where it is not on the PATH."""

_READY = re.compile(r"successfully listens on (http://127\.0\.0\.1:\d+)")
_ACCOUNT = "devstoreaccount1"
_OTHER_ACCOUNT = "otheraccount"
_OTHER_KEY = base64.b64encode(b"the key of the other account of an emulator").decode()
_PUBLIC_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class AzuriteServer(ServerProcess):
    """A running azurite; use :func:`start_azurite`. It has two accounts, which know nothing of each other.

    Attributes:
        endpoint_url: Of the account, such as ``http://127.0.0.1:41234/devstoreaccount1``.
        account_name: The account of every emulator.
        account_key: Its key, which is public.
    """

    def __init__(self, program: str) -> None:
        """Start it and wait until it answers; its data lie in a temporary folder."""
        self._folder = tempfile.TemporaryDirectory(prefix="anystore-doe-azurite-")
        argv = [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", self._folder.name]
        accounts = f"{_ACCOUNT}:{_PUBLIC_KEY};{_OTHER_ACCOUNT}:{_OTHER_KEY}"
        super().__init__(
            "azurite",
            [*argv, "--silent", "--skipApiVersionCheck", "--disableTelemetry"],
            env={**os.environ, "AZURITE_ACCOUNTS": accounts},
        )
        self.account_name = _ACCOUNT
        self.account_key = _PUBLIC_KEY
        found = self.wait_until(lambda: match[1] if (match := _READY.search(self.log)) else "")
        self.endpoint_url = f"{found}/{_ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What Azure's tools take."""
        return _connection_string(self.account_name, self.account_key, self.endpoint_url)

    @property
    def other_connection_string(self) -> str:
        """The same for the other account."""
        return _connection_string(_OTHER_ACCOUNT, _OTHER_KEY, self.endpoint_url.replace(_ACCOUNT, _OTHER_ACCOUNT))

    def make_container(self, name: str, *, public: bool = False, connection_string: str = "") -> str:
        """Create the container ``name`` and return it.

        Args:
            name: Of the container.
            public: Anybody may read and list it.
            connection_string: Of the account; by default of :attr:`account_name`.
        """
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient.from_connection_string(connection_string or self.connection_string) as service:
            service.create_container(name, public_access="container" if public else None)
        return name

    def close(self) -> None:
        """End the server and remove its data; twice is no error."""
        super().close()
        self._folder.cleanup()


def _connection_string(account: str, key: str, endpoint_url: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={endpoint_url};"


def start_azurite() -> AzuriteServer:
    """Start azurite and return it when it answers; use it as a context manager.

    Raises:
        ServerMissingError: it is not installed, or did not come up.
    """
    program = shutil.which("azurite-blob") or shutil.which("azurite-blob", path=os.environ.get(AZURITE, ""))
    if program is None:
        msg = (
            f"azurite is not installed: npm install azurite@3, and {AZURITE}={Path('node_modules', '.bin').absolute()}"
        )
        raise ServerMissingError(msg)
    return AzuriteServer(program)
