"""Places on real servers, one of each kind, looked at without anystore-doe."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anystore_doe.testing.servers import OpenSshServer


@dataclass
class SftpBucket:
    """A folder of this machine, seen through sftp; ``home`` is the user's home, whose known hosts name the server."""

    server: OpenSshServer
    folder: Path
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)

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

    def put(self, path: str, body: bytes) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        return f"{self.url}/{path}"

    def get(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def delete(self, path: str) -> None:
        (self.folder / path).unlink()

    def paths(self, prefix: str = "") -> list[str]:
        found = (str(f.relative_to(self.folder)) for f in self.folder.rglob("*") if f.is_file())
        return sorted(path for path in found if path.startswith(prefix))
