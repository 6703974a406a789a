"""Many places, few prefixes: a policy has room for some, and a table has rows without end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

CROWD = 8
"""Most places below one folder that are named one by one; more of them become the folder."""


def few_prefixes(keys: Iterable[str], *, apart: Collection[str] = ()) -> tuple[str, ...]:
    """Return prefixes that cover ``keys``: where more than :data:`CROWD` lie below one folder, that folder.

    The deepest such folder is taken, and never the whole root, nor one that holds a key of ``apart``.

    Args:
        keys: Objects, and prefixes that end in ``/``; ``/`` alone is the whole root.
        apart: Keys that must not be covered, such as the inputs when ``keys`` are the outputs.

    Returns:
        Sorted, none of them below another.
    """
    found = {key: tuple(_parts(key)) for key in keys}
    deepest = max((len(parts) for parts in found.values()), default=0)
    for depth in range(deepest - 1, 0, -1):
        crowds: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key, parts in found.items():
            if len(parts) > depth:
                crowds[parts[:depth]].append(key)
        for folder, crowd in crowds.items():
            prefix = "/".join(folder) + "/"
            if len(crowd) > CROWD and not any(key.startswith(prefix) for key in apart):
                for key in crowd:
                    del found[key]
                found[prefix] = folder
    return tuple(sorted(key for key in found if not any(above in found for above in _above(key))))


def _parts(key: str) -> list[str]:
    return key.removesuffix("/").split("/")


def _above(key: str) -> Iterator[str]:
    """Yield the folders that ``key`` lies in, the whole root among them."""
    if key != "/":
        yield "/"
    parts = _parts(key)
    for depth in range(1, len(parts)):
        yield "/".join(parts[:depth]) + "/"
