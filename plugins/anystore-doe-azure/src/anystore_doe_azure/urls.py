"""URLs of Azure: three spellings of one place, and the one that roots are printed in."""

from __future__ import annotations

import re
from urllib.parse import unquote

from anystore_doe.errors import UsageError, safe_url

SCHEMES = ("az", "abfs", "abfss")
HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")
"""Suffixes of https hosts that are Azure's public cloud."""

_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*|\$(root|web|logs)", re.ASCII)
"""As "Naming and referencing containers, blobs, and metadata" has it: no other can exist."""


def split_azure(url: str) -> tuple[str, str]:
    """Split a URL into its root and the key, which is literal.

    The root is ``az://container`` where the URL names no account, else
    ``abfss://container@account.dfs.core.windows.net`` (hosts of other clouds keep their suffix). An ``https://`` URL
    is percent-decoded, as the store does with it; the other spellings are taken literally.

    Raises:
        UsageError: the URL names no container, or none that can exist, or is an https URL with a query (a SAS, most
            likely).
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "https":
        return _split_https(url, host.lower(), path)
    container, at, account_host = host.partition("@")
    if not container:
        raise UsageError(f"{safe_url(url)} names no container", hint="write az://container/path")
    _check(url, container)
    return (_root(url, container, account_host.lower()) if at else f"az://{container}"), path


def _check(url: str, container: str) -> None:
    if not _CONTAINER.fullmatch(container):
        raise UsageError(
            f"{safe_url(url)} names no container: {container!r} can be the name of none",
            hint="a container's name is 3 to 63 lower-case letters, digits and single hyphens within",
        )


def _split_https(url: str, host: str, path: str) -> tuple[str, str]:
    if "?" in path:
        raise UsageError(
            f"{safe_url(url)} holds a query, and what it says may be a secret: a URL is printed and recorded",
            hint="give the URL up to the ?, and put the rest of it into AZURE_STORAGE_SAS_TOKEN",
        )
    container, _, key = unquote(path).partition("/")
    if not container:
        raise UsageError(
            f"{safe_url(url)} names no container", hint="write https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH"
        )
    _check(url, container)
    return _root(url, container, host), key


def _root(url: str, container: str, host: str) -> str:
    account, _, suffix = host.partition(".")
    kind, _, cloud = suffix.partition(".")
    if not (account and cloud and kind in {"blob", "dfs"}):
        raise UsageError(
            f"{safe_url(url)} names no storage account: {host!r} is not ACCOUNT.blob.… or ACCOUNT.dfs.…",
            hint="write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH",
        )
    return f"abfss://{container}@{account}.dfs.{cloud}"


def container_of(root: str) -> str:
    """Return the container of a root that :func:`split_azure` made."""
    return root.partition("://")[2].partition("@")[0]


def account_of(root: str) -> tuple[str, str]:
    """Return account and blob endpoint that a root names, ``("", "")`` when it names none."""
    host = root.partition("@")[2]
    if not host:
        return "", ""
    account, _, suffix = host.partition(".")
    return account, f"https://{account}.blob.{suffix.removeprefix('dfs.')}"
