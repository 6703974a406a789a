"""What Azure would be asked whether it is allowed, and what it would say: conditions are read by their grammar.

The grammar is that of "Azure role assignment condition format and syntax", as far as it is used here, and stricter:
no blank is missing, nothing is abbreviated, and AND and OR are not mixed without parentheses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from recording import Exchange

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_TOKEN = re.compile(r"\s*('[^'\\]*(?:\\[*?][^'\\]*)*'|@\w+\[[^\]]+\]|[A-Za-z]+:?[A-Za-z]+|[(){},!])")


@dataclass(frozen=True)
class Asked:
    """One decision: may the data action ``action`` be done; ``path`` is a blob's, ``prefix`` that of a listing."""

    action: str
    container: str
    path: str | None = None
    prefix: str | None = None
    listing: bool = False

    @property
    def words(self) -> str:
        return f"{self.action} {self.container} {self.path} {self.prefix} {self.listing}"


def on_blob(action: str, container: str, path: str) -> Asked:
    return Asked(f"{BLOBS}/{action}", container, path)


def listing(container: str, prefix: str | None) -> Asked:
    return Asked(f"{BLOBS}/read", container, prefix=prefix, listing=True)


def asked(exchanges: Iterable[Exchange], account: str) -> list[Asked]:
    """Return what Azure would decide on for these exchanges, path style ("Permissions for Blob service operations")."""
    found = []
    for one in exchanges:
        parts = urlsplit(one.target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        container, _, path = unquote(parts.path).removeprefix(f"/{account}/").partition("/")
        actions = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "delete"}
        if path and one.method in actions and query.get("comp") in {None, "block", "blocklist"}:
            found.append(on_blob(actions[one.method], container, path))
        elif one.method == "GET" and (query["restype"], query["comp"]) == ("container", "list"):
            found.append(listing(container, query.get("prefix")))
        else:
            raise AssertionError(f"not a request that the plugin is known to send: {one.method} {one.target}")
    return found


def allowed(policy: Mapping[str, Any], one: Asked, *, star: str = ".*") -> bool:
    """Say whether a printed policy allows it; ``star``: what ``*`` stands for, as a regular expression."""
    roles = {role["Name"]: role for role in policy["roleDefinitions"]}
    return any(
        one.action in roles[assignment["role"]]["DataActions"]
        and assignment["scope"].endswith(f"/containers/{one.container}")
        and ("condition" not in assignment or holds(assignment["condition"], one, star=star))
        for assignment in policy["roleAssignments"]
    )


def holds(condition: str, one: Asked, *, star: str = ".*") -> bool:
    """Evaluate a condition for one decision.

    Raises:
        ValueError: it does not follow the grammar.
    """
    reader = _Reader(condition, one, star)
    answer = reader.any_of()
    if reader.token:
        raise ValueError(f"unexpected {reader.token!r}")
    return answer


class _Reader:
    """Reads a condition from left to right and evaluates it on the way."""

    def __init__(self, condition: str, one: Asked, star: str) -> None:
        self._left, self._one, self._star = condition, one, star
        self.token = ""
        self._next()

    def _next(self) -> str:
        read, found = self.token, _TOKEN.match(self._left)
        if not found and self._left.strip():
            raise ValueError(f"no word of the language: {self._left[:40]!r}")
        self.token = found[1] if found else ""
        self._left = self._left[found.end() :] if found else ""
        return read

    def _take(self, wanted: str) -> None:
        if (read := self._next()) != wanted:
            raise ValueError(f"{wanted!r} was expected, and there is {read!r}")

    def any_of(self) -> bool:
        answers, word = [self._term()], self.token
        while self.token and self.token in {"AND", "OR"}:
            self._take(word)  # a mixture must be put in parentheses
            answers.append(self._term())
        return all(answers) if word == "AND" else any(answers)

    def _term(self) -> bool:
        if self.token in {"!", "NOT"}:
            self._next()
            return not self._term()
        if self.token == "(":
            self._next()
            answer = self.any_of()
            self._take(")")
            return answer
        word = self._next()
        if word == "ActionMatches":
            return self._one.action in self._values()
        if word == "SubOperationMatches":
            return self._values() == ["Blob.List"] and self._one.listing
        return self._comparison(word)

    def _comparison(self, attribute: str) -> bool:
        known: dict[str, str | None] = {
            f"@Resource[{BLOBS}:path]": self._one.path, f"@Request[{BLOBS}:prefix]": self._one.prefix,
        }  # fmt: skip
        if attribute not in known:
            raise ValueError(f"no attribute: {attribute!r}")
        self._take("ForAnyOfAnyValues:StringLike")
        value, patterns = known[attribute], self._values()
        return value is not None and any(self._like(one)(value) for one in patterns)

    def _values(self) -> list[str]:
        self._take("{")
        values = [self._text()]
        while self.token == ",":
            self._next()
            values.append(self._text())
        self._take("}")
        return values

    def _text(self) -> str:
        word = self._next()
        if not word.startswith("'"):
            raise ValueError(f"a text was expected, and there is {word!r}")
        return word[1:-1]

    def _like(self, pattern: str) -> Callable[[str], object]:
        pieces = re.findall(r"\\[*?]|.", pattern, re.DOTALL)
        wild = {"*": self._star, "?": "."}
        return re.compile("".join(wild.get(one) or re.escape(one[-1]) for one in pieces), re.DOTALL).fullmatch
