"""The least role and its conditional assignment for reading some blobs and writing others; made of text, asks nobody.

What is granted is what the plugin sends: reading and listing is one action, writing (Put Blob, Put Block, Put Block
List) another, deleting a third ("Permissions for Blob service operations" in the Azure Storage REST reference). The
language of conditions is that of "Azure role assignment condition format and syntax", attributes and suboperations are
those of "Actions and attributes for Azure role assignment conditions for Azure Blob Storage".

The role is a custom one: the built-in Storage Blob Data Contributor may also create and delete containers and make
delegation keys, and a condition does not reach that.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from anystore_doe.contract import Policy
from anystore_doe.errors import PlanError, UnsupportedError, UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anystore_doe_azure.account import Account

MOST_BYTES = 8 * 1024
"""Bytes of a condition ("FAQ for Azure role assignment conditions")."""

SUBSCRIPTION, GROUP, ACCOUNT, WHO = "SUBSCRIPTION_ID", "RESOURCE_GROUP", "ACCOUNT", "PRINCIPAL_ID"
"""What stands for what no URL says."""

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ, WRITE, DELETE = f"{_BLOBS}/read", f"{_BLOBS}/write", f"{_BLOBS}/delete"
_PATH, _PREFIX = f"@Resource[{_BLOBS}:path]", f"@Request[{_BLOBS}:prefix]"
_LIST = "SubOperationMatches{'Blob.List'}"
_UNQUOTABLE = re.compile(r"['\\\x00-\x1f\x7f-\x9f]")
_PRINCIPAL = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|\w[^\s@'\"]*@[^\s@'\"]+")


def role_assignment(
    container: str,
    account: Account,
    reads: Sequence[str],
    writes: Sequence[str],
    *,
    delete: bool,
    principal: str,
) -> Policy:
    """Return the role, and its assignment on a container; keys as the contract's ``grants`` has them.

    Raises:
        UnsupportedError: requests are anonymous.
        UsageError: ``principal`` is no id of an object in Microsoft Entra ID, and no user's name.
        PlanError: there are more places than a condition has room for.
    """
    if account.kind == "anonymous":
        raise UnsupportedError("write a policy for", container, "anonymous = true sends requests in nobody's name")
    if principal and not _PRINCIPAL.fullmatch(principal):
        raise UsageError(
            f"--principal {printable(principal)!r} is no object id and no user of Microsoft Entra ID",
            hint="--principal 00000000-0000-0000-0000-000000000000, which az ad sp show --id NAME --query id prints",
        )
    actions = [READ, *([WRITE] if writes else []), *([DELETE] if writes and delete else [])]
    condition = _condition(reads, writes, actions)
    if len(condition.encode()) > MOST_BYTES:
        raise PlanError(
            f"the condition for the container {container} has {len(condition.encode()):,} bytes; Azure takes "
            f"{MOST_BYTES:,}, and one assignment of a role on a container",
            hint="give the runs a common folder: one folder for all outputs becomes one prefix",
        )
    name = f"anystore-doe {'-'.join(action.rpartition('/')[2] for action in actions)}"
    role = _role(name, actions)
    assignment = {
        "role": name,
        "assignee": principal or WHO,
        "scope": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/"
        f"{account.name or ACCOUNT}/blobServices/default/containers/{container}",
        **({"condition": condition, "conditionVersion": "2.0"} if condition else {}),
    }
    return Policy(
        kind="azure-rbac",
        document={"roleDefinitions": [role], "roleAssignments": [assignment]},
        attach=f"the container {container} of the account {account.name or ACCOUNT}",
        notes=tuple(_notes(account, reads, writes, delete=delete, principal=principal)),
        commands=tuple(_commands(role, assignment)),
    )


def _role(name: str, actions: Sequence[str]) -> dict[str, object]:
    """Return the definition of the role that may do ``actions`` with blobs, and nothing else with anything."""
    return {
        "Name": name,
        "IsCustom": True,
        "Description": "Blobs of sweeps, as far as the condition of an assignment says.",
        "Actions": [],
        "NotActions": [],
        "DataActions": list(actions),
        "NotDataActions": [],
        "AssignableScopes": [f"/subscriptions/{SUBSCRIPTION}"],
    }


def _condition(reads: Sequence[str], writes: Sequence[str], actions: Sequence[str]) -> str:
    """Return the condition, ``""`` where the whole container may be read and written."""
    everything = tuple(dict.fromkeys((*reads, *writes)))
    clauses = [*_reading(everything), *_changing(writes, [one for one in actions if one != READ])]
    return " AND ".join(f"(({targets}) OR ({holds}))" for targets, holds in clauses)


def _reading(keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is about reading blobs, and what is about listing them: with a prefix that ends in ``/``.

    A listing has no path: where no tree is listed, the condition on the path denies it.
    """
    if "/" in keys:
        return
    trees = [key for key in keys if key.endswith("/")]
    paths = _like(_PATH, map(_pattern, keys))
    if not trees:
        yield f"!(ActionMatches{{'{READ}'}})", paths
        return
    yield f"!(ActionMatches{{'{READ}'}} AND NOT {_LIST})", paths
    prefixes = _like(_PREFIX, (one for key in trees for one in (_literal(key), _pattern(key))))
    yield f"!(ActionMatches{{'{READ}'}} AND {_LIST})", prefixes


def _changing(keys: Sequence[str], actions: Sequence[str]) -> Iterator[tuple[str, str]]:
    if actions and "/" not in keys:
        targets = " AND ".join(f"!(ActionMatches{{'{action}'}})" for action in actions)
        yield targets, _like(_PATH, map(_pattern, keys))


def _like(attribute: str, patterns: Iterator[str]) -> str:
    listed = ", ".join(f"'{one}'" for one in patterns)
    return f"{attribute} ForAnyOfAnyValues:StringLike {{{listed}}}"


def _pattern(key: str) -> str:
    """Return the pattern that matches a blob, or everything below a key that ends in ``/``."""
    return _literal(key) + "*" * key.endswith("/")


def _literal(text: str) -> str:
    """Return the pattern that matches ``text``.

    How a quote or a backslash is written within quotes is not documented: any one character stands for it.
    """
    return re.sub(r"[*?]", r"\\\g<0>", _UNQUOTABLE.sub("\0", text)).replace("\0", "?")


def _commands(role: dict[str, object], assignment: dict[str, str]) -> Iterator[str]:
    yield shlex.join(["az", "role", "definition", "create", "--role-definition", json.dumps(role)])
    words = ["az", "role", "assignment", "create"]
    for name in ("assignee", "role", "scope"):
        words += [f"--{name}", assignment[name]]
    if "condition" in assignment:
        words += ["--condition", assignment["condition"], "--condition-version", assignment["conditionVersion"]]
    yield shlex.join(words)


def _notes(
    account: Account, reads: Sequence[str], writes: Sequence[str], *, delete: bool, principal: str
) -> Iterator[str]:
    unsaid = [SUBSCRIPTION, GROUP, *([] if account.name else [ACCOUNT]), *([] if principal else [WHO])]
    yield f"{', '.join(unsaid)} stand for what the URLs do not say{'' if principal else ' (--principal says who)'}"
    yield (
        "the role is made once for all sweeps; an identity can have one assignment of it on a container, so remove "
        "that of an earlier table first (az role assignment delete)"
    )
    if account.kind in {"key", "sas"}:
        listed = any(key.endswith("/") for key in (*reads, *writes))
        letters = f"r{'cw' if writes else ''}{'d' if writes and delete else ''}{'l' if listed else ''}"
        yield (
            f"roles and conditions are for Microsoft Entra ID, and these settings have credentials of their own "
            f"({account.source}): leave them out, or use a shared access signature of the container with the "
            f"permissions {letters}, which no path limits"
        )
    if any(_UNQUOTABLE.search(key) for key in (*reads, *writes)):
        yield "a quote or a backslash in a name is written as ?, which stands for any one character"
