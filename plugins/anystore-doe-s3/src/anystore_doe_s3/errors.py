"""The one place where the SDK's errors become ours; every sentence here is free of secrets."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anystore_doe.errors import (
    AccessDeniedError,
    CredentialsError,
    InputChangedError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
    printable,
)
from anystore_doe.fsspec_storage.translate import SET_THE_CLOCK, off_by, request_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anystore_doe_s3.options import S3Options

ACTIONS = {
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "delete_objects": "s3:DeleteObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
}
"""The permission that an operation needs; ``s3:PutObject`` where it is not listed."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_REJECTED = {
    "InvalidAccessKeyId": "the store does not know this access key",
    "InvalidClientTokenId": "the store does not know this access key",
    "UnrecognizedClientException": "the store does not know this access key",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key",
    "InvalidToken": "the session token is malformed",
    "AuthFailure": "the store rejects the credentials",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedAccess", "Forbidden", "403"}
_MISSING = {"NoSuchKey", "NotFound", "404", "NoSuchVersion"}
_WRONG_REGION = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_AGAIN = {
    "SlowDown",
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
    "ConditionalRequestConflict",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "BandwidthLimitExceeded",
    "XAmzContentSHA256Mismatch",
    "BadDigest",
}


def answer_of(error: BaseException | None) -> tuple[str, int, dict[str, str]]:
    """Return code, HTTP status and lower-case headers of the store's answer in ``error`` (or its cause)."""
    for one in (error, getattr(error, "__cause__", None)):
        response: Any = getattr(one, "response", None)
        if isinstance(response, dict) and "Error" in response:
            meta = response.get("ResponseMetadata", {})
            headers = {str(name).lower(): str(value) for name, value in meta.get("HTTPHeaders", {}).items()}
            return str(response["Error"].get("Code", "")), int(meta.get("HTTPStatusCode", 0)), headers
    return "", 0, {}


def is_precondition_failed(error: StorageError) -> bool:
    """Whether the store said that a condition of the request does not hold."""
    code, status, _ = answer_of(error.__cause__)
    return code == "PreconditionFailed" or status == 412


def is_invalid_range(error: StorageError) -> bool:
    """Whether the store said that the range lies beyond the object."""
    code, status, _ = answer_of(error.__cause__)
    return code == "InvalidRange" or status == 416


def is_lost_reply(error: StorageError) -> bool:
    """Whether the request may have been carried out although it failed here."""
    _, status, _ = answer_of(error.__cause__)
    return error.retryable and (status == 0 or status >= 500)


def asked_pause_s(error: StorageError) -> float | None:
    """Return the seconds of the answer's ``Retry-After``, ``None`` when it has none or a date."""
    after = answer_of(error.__cause__)[2].get("retry-after", "")
    return float(after) if after.isdigit() else None


class Translator:
    """Makes our errors out of the SDK's; knows the bucket and how credentials are looked up, for the hints."""

    def __init__(self, bucket: str, options: S3Options) -> None:
        """Keep what the hints name."""
        self._bucket = bucket
        self._options = options

    def translate(self, error: Exception, doing: str, url: str, *, operation: str) -> StorageError:
        """Return the error to raise ``from error``; ``operation`` is the client's method."""
        if isinstance(error, StorageError):
            return error
        code, status, headers = answer_of(error)
        if code or status:
            response: Any = getattr(error, "response", None) or getattr(error.__cause__, "response", {})
            ours = self._from_answer(response["Error"], answer_of(error), doing, url, operation)
            return ours.answered(code or str(status), request_id_of(headers))
        return self._from_client(error, doing, url)

    def _from_answer(
        self,
        answer: Mapping[str, Any],
        seen: tuple[str, int, Mapping[str, str]],
        doing: str,
        url: str,
        operation: str,
    ) -> StorageError:
        code, status, headers = seen
        said = printable(str(answer.get("Message", ""))).strip()
        detail = said or "the store refused"
        if code in _EXPIRED:
            return CredentialsError(
                doing, url, f"the credentials are expired ({self._looked()})", hint="refresh them and run it again"
            )
        if code == "RequestTimeTooSkewed":
            return CredentialsError(doing, url, f"the clock of this machine is {off_by(headers)}", hint=SET_THE_CLOCK)
        if code in _REJECTED:
            return CredentialsError(doing, url, f"{_REJECTED[code]} ({self._looked()})", hint=self._hint())
        if code == "NoSuchBucket":
            return ObjectNotFoundError(doing, url, f"there is no bucket {self._bucket!r}")
        if code in _MISSING or (status == 404 and not code):
            return ObjectNotFoundError(doing, url)
        if code in _DENIED or status == 403:
            return self._denied(said, doing, url, operation)
        if code in _WRONG_REGION:
            return self._elsewhere(answer, headers, detail, doing, url)
        if code == "NotImplemented" or status == 501:
            return UnsupportedError(doing, url, detail)
        if code == "InvalidObjectState":
            return StorageError(doing, url, "the object is archived", hint="restore it from its storage class first")
        retryable = code in _AGAIN or status >= 500 or status in {408, 409, 425, 429}
        return StorageError(doing, url, detail, retryable=retryable)

    def _elsewhere(
        self, answer: Mapping[str, Any], headers: Mapping[str, str], detail: str, doing: str, url: str
    ) -> StorageError:
        """Return the error of a bucket that is in another region or behind another endpoint; most answers say where."""
        table = f'[storage."s3://{self._bucket}/"] in sweep.toml'
        region = headers.get("x-amz-bucket-region") or str(answer.get("Region") or "")
        if not _REGION.fullmatch(region):
            return StorageError(doing, url, detail, hint=f"set region under {table}")
        what = f"the bucket is in region {region}, and was asked for elsewhere"
        more = f", and an endpoint_url of that region, not {self._options.endpoint_url}"
        more = printable(more) if self._options.endpoint_url else ""
        return StorageError(doing, url, what, hint=f'set region = "{region}" under {table}{more}')

    def _denied(self, said: str, doing: str, url: str, operation: str) -> StorageError:
        action = ACTIONS.get(operation, "s3:PutObject")
        path = url.partition("://")[2]
        resource = self._bucket if action == "s3:ListBucket" else path
        detail = f"access denied{f': {said}' if said and said not in {'Forbidden', 'Access Denied'} else ''}"
        if action == "s3:GetObject":
            detail += "; or there is no such object: without s3:ListBucket the store does not tell the difference"
        return AccessDeniedError(doing, url, detail, hint=f"allow {action} on arn:aws:s3:::{resource}")

    def _from_client(self, error: Exception, doing: str, url: str) -> StorageError:
        from botocore import exceptions as sdk

        if isinstance(error, sdk.NoCredentialsError):
            return CredentialsError(doing, url, f"no credentials were found ({self._looked()})", hint=self._hint())
        if isinstance(error, sdk.ProfileNotFound):
            name = self._options.profile or "default"
            return CredentialsError(doing, url, f"there is no profile {name!r} ({self._looked()})", hint=self._hint())
        if isinstance(error, sdk.PartialCredentialsError):
            return CredentialsError(doing, url, f"half of the credentials is missing ({self._looked()})")
        if type(error).__name__ in _CREDENTIAL_ERRORS:
            what = f"the credentials could not be loaded: {type(error).__name__} ({self._looked()})"
            return CredentialsError(doing, url, what, hint=self._hint())
        if isinstance(error, sdk.ParamValidationError):
            return UnsupportedError(doing, url, f"not a request that the installed SDK can send: {error}")
        if isinstance(error, sdk.SSLError):
            return StorageError(doing, url, f"TLS with {self._host(error)} failed: {_reason(error)}")
        if isinstance(error, sdk.EndpointConnectionError | sdk.ConnectTimeoutError | sdk.ProxyConnectionError):
            return StorageError(doing, url, f"{self._host(error)} can not be reached: {_reason(error)}", retryable=True)
        if isinstance(error, sdk.BotoCoreError) and not isinstance(error, sdk.HTTPClientError):
            name = type(error).__name__
            retryable = name in {"IncompleteReadError", "ResponseParserError", "ResponseStreamingError"}
            return StorageError(doing, url, f"{name}: {printable(str(error))}", retryable=retryable)
        if isinstance(error, sdk.HTTPClientError | OSError | asyncio.TimeoutError) or _is_aiohttp(error):
            return StorageError(doing, url, f"the connection failed: {_reason(error)}", retryable=True)
        return StorageError(doing, url, f"{type(error).__name__}: {printable(str(error))}")

    def _host(self, error: Exception) -> str:
        from urllib.parse import urlsplit

        endpoint = str(getattr(error, "kwargs", {}).get("endpoint_url") or self._options.endpoint_url or "")
        return urlsplit(endpoint).netloc.rpartition("@")[2] or "the store"

    def _looked(self) -> str:
        options = self._options
        if options.anonymous:
            return "anonymous = true"
        if options.config_file:
            if not Path(options.config_file).expanduser().exists():
                return f"{printable(options.config_file)} does not exist"
            return f"looked in {printable(options.config_file)}, profile {options.profile or 'default'!r}"
        places = "environment, shared credentials and config file, web identity, container and instance metadata"
        return f"tried: {f'profile {options.profile!r}' if options.profile else places}"

    def _hint(self) -> str:
        return (
            f'set config_file or profile under [storage."s3://{self._bucket}/"] in sweep.toml, or AWS_PROFILE; '
            "anonymous = true for public data"
        )


_CREDENTIAL_ERRORS = {
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "ConfigNotFound",
    "ConfigParseError",
    "InvalidConfigError",
    "MetadataRetrievalError",
    "RefreshWithMFAUnsupportedError",
    "InfiniteLoopConfigError",
    "UnknownCredentialError",
}


def _is_aiohttp(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _reason(error: Exception) -> str:
    """Return what lies at the bottom of a connection error, in one line."""
    inner = getattr(error, "kwargs", {}).get("error") or error
    return printable(str(inner)).partition("\n")[0] or type(inner).__name__


def changed(doing: str, url: str, pin: str | None, now: str | None) -> InputChangedError:
    """Return the error that names the pinned version and the one that is there now."""
    return InputChangedError(doing, url, f"changed since it was pinned (ETag {pin} -> {now or 'another'})")
