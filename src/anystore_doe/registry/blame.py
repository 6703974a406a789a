"""Tells a plugin's bug from one of ours: by whose code raised what nobody should."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING

from anystore_doe.errors import AnystoreDoeError, PluginBugError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anystore_doe.registry.loading import Plugin

OURS = "anystore_doe"
"""Our own package, and the distribution of the plugins in it, as modules spell it."""

_CALLED_WRONG = re.compile(r"(\w+)\.\w+\(\) (takes|got|missing) ")
"""How Python says that a method can not be called so; the method's own code is in no traceback then."""


@contextmanager
def calling(plugin: Plugin) -> Iterator[None]:
    """Call what a plugin offered: what it raises and should not becomes a :class:`PluginBugError`.

    Raises:
        PluginBugError: the plugin raised, or can not be called as the contract says.
        ImportError: the plugin needs a library that is not installed; the caller says what for.
    """
    try:
        yield
    except (AnystoreDoeError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        if plugin.distribution.replace("-", "_") == OURS:
            raise
        raise PluginBugError(str(plugin), error) from error


def plugin_to_blame(error: BaseException, packages: Mapping[str, Plugin]) -> Plugin | None:
    """Return the plugin whose code raised ``error``, ``None`` where it was ours or cannot be told.

    Args:
        error: With its traceback: the innermost code that is a plugin's or ours decides; an SDK below it does not.
        packages: Top-level packages of plugins.
    """
    called = _CALLED_WRONG.match(str(error)) if isinstance(error, TypeError) else None
    if called is not None and (plugin := _with_class(called[1], packages)):
        return plugin
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == OURS:
            return None
        if package in packages:
            return packages[package]
    return None


def _with_class(name: str, packages: Mapping[str, Plugin]) -> Plugin | None:
    for module, loaded in list(sys.modules.items()):
        plugin = packages.get(module.partition(".")[0])
        if plugin is not None and getattr(vars(loaded).get(name), "__module__", "") == module:
            return plugin
    return None
