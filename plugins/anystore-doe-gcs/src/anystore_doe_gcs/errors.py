"""The one place where what the store and the SDK say becomes our errors; every sentence here is free of secrets."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anystore_doe.errors import (
    AccessDeniedError,
    CredentialsError,
    InputChangedError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedError,
    printable,
)
from anystore_doe.fsspec_storage.translate import SET_THE_CLOCK, request_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anystore_doe_gcs.options import GcsOptions

PERMISSIONS = {
    "get": "storage.objects.get",
    "list": "storage.objects.list",
    "insert": "storage.objects.create",
    "upload": "storage.objects.create",
    "delete": "storage.objects.delete",
}
"""The permission that an operation needs. Replacing an object needs the one to delete it too: the store says so."""

_ROLES = {
    "get": "objectViewer",
    "list": "objectViewer",
    "insert": "objectUser",
    "upload": "objectUser",
    "delete": "objectUser",
}
_NAMED_PERMISSION = re.compile(r"storage\.[A-Za-z]+\.[A-Za-z]+")
_TOO_OLD = re.compile(r"\biat\b|reasonable timeframe|issued in the future")
"""In what the token endpoint says of an assertion that was signed at another time than its own."""
_TOO_FAST = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}
_DEFAULT_PLACES = (
    "tried: GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, the machine's own service account"
)


class LoginError(Exception):
    """Credentials that can not be used; the text goes on after what they are, such as ``key.json``."""


class RefusedError(Exception):
    """The store answered, and not with what was asked for.

    Attributes:
        status: Of HTTP.
        headers: By lower-case name.
        said: What it says in words, in one line.
        reason: Its short name for that, such as ``notFound``; ``""`` where it gives none.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Read the answer: JSON, or plain text where bytes of an object are asked for or sent."""
        self.status = status
        self.headers = headers
        self.said, self.reason = _words(body)
        super().__init__(f"{self.said or 'the store refused'} ({status})")

    @property
    def code(self) -> str:
        """What the store calls the failure, or the status."""
        return self.reason or str(self.status)


def _words(body: bytes) -> tuple[str, str]:
    text = body.decode(errors="replace")
    reason = ""
    try:
        error: Any = json.loads(text)["error"]
        text = str(error["message"])
        reason = str(error["errors"][0]["reason"])
    except (ValueError, KeyError, TypeError, IndexError):
        pass
    if text.lstrip().startswith(("<", "{")):
        text = ""  # a proxy's page, or half of an answer: the status says more
    return printable(" ".join(text.split()))[:500], reason


def refused_by(error: BaseException | None) -> RefusedError | None:
    """Return the store's answer behind ``error`` (or its cause), ``None`` when there was none."""
    for one in (error, getattr(error, "__cause__", None)):
        if isinstance(one, RefusedError):
            return one
    return None


def status_of(error: BaseException | None) -> int:
    """Return the status of the store's answer behind ``error``, 0 when there was none."""
    answer = refused_by(error)
    return answer.status if answer else 0


def is_precondition_failed(error: StorageError) -> bool:
    """Whether the store said that a condition of the request does not hold."""
    return status_of(error) == 412


def is_missing_bucket(error: StorageError) -> bool:
    """Whether the store said that there is no such bucket."""
    answer = refused_by(error)
    return answer is not None and _about_bucket(answer)


def is_bad_digest(error: StorageError) -> bool:
    """Whether the store said that what arrived has another checksum than what was sent."""
    answer = refused_by(error)
    return answer is not None and answer.status == 400 and "doesn't match calculated" in answer.said


def is_lost_reply(error: StorageError) -> bool:
    """Whether the request may have been carried out although it failed here."""
    status = status_of(error)
    return error.retryable and (status == 0 or status >= 500)


def asked_pause_s(error: StorageError) -> float | None:
    """Return the seconds of the answer's ``Retry-After``, ``None`` when it has none or a date."""
    answer = refused_by(error)
    after = answer.headers.get("retry-after", "") if answer else ""
    return float(after) if after.isdecimal() else None


def changed(doing: str, url: str, pin: str, now: str | None) -> InputChangedError:
    """Return the error that names the pinned version and the one that is there now."""
    return InputChangedError(doing, url, f"changed since it was pinned (generation {pin} -> {now or 'none'})")


def _about_bucket(answer: RefusedError) -> bool:
    return answer.status == 404 and "bucket does not exist" in answer.said


class Translator:
    """Makes our errors out of the SDK's; knows the bucket and how credentials are looked up, for the hints."""

    def __init__(self, bucket: str, options: GcsOptions, *, anonymous: bool, location: str) -> None:
        """Keep what the hints name."""
        self._bucket = bucket
        self._options = options
        self._anonymous = anonymous
        self._host = urlsplit(location).netloc.rpartition("@")[2]

    def translate(self, error: Exception, doing: str, url: str, *, operation: str) -> StorageError:
        """Return the error to raise ``from error``; ``operation`` is one of :data:`PERMISSIONS`."""
        if isinstance(error, StorageError):
            return error
        if isinstance(error, RefusedError):
            # what names a request within an upload session is the session's own secret
            named = "" if operation == "upload" else request_id_of(error.headers)
            return self._from_answer(error, doing, url, operation).answered(error.code, named)
        if isinstance(error, LoginError):
            what = self._options.credentials_file or "what was found as application default credentials"
            return CredentialsError(doing, url, f"{printable(what)} {error}", hint=self._hint())
        return self._from_login(error, doing, url) or self._from_client(error, doing, url)

    def _from_answer(self, answer: RefusedError, doing: str, url: str, operation: str) -> StorageError:
        status, detail = answer.status, answer.said or "the store refused"
        if status in {404, 410} and operation == "upload":
            return StorageError(doing, url, f"the store forgot the upload: {detail}")
        if status == 404 and (_about_bucket(answer) or operation in {"list", "insert"}):
            return ObjectNotFoundError(doing, url, f"there is no bucket {self._bucket!r}")
        if status == 404:
            return ObjectNotFoundError(doing, url)
        if status == 401:
            what = "the store wants credentials" if self._anonymous else "the store rejects the credentials"
            return CredentialsError(doing, url, f"{what}: {detail} ({self._looked()})", hint=self._hint())
        if status == 403 and answer.reason not in _TOO_FAST:
            return self._denied(answer, doing, url, operation)
        if status == 400 and "requester pays" in answer.said:
            hint = f'set requester_pays = true and project under [storage."gs://{self._bucket}/"]'
            return StorageError(doing, url, detail, hint=hint)
        if status == 501:
            return UnsupportedError(doing, url, detail)
        retryable = status >= 500 or status in {403, 408, 409, 425, 429}
        return StorageError(doing, url, detail, retryable=retryable)

    def _denied(self, answer: RefusedError, doing: str, url: str, operation: str) -> StorageError:
        named = _NAMED_PERMISSION.search(answer.said)
        permission = named[0] if named else PERMISSIONS[operation]
        resource = f"gs://{self._bucket}" if permission == PERMISSIONS["list"] else url
        detail = f"access denied: {answer.said or 'the store does not say why'}"
        if operation == "get" and "may not exist" not in answer.said:
            detail += "; or there is no such object: without storage.objects.list the store does not tell"
        role = "objectUser" if permission == PERMISSIONS["delete"] else _ROLES[operation]
        return AccessDeniedError(
            doing, url, detail, hint=f"grant {permission} (in roles/storage.{role}) on {printable(resource)}"
        )

    def _from_login(self, error: Exception, doing: str, url: str) -> StorageError | None:
        from google.auth import exceptions as sdk

        if isinstance(error, sdk.DefaultCredentialsError) and not self._options.credentials_file:
            said = _first(error)
            more = "" if said.startswith("Your default credentials") else f": {said}"
            return CredentialsError(
                doing, url, f"no credentials were found{more} ({self._looked()})", hint=self._hint()
            )
        if isinstance(error, sdk.TransportError) or (isinstance(error, sdk.RefreshError) and error.retryable):
            return StorageError(doing, url, f"no access token could be had: {_first(error)}", retryable=True)
        if isinstance(error, sdk.GoogleAuthError):
            said = _first(error)
            what = f"no access token could be had: {said} ({self._looked()})"
            return CredentialsError(doing, url, what, hint=SET_THE_CLOCK if _TOO_OLD.search(said) else self._hint())
        if type(error).__module__.partition(".")[0] == "requests":
            return StorageError(doing, url, f"no access token could be had: {_first(error)}", retryable=True)
        return None

    def _from_client(self, error: Exception, doing: str, url: str) -> StorageError:
        import aiohttp

        if isinstance(error, aiohttp.ClientSSLError):
            return StorageError(doing, url, f"TLS with {self._host} failed: {_first(error)}")
        if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return StorageError(doing, url, f"{self._host} is no address: set endpoint_url")
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
            return StorageError(doing, url, f"{self._host} can not be reached: {_first(error)}", retryable=True)
        if isinstance(error, aiohttp.ClientError | OSError | asyncio.TimeoutError):
            return StorageError(doing, url, f"the connection failed: {_first(error)}", retryable=True)
        return StorageError(doing, url, f"{type(error).__name__}: {_first(error)}")

    def _looked(self) -> str:
        if self._options.credentials_file:
            return f"looked in {printable(self._options.credentials_file)}"
        if self._options.anonymous:
            return "anonymous = true"
        return "no default credentials are sent to an emulator" if self._anonymous else _DEFAULT_PLACES

    def _hint(self) -> str:
        return (
            f'set credentials_file under [storage."gs://{self._bucket}/"] in sweep.toml, or run gcloud auth '
            "application-default login; anonymous = true for public data"
        )


def _first(error: Exception) -> str:
    """Return the first thing that an error says, in one line; google-auth puts the whole answer behind it."""
    said = str(error.args[0]) if error.args and isinstance(error.args[0], str) else str(error)
    return printable(said.partition("\n")[0]) or type(error).__name__
