"""The faults that :class:`~anystore_doe.testing.proxy.FaultProxy` can play, and the rules that say when."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping  # noqa: TC003  docs read annotations at run time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Side = Literal["reply", "request"]
"""Which body a fault is about: the one the client gets, or the one it sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """End the connection after ``after`` bytes of a body, though more were promised.

    ``reset`` ends it with RST instead of FIN. With ``of="request"`` the upstream sees the cut body too.
    """

    after: int = 0
    reset: bool = False
    of: Side = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Send only the first ``to`` bytes of a reply's body, under a Content-Length that says so: nothing looks wrong."""

    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Flip the lowest bit of byte ``at`` (0-based) of a body."""

    at: int = 0
    of: Side = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Call ``call`` before the request is forwarded, or once ``after`` bytes of the reply's body were sent.

    The call replaces or removes the object behind the client's back. With ``then_cut`` the connection ends right
    after it, so that the client goes on with another request and meets the other version.
    """

    call: Callable[[], object]
    after: int | None = None
    then_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer ``status`` with ``body``; the upstream sees nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait ``s`` seconds before the request is forwarded; ``math.inf`` hangs until the proxy is closed."""

    s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseReply:
    """Forward the request, read the whole reply, and end the connection without passing it on."""


Fault = Cut | Truncate | Flip | Swap | Answer | Delay | LoseReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a fault is played: on matches number ``nth`` to ``nth + count - 1`` of a request.

    Attributes:
        fault: What is played.
        method: ``fnmatch`` pattern.
        path: ``fnmatch`` pattern of the request target as it is sent (percent-encoded), without query.
        query: ``fnmatch`` pattern of the query, without ``?``.
        headers: Lower-case header name to ``fnmatch`` pattern; a missing header is ``""``.
        nth: The first match that counts, from 1.
        count: How many matches; ``None``: all that follow.
    """

    fault: Fault
    method: str = "*"
    path: str = "*"
    query: str = "*"
    headers: Mapping[str, str] = field(default_factory=dict)
    nth: int = 1
    count: int | None = 1

    def matches(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> bool:
        """Whether a request is of the kind this rule is about; which match it is, the proxy counts."""
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(query, self.query)
            and all(fnmatchcase(headers.get(name, ""), pattern) for name, pattern in self.headers.items())
        )


REQUEST_ID = "4442587FB7D0A2F9"
"""How an answer that is played names the request."""


def s3_error(status: int, code: str, *, message: str = "", more: str = "", retry_after_s: int | None = None) -> Answer:
    """Return an answer as an S3 server gives it, such as ``s3_error(503, "SlowDown", retry_after_s=1)``.

    ``more`` is XML beside code and message, such as ``<Region>eu-west-1</Region>``.

    The format is that of "Error responses" in the Amazon S3 API reference.
    """
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message or code}</Message>{more}"
        f"<RequestId>{REQUEST_ID}</RequestId></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-amz-request-id": REQUEST_ID}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Answer(status=status, body=body.encode(), headers=headers)


def gcs_error(status: int, reason: str, *, message: str = "", retry_after_s: int | None = None) -> Answer:
    """Return an answer as Google Cloud Storage gives it, such as ``gcs_error(429, "rateLimitExceeded")``.

    The format is that of "Status and error codes" in the reference of its JSON API.
    """
    said = message or f"{reason} was said."
    error = {"code": status, "message": said, "errors": [{"message": said, "domain": "global", "reason": reason}]}
    headers = {"Content-Type": "application/json; charset=UTF-8", "x-guploader-uploadid": REQUEST_ID}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Answer(status=status, body=json.dumps({"error": error}).encode(), headers=headers)


def azure_error(status: int, code: str, *, detail: str = "", retry_after_s: int | None = None) -> Answer:
    """Return an answer as Azure gives it, such as ``azure_error(503, "ServerBusy")``; ``detail`` is of a 403.

    The format is that of "Status and error codes" in the Azure Storage REST reference.
    """
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    body = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{code} was said.\nRequestId:{REQUEST_ID}</Message>{more}</Error>"
    )
    headers = {"Content-Type": "application/xml", "x-ms-error-code": code, "x-ms-request-id": REQUEST_ID}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Answer(status=status, body=body.encode(), headers=headers)
