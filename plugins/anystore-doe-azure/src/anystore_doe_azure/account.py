"""Which account a root means, where it answers, and with which of the user's credentials; no SDK, no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anystore_doe_azure.options import AzureOptions, parsed
from anystore_doe_azure.urls import account_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUBLIC = "core.windows.net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A storage account as requests need it.

    Attributes:
        name: Its name, ``""`` when nothing says it.
        endpoint: URL of its blob service, without trailing ``/``; ``""`` when nothing says it.
        kind: ``anonymous``, ``key``, ``sas``, or ``default``: what azure.identity's DefaultAzureCredential finds.
        secret: The key or the shared access signature.
        source: Where the credentials come from, in words.
    """

    name: str
    endpoint: str
    kind: str
    secret: str = field(default="", repr=False)
    source: str


def resolve(root: str, options: AzureOptions) -> Account:
    """Return the account of a root.

    A URL that names an account means that one. What the options say about *another* account is not used for it: a
    key would be refused, and a shared access signature would be shown to a stranger.
    """
    in_url, endpoint_in_url = account_of(root)
    string = parsed(options.connection_string or "")
    named = string.get("accountname") or options.account_name or ""
    name = in_url or named
    if in_url and named and named != in_url:
        string, key, sas = {}, "", ""
    else:
        key = string.get("accountkey") or (options.account_key or "" if not _has_credentials(string) else "")
        sas = string.get("sharedaccesssignature") or (options.sas_token or "" if not _has_credentials(string) else "")
    endpoint = (
        options.endpoint_url or endpoint_in_url or string.get("blobendpoint", "") or _default_endpoint(name, string)
    )
    kind, secret, source = _chosen(options, string, key, sas)
    return Account(
        name=name or _name_in(endpoint), endpoint=endpoint.rstrip("/"), kind=kind, secret=secret, source=source
    )


def _has_credentials(string: Mapping[str, str]) -> bool:
    return bool(string.get("accountkey") or string.get("sharedaccesssignature"))


def _chosen(options: AzureOptions, string: Mapping[str, str], key: str, sas: str) -> tuple[str, str, str]:
    if options.anonymous:
        return "anonymous", "", "anonymous = true"
    if key:
        return "key", key, "account key of the connection string" if string.get("accountkey") else "account_key"
    if sas:
        whose = "signature of the connection string" if string.get("sharedaccesssignature") else "sas_token"
        return "sas", sas.lstrip("?"), whose
    return "default", "", "DefaultAzureCredential: environment, workload and managed identity, az login"


def _default_endpoint(name: str, string: Mapping[str, str]) -> str:
    if not name:
        return ""
    protocol = string.get("defaultendpointsprotocol", "https")
    return f"{protocol}://{name}.blob.{string.get('endpointsuffix', _PUBLIC)}"


def _name_in(endpoint: str) -> str:
    """Return the account that an endpoint names: first part of its host, or its path (an emulator's)."""
    host, _, path = endpoint.partition("://")[2].partition("/")
    return path.partition("/")[0] or (host.partition(".")[0] if ".blob." in host else "")
