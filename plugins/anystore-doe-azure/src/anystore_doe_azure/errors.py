"""The one place where the store's refusals and the SDK's errors become ours; every sentence here is free of secrets."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anystore_doe.errors import (
    AccessDeniedError,
    ChecksumError,
    CredentialsError,
    InputChangedError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
    printable,
)
from anystore_doe.fsspec_storage.translate import SET_THE_CLOCK, off_by, request_id_of
from anystore_doe_azure.urls import container_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anystore_doe_azure.account import Account

# Codes are those of "Blob service error codes" and "Common REST API error codes" in the Azure Storage REST reference.
_REJECTED = {
    "AuthenticationFailed": "the store does not accept the credentials",
    "InvalidAuthenticationInfo": "the store does not accept the credentials",
    "NoAuthenticationInformation": "the store wants credentials",
    "KeyBasedAuthenticationNotPermitted": "the account takes no account keys, and no signatures made with them",
    "InvalidAuthenticationType": "the account does not take this kind of credentials",
}
_DENIED = {
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "AuthorizationSourceIPMismatch",
    "AuthorizationProtocolMismatch",
    "InsufficientAccountPermissions",
    "PublicAccessNotPermitted",
    "UnauthorizedBlobOverwrite",
    "AccountIsDisabled",
}
_MISSING = {"BlobNotFound", "PathNotFound"}
_ARCHIVED = {"BlobArchived", "BlobBeingRehydrated"}
_LEASED = {"LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "LeaseNotPresentWithBlobOperation"}
_FINAL = {
    "SnapshotsPresent",
    "BlobImmutableDueToPolicy",
    "InvalidBlobType",
    "BlobTypeNotSupported",
    "BlobAlreadyExists",
}
_NEEDS = {
    "read": ("read", "r", "Storage Blob Data Reader"),
    "list": ("read", "l", "Storage Blob Data Reader"),
    "push": ("write", "c and w", "Storage Blob Data Contributor"),
    "delete": ("delete", "d", "Storage Blob Data Contributor"),
}
"""What is done to the action, the letters of a shared access signature, and the least built-in role that allow it."""

_MESSAGE = re.compile(r"<Message>(.*?)(?:\n|</Message>)", re.DOTALL)
_DETAIL = re.compile(r"<AuthenticationErrorDetail>(.*?)</AuthenticationErrorDetail>", re.DOTALL)
_CODE = re.compile(r"<Code>(\w+)</Code>")


class RefusedError(Exception):
    """The store's answer to a request that it did not carry out; becomes the ``__cause__`` of one of our errors."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep what the answer says; the body of a HEAD's is empty, and its code is in a header only."""
        text = body[:10_000].decode(errors="replace")
        code = headers.get("x-ms-error-code", "") or (found[1] if (found := _CODE.search(text)) else "")
        super().__init__(f"HTTP {status} {printable(code)}".strip())
        self.status = status
        self.headers = headers
        self.code = code
        self.said = printable(found[1].strip()) if (found := _MESSAGE.search(text)) else ""
        self.detail = found[1] if (found := _DETAIL.search(text)) else ""


def answer_of(error: StorageError) -> tuple[str, int, Mapping[str, str]]:
    """Return code, status and headers of the store's answer behind an error; ``("", 0, {})``: there was none."""
    cause = error.__cause__
    return (cause.code, cause.status, cause.headers) if isinstance(cause, RefusedError) else ("", 0, {})


def is_condition_broken(error: StorageError) -> bool:
    """Whether the store said that a condition of the request does not hold (and not that a lease stands against it)."""
    code, status, _ = answer_of(error)
    return code in {"ConditionNotMet", "BlobAlreadyExists", "TargetConditionNotMet"} or (status == 412 and not code)


def is_invalid_range(error: StorageError) -> bool:
    """Whether the store said that the range lies beyond the object."""
    return answer_of(error)[1] == 416


def is_lost_reply(error: StorageError) -> bool:
    """Whether the request may have been carried out although it failed here."""
    _, status, _ = answer_of(error)
    return error.retryable and (status == 0 or status >= 500)


def asked_pause_s(error: StorageError) -> float | None:
    """Return the seconds of the answer's ``Retry-After``, ``None`` when it has none or a date."""
    after = answer_of(error)[2].get("retry-after", "")
    return float(after) if after.isdigit() else None


def changed(doing: str, url: str, pin: str | None, now: str | None) -> InputChangedError:
    """Return the error that names the pinned version and the one that is there now."""
    return InputChangedError(doing, url, f"changed since it was pinned (ETag {pin} -> {now or 'another'})")


class Translator:
    """Makes our errors out of answers and of the SDK's errors; knows the account and how credentials were found."""

    def __init__(self, root: str, account: Account) -> None:
        """Keep what the hints name."""
        self._root = root
        self._container = container_of(root)
        self._account = account

    def unknown_account(self, doing: str, url: str) -> StorageError:
        """Return the error of a request to an account that nothing names."""
        return CredentialsError(
            doing,
            url,
            f"no storage account is named (tried: the URL, connection_string, account_name; {self._account.source})",
            hint="set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH",
        )

    def refused(self, error: RefusedError, doing: str, url: str, *, needs: str) -> StorageError:
        """Return the error to raise for an answer; ``needs`` is ``read``, ``list``, ``push`` or ``delete``."""
        ours = self._refused(error, doing, url, needs)
        return ours.answered(error.code or str(error.status), request_id_of(error.headers))

    def _refused(self, error: RefusedError, doing: str, url: str, needs: str) -> StorageError:
        code, status, detail = error.code, error.status, error.said or "the store refused"
        if code in _REJECTED or status == 401:
            return self._rejected(error, doing, url)
        if code in {"ContainerNotFound", "ContainerBeingDeleted"}:
            return ObjectNotFoundError(doing, url, f"there is no container {self._container!r}")
        if code == "ResourceNotFound" and self._account.kind == "anonymous":
            why = f"access denied: the container {self._container!r} is private, or there is no such container"
            return AccessDeniedError(doing, url, why, hint="leave out anonymous = true to send credentials")
        if code in _MISSING or status == 404:
            return ObjectNotFoundError(doing, url)
        if code in _DENIED or status == 403:
            return self._denied(error, doing, url, needs)
        if code == "Md5Mismatch":
            return ChecksumError(doing, url, "what the store got is not what was sent", retryable=True)
        if code in _ARCHIVED:
            return StorageError(doing, url, "the blob is archived", hint="rehydrate it to the hot or cool tier first")
        if code in _LEASED:
            return StorageError(doing, url, "somebody holds a lease on the blob", hint="az storage blob lease break")
        if code in {"OperationNotSupportedOnDirectory", "FeatureNotSupportedForAccount"} or status == 501:
            return UnsupportedError(doing, url, detail)
        again = status in {408, 425, 429} or status >= 500 or (status == 409 and code not in _FINAL)
        return StorageError(doing, url, detail, retryable=again)

    def _rejected(self, error: RefusedError, doing: str, url: str) -> StorageError:
        if "time frame" in error.detail or "expired" in error.detail.lower():
            what = "the shared access signature or token is expired, not valid yet, or this machine's clock is off"
            return CredentialsError(doing, url, f"{what} ({self._looked()})", hint="make a new one and run it again")
        if "date header too old" in error.detail.lower():
            what = f"the clock of this machine is {off_by(error.headers)}"
            return CredentialsError(doing, url, what, hint=SET_THE_CLOCK)
        what = _REJECTED.get(error.code, "the store does not accept the credentials")
        return CredentialsError(doing, url, f"{what} ({self._looked()})", hint=self._hint())

    def _denied(self, error: RefusedError, doing: str, url: str, needs: str) -> StorageError:
        action, letters, role = _NEEDS[needs]
        said = f": {error.said}" if error.said else ""
        return AccessDeniedError(
            doing,
            url,
            f"access denied{said} ({self._looked()})",
            hint=f"allow …/containers/blobs/{action} on the container {self._container!r} "
            f"(role {role}; {letters} in a shared access signature), and this machine in the account's network rules",
        )

    def failed(self, error: Exception, doing: str, url: str) -> StorageError:
        """Return the error to raise for what went wrong before an answer came, or within its body."""
        from azure.core import exceptions as sdk

        if isinstance(error, StorageError):
            return error
        if type(error).__name__ == "AzureSigningError":
            return CredentialsError(
                doing, url, f"the account key is no base64 text ({self._looked()})", hint=self._hint()
            )
        if isinstance(error, sdk.ClientAuthenticationError):
            return CredentialsError(doing, url, f"no credentials were found ({self._looked()})", hint=self._hint())
        host = urlsplit(self._account.endpoint).netloc
        inner = error.inner_exception if isinstance(error, sdk.AzureError) else error
        if "Certificate" in type(inner).__name__ or "SSL" in type(inner).__name__:
            return StorageError(doing, url, f"TLS with {host} failed: {_reason(inner or error)}")
        if isinstance(error, sdk.ServiceRequestError) and self._account.kind == "default" and "non-TLS" in str(error):
            return self._token_over_http(doing, url)
        if isinstance(error, sdk.ServiceRequestError):
            return StorageError(doing, url, f"{host} can not be reached: {_reason(inner or error)}", retryable=True)
        if isinstance(error, sdk.AzureError | OSError | asyncio.TimeoutError) or _is_aiohttp(error):
            return StorageError(doing, url, f"the connection failed: {_reason(inner or error)}", retryable=True)
        if isinstance(error, ValueError) and self._account.kind == "default":
            if "HTTPS" in str(error):
                return self._token_over_http(doing, url)
            return CredentialsError(
                doing, url, f"credentials can not be looked up: {_reason(error)} ({self._looked()})"
            )
        return StorageError(doing, url, f"{type(error).__name__}: {_reason(error)}")

    def _token_over_http(self, doing: str, url: str) -> StorageError:
        what = "no key or signature is given, and a token is not sent over http"
        return CredentialsError(doing, url, f"{what} ({self._looked()})", hint=self._hint())

    def _looked(self) -> str:
        """Say which credentials were used, or where they were looked for."""
        if self._account.kind == "default":
            return (
                "tried: connection_string, account_key, sas_token (settings or AZURE_STORAGE_…), then "
                f"{self._account.source}"
            )
        return f"used: {self._account.source}, account {self._account.name or 'unknown'!r}"

    def _hint(self) -> str:
        return (
            "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN of this "
            f'account, or run az login; anonymous = true under [storage."{self._root}"] for public data'
        )


def _is_aiohttp(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _reason(error: BaseException) -> str:
    """Return what an error says in one line, without the query of a URL in it, which may hold a signature."""
    text = re.sub(r"\?\S+", "?***", str(error))
    return printable(text).partition("\n")[0] or type(error).__name__
