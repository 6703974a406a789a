"""The loader: one pass over the entry points, each plugin on its own, so that a broken one harms nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pluggy

from anystore_doe.contract import NAME, hooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import Distribution, EntryPoint

Found = tuple[str, str, str, "EntryPoint"]
"""Name of an entry point, its distribution and version, and the entry point."""

BLOCK_VARIABLE = "ANYSTORE_DOE_BLOCK_PLUGINS"
"""Environment variable: entry-point or distribution names, separated by commas, that are not loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point of the group, loaded or not.

    Attributes:
        name: Of the entry point; with its distribution in brackets where two have the same name.
        distribution: That brought it, such as ``anystore-doe-s3``.
        version: Of the distribution.
    """

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Name distribution, version and entry point."""
        return f"{self.distribution} {self.version} ({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the loader found: all plugins by name, the broken ones' errors, and a manager that holds the others."""

    manager: pluggy.PluginManager
    plugins: dict[str, Plugin]
    broken: dict[str, BaseException]
    blocked: tuple[Plugin, ...]


def load_plugins(environ: Mapping[str, str], found: Iterable[EntryPoint] | None = None) -> Loaded:
    """Load every entry point of the group that is not blocked, in the order of their names.

    Args:
        environ: Where the block list is read.
        found: Entry points; ``None``: those that are installed.
    """
    manager = pluggy.PluginManager(NAME)
    manager.add_hookspecs(hooks)
    plugins: dict[str, Plugin] = {}
    broken: dict[str, BaseException] = {}
    blocked: list[Plugin] = []
    block_list = {_canonical(name) for name in environ.get(BLOCK_VARIABLE, "").split(",") if name.strip()}
    for name, distribution, version, entry in sorted(_installed() if found is None else _given(found), key=_order):
        label = name if name not in plugins else f"{name} [{distribution}]"
        plugin = Plugin(name=label, distribution=distribution, version=version)
        if block_list & {_canonical(entry.name), _canonical(plugin.distribution)}:
            blocked.append(plugin)
            continue
        plugins[plugin.name] = plugin
        error = _loaded(manager, entry, plugin.name)
        if error is not None:
            broken[plugin.name] = error
    return Loaded(manager=manager, plugins=plugins, broken=broken, blocked=tuple(blocked))


def _loaded(manager: pluggy.PluginManager, entry: EntryPoint, name: str) -> BaseException | None:
    """Load and register one plugin; return what it raised, and leave nothing of it in the manager then."""
    module = None
    try:
        module = entry.load()
        manager.register(module, name=name)
        manager.check_pending()
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a plugin's import raises is that plugin's
        if module is not None and manager.get_plugin(name) is not None:
            manager.unregister(name=name)
        return error
    return None


def _installed() -> Iterator[Found]:
    """Yield the group's entry points of every distribution, each distribution once, the first on the path.

    ``importlib.metadata.entry_points`` would parse the entry points of everything that is installed, and a
    distribution's ``name`` and ``version`` would parse its metadata once each: here both are read only where our
    group is named at all (with 148 distributions: 5 ms instead of 17 ms).
    """
    seen: set[str] = set()
    for distribution in distributions():
        if f"[{NAME}]" not in (distribution.read_text("entry_points.txt") or ""):
            continue
        name, version = _name_and_version(distribution)
        if _canonical(name) not in seen:
            seen.add(_canonical(name))
            for entry in distribution.entry_points.select(group=NAME):
                yield entry.name, name, version, entry


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Read the two from the head of the metadata, as the core metadata specification writes it (``Name: value``).

    ``Distribution.metadata`` would load a parser of mail for it.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if ": " in line)
    return head.get("Name", "unknown"), head.get("Version", "?")


def _given(found: Iterable[EntryPoint]) -> Iterator[Found]:
    for entry in found:
        known = entry.dist
        yield entry.name, known.name if known else "unknown", known.version if known else "?", entry


def _order(found: Found) -> tuple[str, str]:
    return found[1], found[0]


def _canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")
