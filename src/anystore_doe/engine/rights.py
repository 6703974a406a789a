"""What a sweep must be allowed to do, store by store, as policies; computed from its URLs, no store is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from anystore_doe.engine.prefixes import few_prefixes
from anystore_doe.errors import PlanError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anystore_doe.contract.storage import Place, Policy, Storage

TREE = "/"
"""What a key ends in that stands for everything below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What is to be granted.

    Attributes:
        policies: One per language and thing that it is attached to.
        without: Per store that has no policies, a sentence that says so.
        widened: URLs of prefixes that stand for many places below them.
    """

    policies: tuple[Policy, ...]
    without: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()


@dataclass(slots=True)
class _Keys:
    """Keys of one storage: what is read, what is written; the order in which they were met does not matter."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)


def rights_of(
    reads: Iterable[str],
    writes: Iterable[str],
    open_storage: Callable[[str], Place],
    *,
    delete: bool = False,
    form: str = "identity",
    principal: str = "",
    cloud: str | None = None,
) -> Rights:
    """Return the least rights that reading ``reads`` and writing below ``writes`` takes.

    Args:
        reads: URLs of objects; one that ends in ``/`` is a tree.
        writes: Output URLs: everything below them.
        open_storage: URL to place.
        delete: Whether outputs may be deleted.
        form: As :meth:`~anystore_doe.contract.Storage.grants` says.
        principal: The same.
        cloud: Only policies of this cloud.

    Raises:
        PlanError: a policy is larger than its cloud takes.
        UsageError: form and principal do not go together.
    """
    stores = _by_storage(reads, writes, open_storage)
    policies: dict[tuple[str, str], Policy] = {}
    without, widened = [], []
    for storage, keys in stores.items():
        if cloud is not None and storage.cloud not in {"", cloud}:
            continue  # it might not know the principal
        inputs = {key for other, its in stores.items() if other.url == storage.url for key in its.reads}
        read, written = few_prefixes(keys.reads), few_prefixes(keys.writes, apart=inputs)
        try:
            policy = storage.grants(read, written, delete=delete, form=form, principal=principal)
        except UnsupportedError as error:
            without.append(f"{storage.url}: nothing to grant: {error.detail or 'this store has no policies'}")
            continue
        if cloud is not None and policy.kind.partition("-")[0] != cloud:
            continue
        known = policies.get((policy.kind, policy.attach))
        policies[policy.kind, policy.attach] = policy if known is None else _merged(known, policy)
        widened += [storage.url_of(key) for key in sorted({*read, *written} - keys.reads - keys.writes)]
    for policy in policies.values():
        _check_size(policy)
    return Rights(
        policies=tuple(policies.values()),
        without=tuple(dict.fromkeys(without)),
        widened=tuple(dict.fromkeys(widened)),
    )


def _by_storage(
    reads: Iterable[str], writes: Iterable[str], open_storage: Callable[[str], Place]
) -> dict[Storage, _Keys]:
    found: dict[Storage, _Keys] = {}
    for url in dict.fromkeys(reads):
        place = open_storage(url)
        tree = url.endswith(TREE) or not place.key
        found.setdefault(place.storage, _Keys()).reads.add(place.key + TREE if tree else place.key)
    for url in dict.fromkeys(writes):
        place = open_storage(url)
        found.setdefault(place.storage, _Keys()).writes.add(place.key + TREE)
    return found


def _merged(one: Policy, other: Policy) -> Policy:
    return replace(
        one,
        document=_joined(one.document, other.document),
        notes=tuple(dict.fromkeys((*one.notes, *other.notes))),
        limit=min(filter(None, (one.limit, other.limit)), default=0),
        commands=tuple(dict.fromkeys((*one.commands, *other.commands))),
    )


def _joined(one: Any, other: Any) -> Any:
    """Return plain data that says what both say: lists are joined, mappings merged, all else is equal."""
    if isinstance(one, Mapping):
        return {
            name: _joined(one[name], other[name]) if name in one and name in other else one.get(name, other.get(name))
            for name in dict.fromkeys((*one, *other))
        }
    if isinstance(one, list | tuple):
        return [*one, *(item for item in other if item not in one)]
    if one != other:
        raise PlanError(f"two stores of one cloud write policies that do not go together: {one!r} and {other!r}")
    return one


def size_of(policy: Policy) -> int:
    """Return the characters of a policy's document as JSON, blanks not counted."""
    return sum(not character.isspace() for character in json.dumps(policy.document))


def _check_size(policy: Policy) -> None:
    size = size_of(policy)
    if policy.limit and size > policy.limit:
        raise PlanError(
            f"the {policy.kind} policy for {policy.attach} has {size:,} characters, not counting blanks; "
            f"at most {policy.limit:,} are taken",
            hint=policy.too_long,
        )


def document_text(policy: Policy) -> str:
    """Return a policy's document as JSON, indented unless that makes it longer than its limit."""
    indented = json.dumps(policy.document, indent=2)
    fits = not policy.limit or len(indented) <= policy.limit
    return indented if fits else json.dumps(policy.document, separators=(",", ":"))
