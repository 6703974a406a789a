"""What Google Cloud would be asked whether it is allowed, and what IAM would say: conditions are evaluated as CEL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import celpy
from celpy.celtypes import StringType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recording import Exchange

ROLES = {
    "roles/storage.objectViewer": {"objects.get", "objects.list", "folders.get", "folders.list", "managedFolders.list"},
    "roles/storage.objectCreator": {
        *("objects.create", "folders.create", "managedFolders.create"),
        *("multipartUploads.create", "multipartUploads.abort", "multipartUploads.listParts"),
    },
    "roles/storage.legacyBucketWriter": {
        *("buckets.get", "objects.create", "objects.delete", "objects.list", "multipartUploads.list"),
        *("multipartUploads.create", "multipartUploads.abort", "multipartUploads.listParts"),
    },
}
"""Permissions, less ``storage.``, as "IAM roles for Cloud Storage" lists them (what is about projects left out)."""


@dataclass(frozen=True)
class Asked:
    """One decision: may ``permission`` be used on ``resource``; ``prefix`` is that of a listing."""

    permission: str
    resource: str
    prefix: str | None = None

    @property
    def words(self) -> str:
        return f"{self.permission} {self.resource} {self.prefix}"


def on_key(permission: str, bucket: str, key: str) -> Asked:
    return Asked(permission, f"projects/_/buckets/{bucket}/objects/{key}")


def on_bucket(permission: str, bucket: str) -> Asked:
    return Asked(permission, f"projects/_/buckets/{bucket}")


def listing(bucket: str, prefix: str | None) -> Asked:
    return Asked("objects.list", f"projects/_/buckets/{bucket}", prefix)


def asked(exchanges: Iterable[Exchange]) -> list[Asked]:
    """Return what IAM would decide on for these exchanges.

    To write over an object takes the right to delete it, too: whether one is there is known from the writes before,
    and from a condition on its generation. Parts of an upload are of the object that its session was opened for.
    """
    found: list[Asked] = []
    there: set[str] = set()
    sessions: dict[str, str] = {}
    for one in exchanges:
        parts = urlsplit(one.target)
        query = _query(one.target)
        place, _, key = parts.path.removeprefix("/upload").removeprefix("/download").partition("/o/")
        bucket = place.removeprefix("/storage/v1/b/").removesuffix("/o")
        if "upload_id" in query:
            found.append(Asked("objects.create", sessions[query["upload_id"]]))
        elif parts.path.startswith("/upload/") and one.method == "POST":
            name = on_key("", bucket, _name(one.body)).resource
            match = query.get("ifGenerationMatch", "any" if name in there else "0")
            found += [Asked("objects.create", name), *([] if match == "0" else [Asked("objects.delete", name)])]
            if one.status < 300:
                there.add(name)
                sessions[_query(one.answered.get("location", "")).get("upload_id", "")] = name
        elif key and one.method in {"GET", "DELETE"}:
            found.append(on_key("objects.get" if one.method == "GET" else "objects.delete", bucket, unquote(key)))
        elif one.method == "GET" and parts.path == f"/storage/v1/b/{bucket}/o":
            found.append(listing(bucket, query.get("prefix")))
        else:
            raise AssertionError(f"not a request that the plugin is known to send: {one.method} {one.target}")
    return found


def _query(target: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}


def _name(body: bytes) -> str:
    """Return the name in the resource that an upload begins with, alone or as the first part."""
    begin = body.index(b"{")
    found, _ = json.JSONDecoder().raw_decode(body[begin : begin + 10_000].decode(errors="replace"))
    return str(found["name"])


def operators(expression: str) -> int:
    """Return how many logical operators an expression has, those in its strings not counted."""
    tree = celpy.Environment().compile(expression)
    return sum(
        len(one.children) - 1 if one.data in {"conditionalor", "conditionaland"} else one.data == "unary_not"
        for one in tree.iter_subtrees()
    )


def holds(expression: str, one: Asked) -> bool:
    """Evaluate a condition as IAM does for one decision."""
    environment = celpy.Environment()
    functions = {"getAttribute": _attribute, "extract": _extract}
    program = environment.program(environment.compile(expression), functions=functions)
    kind = "Object" if "/objects/" in one.resource else "Bucket"
    api = {} if one.prefix is None else {"storage.googleapis.com/objectListPrefix": one.prefix}
    resource = {
        "name": one.resource, "type": f"storage.googleapis.com/{kind}", "service": "storage.googleapis.com",
    }  # fmt: skip
    answer = program.evaluate({"resource": celpy.json_to_cel(resource), "api": celpy.json_to_cel(api)})
    assert bool(answer) == answer, f"{expression} is neither true nor false: {answer!r}"
    return bool(answer)


def _attribute(api: Any, name: Any, default: Any) -> Any:
    return api.get(name, default)


def _extract(text: Any, template: Any) -> Any:
    """Do as ``extract()`` does ("Attribute reference for IAM Conditions"): what is between two texts, or nothing."""
    before, _, rest = str(template).partition("{")
    _, _, after = rest.partition("}")
    _, found, value = str(text).partition(before)
    if not found:
        return StringType("")
    end = value.find(after) if after else len(value)
    return StringType(value[:end] if end >= 0 else "")


def allowed(policy: Mapping[str, Any], one: Asked, roles: Mapping[str, set[str]] = ROLES) -> bool:
    """Say whether a bucket's policy allows it."""
    return any(
        one.permission in roles[binding["role"]] and holds(binding["condition"]["expression"], one)
        for binding in policy["bindings"]
    )
