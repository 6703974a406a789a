"""The fallback: any scheme that fsspec knows and no plugin claims (``memory``, ``sftp``, ``http`` ...)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anystore_doe.contract import Storage, StorageContext, StorageEntry, hookimpl, option
from anystore_doe.errors import DefinitionError, PluginError, UnknownSchemeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER = frozenset({"s3", "s3a", "gs", "gcs", "az", "adl", "abfs", "abfss", "file", "local"})
"""Schemes that have plugins of their own: those without their plugin are to be installed, not half served."""

_NO_STORES = frozenset(
    {
        "async_wrapper", "asynclocal", "asyncwrapper", "blockcache", "cached", "dask", "data", "dir", "filecache",
        "generic", "libarchive", "pyscript", "reference", "root", "simplecache", "tar", "zip",
    }
)  # fmt: skip
"""What fsspec lists beside stores: wrappers and caches around other file systems, and archives."""

_READ_ONLY = frozenset({"git", "github", "gist", "hf", "dvc", "jlab", "jupyter", "wandb"})

_LIBRARIES = {
    "sftp": "paramiko",
    "ssh": "paramiko",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
    "smb": "smbprotocol",
    "webdav": "webdav4",
    "hdfs": "pyarrow",
    "arrow_hdfs": "pyarrow",
    "git": "pygit2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FsspecOptions:
    """Options of a file system that fsspec opens."""

    username: str | None = option("User name, where the store asks for one.")
    password: str | None = option("Password; better a key file.", secret=True)
    key_file: str | None = option("Private key file of an sftp login.")
    arguments: str | None = option(
        "Further arguments of the fsspec file system, as a JSON object; for sftp those of paramiko's connect.",
        secret=True,
    )

    def keywords(self) -> dict[str, Any]:
        """Return the arguments of the file system.

        Raises:
            DefinitionError: ``arguments`` is no JSON object.
        """
        try:
            more = json.loads(self.arguments) if self.arguments else {}
        except ValueError:
            more = None
        if not isinstance(more, dict):
            raise DefinitionError('not a JSON object, such as {"port": 2222}', where="arguments")
        named = {"username": self.username, "password": self.password, "key_filename": self.key_file}
        return {name: value for name, value in named.items() if value is not None} | more


def _file_system_class(scheme: str) -> Any:
    """Find the class that serves ``scheme``; the process-wide registry is read, never changed.

    Raises:
        UnknownSchemeError: fsspec knows no such scheme.
        PluginError: its library is not installed.
    """
    from fsspec.registry import get_filesystem_class, known_implementations

    if scheme in NEVER | _NO_STORES:
        raise UnknownSchemeError(scheme, known=["file"])
    try:
        if scheme in {"sftp", "ssh"}:  # an installed sshfs takes the scheme over, with other argument names
            from fsspec.implementations.sftp import SFTPFileSystem

            return SFTPFileSystem
        return get_filesystem_class(scheme)
    except ValueError as error:
        served = sorted(set(known_implementations) - NEVER - _NO_STORES)
        raise UnknownSchemeError(scheme, known=["file", *served]) from error
    except ImportError as error:
        module = str(known_implementations.get(scheme, {}).get("class", scheme)).partition(".")[0]
        library = _LIBRARIES.get(scheme, module.replace("_", "-"))
        raise PluginError(
            f"{scheme}:// needs a library that is not installed ({error})", hint=f"pip install {library}"
        ) from error


def open_any(url: str | None, options: FsspecOptions, context: StorageContext) -> Storage:
    """Open ``scheme://host`` by fsspec; connects on first use.

    Raises:
        UnknownSchemeError: fsspec does not know the scheme either, or it is another plugin's.
        PluginError: the scheme's library is missing.
        UsageError: the URL holds a password.
    """
    from anystore_doe.fsspec_storage import kinds, sftp
    from anystore_doe.fsspec_storage.storage import FsspecStorage

    url = url or "memory://nowhere"
    scheme, _, host = url.partition("://")
    if ":" in host.rpartition("@")[0]:
        raise UsageError(
            f"a URL with a password in it: {scheme}://***@{host.rpartition('@')[2]}",
            hint=f'password under [storage."{scheme}://{host.rpartition("@")[2]}/"] in sweep.toml',
        )
    found = _file_system_class(scheme)
    keywords = {"use_listings_cache": False} | options.keywords()
    if scheme in {"http", "https"}:
        kind: type[FsspecStorage] = kinds.HttpFsspecStorage
    elif scheme in {"sftp", "ssh"}:
        kind = sftp.SftpFsspecStorage
        keywords = {"host_key_policy": sftp.known_hosts_policy()} | options.keywords()  # the rest: paramiko connect
    elif scheme == "memory":
        kind = kinds.MemoryFsspecStorage
    else:
        kind = kinds.ReadOnlyFsspecStorage if scheme in _READ_ONLY else FsspecStorage
    prefix = str(found._strip_protocol(f"{url}/x")).removesuffix("x")

    def make() -> Any:
        from_url = dict(found._get_kwargs_from_urls(f"{url}/x"))
        return found(**from_url | keywords, skip_instance_cache=True)

    return kind(url, make, prefix, context)


@hookimpl
def anystore_doe_storages() -> Iterable[StorageEntry]:
    """Offer whatever fsspec knows."""
    yield StorageEntry(
        schemes=("*",),
        open=open_any,
        options=FsspecOptions,
        summary="any other scheme that fsspec knows (memory, sftp, http read-only, ftp, ...)",
        credential_env=("FSSPEC_*",),
    )
