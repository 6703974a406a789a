"""Globs over relative paths: ``*`` and ``?`` stay in one folder, ``**`` crosses folders, ``[...]`` is a set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a ``/``-separated relative path matches one of ``globs``."""
    if not globs:
        return lambda _path: False
    pattern = re.compile("|".join(f"(?:{_regex(glob)})" for glob in globs), re.DOTALL)
    return lambda path: pattern.fullmatch(path) is not None


def _regex(glob: str) -> str:
    out, i = [], 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out.append("(?:[^/]+/)*")
            i += 3
        elif glob.startswith("**", i):
            out.append(".*")
            i += 2
        elif glob[i] == "*":
            out.append("[^/]*")
            i += 1
        elif glob[i] == "?":
            out.append("[^/]")
            i += 1
        elif glob[i] == "[" and (end := glob.find("]", i + 2)) > 0 and (chosen := _set(glob[i + 1 : end])):
            out.append(chosen)
            i = end + 1
        else:
            out.append(re.escape(glob[i]))
            i += 1
    return "".join(out)


def _set(inner: str) -> str:
    """Return the pattern of ``[inner]``, or ``""`` when it is no set of characters (a reversed range)."""
    negated = inner[0] in "!^"
    chars = re.sub(r"([\\\[\]^&|~])", r"\\\1", inner[negated:])
    pattern = f"(?!/)[{'^' * negated}{chars}]"
    try:
        re.compile(pattern)
    except re.error:
        return ""
    return pattern
