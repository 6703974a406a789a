"""Places on real servers, one of each kind, looked at without anystore-doe."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import Request, urlopen

from sweeping import FileBucket

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.storage.blob import ContainerClient

    from anystore_doe.testing.servers import AzuriteServer, FakeGcsServer, OpenSshServer


@dataclass(kw_only=True)
class SftpBucket(FileBucket):
    """A folder of this machine, seen through sftp; ``home`` is the user's home, whose known hosts name the server."""

    server: OpenSshServer
    home: Path

    def __post_init__(self) -> None:
        known = self.home / ".ssh" / "known_hosts"
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(self.server.known_host)

    @property
    def url(self) -> str:
        return f"{self.server.url}{self.folder}"

    @property
    def settings(self) -> str:
        """What sweep.toml says about it."""
        user = pwd.getpwuid(os.getuid()).pw_name
        return f'[storage."{self.server.url}"]\nusername = "{user}"\nkey_file = "{self.server.key_file}"\n'


@dataclass
class GcsBucket:
    """A prefix of a bucket on fake-gcs-server, which needs no credentials."""

    server: FakeGcsServer
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        return f"gs://{self.bucket}/{self.prefix}"

    @property
    def environ(self) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.server.endpoint_url}

    def _ask(self, method: str, target: str, body: bytes | None = None) -> bytes:
        with urlopen(Request(self.server.endpoint_url + target, data=body, method=method), timeout=30) as answer:
            found: bytes = answer.read()
            return found

    def _object(self, path: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(f'{self.prefix}/{path}', safe='')}"

    def put(self, path: str, body: bytes) -> str:
        name = quote(f"{self.prefix}/{path}", safe="")
        self._ask("POST", f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}", body)
        return f"{self.url}/{path}"

    def get(self, path: str) -> bytes:
        return self._ask("GET", self._object(path) + "?alt=media")

    def delete(self, path: str) -> None:
        self._ask("DELETE", self._object(path))

    def paths(self, prefix: str = "") -> list[str]:
        wanted = quote(f"{self.prefix}/{prefix}", safe="")
        page = json.loads(self._ask("GET", f"/storage/v1/b/{self.bucket}/o?prefix={wanted}&maxResults=1000"))
        return sorted(one["name"][len(self.prefix) + 1 :] for one in page.get("items", []))


@dataclass
class AzureBucket:
    """A prefix of a container on azurite; ``account``: the connection string of another account than the usual one."""

    server: AzuriteServer
    container: str
    prefix: str
    account: str = ""

    @property
    def connection_string(self) -> str:
        return self.account or self.server.connection_string

    @property
    def url(self) -> str:
        return f"az://{self.container}/{self.prefix}"

    @property
    def environ(self) -> Mapping[str, str]:
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string}

    def _open(self) -> ContainerClient:
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_connection_string(self.connection_string, self.container)

    def put(self, path: str, body: bytes) -> str:
        with self._open() as container:
            container.upload_blob(f"{self.prefix}/{path}", body, overwrite=True)
        return f"{self.url}/{path}"

    def get(self, path: str) -> bytes:
        with self._open() as container:
            found: bytes = container.download_blob(f"{self.prefix}/{path}").readall()
            return found

    def delete(self, path: str) -> None:
        with self._open() as container:
            container.delete_blob(f"{self.prefix}/{path}")

    def paths(self, prefix: str = "") -> list[str]:
        with self._open() as container:
            names = container.list_blob_names(name_starts_with=f"{self.prefix}/{prefix}")
            return sorted(name[len(self.prefix) + 1 :] for name in names)
