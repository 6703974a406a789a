"""What plugins offer, with who offers it; one place decides when two offer the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from anystore_doe.contract import ArchiveEntry, ExecutorEntry, StorageEntry
from anystore_doe.errors import PluginClashError, PluginError
from anystore_doe.registry.loading import BLOCK_VARIABLE, Plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pluggy

    from anystore_doe.registry.loading import Loaded

EntryT = TypeVar("EntryT", StorageEntry, ExecutorEntry, ArchiveEntry)


@dataclass(frozen=True, slots=True)
class Offer(Generic[EntryT]):
    """One record that a hook returned, and the plugin that returned it."""

    plugin: Plugin
    entry: EntryT


def listed(loaded: Loaded, hook: str, kind: type[EntryT]) -> list[Offer[EntryT]]:
    """Call ``hook`` of every plugin on its own and return the offers; one that raises is marked broken.

    A hook may be a generator, which raises while it is iterated: so the records are taken here.
    """
    offers: list[Offer[EntryT]] = []
    caller: pluggy.HookCaller = getattr(loaded.manager.hook, hook)
    for implementation in caller.get_hookimpls():
        plugin = loaded.plugins[implementation.plugin_name]
        try:
            if implementation.hookwrapper or implementation.wrapper:
                raise PluginError(f"{hook} is wrapped; offers can not be wrapped")
            records = cast("Iterable[object]", implementation.function())
            offers += [Offer(plugin, _checked(entry, kind, hook)) for entry in records]
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a plugin's hook raises is that plugin's
            loaded.broken.setdefault(plugin.name, error)
    return [offer for offer in offers if offer.plugin.name not in loaded.broken]


def _checked(entry: object, kind: type[EntryT], hook: str) -> EntryT:
    if not isinstance(entry, kind):
        raise PluginError(f"{hook} offered a {type(entry).__name__}, not a {kind.__name__}")
    return entry


def only_one(
    offers: Sequence[Offer[EntryT]], what: str, hint: Callable[[Offer[EntryT]], str] | None = None
) -> Offer[EntryT]:
    """Return the one offer there is; ``offers`` is not empty.

    Raises:
        PluginClashError: there are more; every distribution is named with its version.
    """
    if len(offers) == 1:
        return offers[0]
    names = " and ".join(str(offer.plugin) for offer in offers)
    last = offers[-1]
    raise PluginClashError(
        f"{what} is offered by {names}",
        hint=hint(last) if hint else f"{BLOCK_VARIABLE}={_blockable(last, offers)} blocks one of them",
    )


def _blockable(offer: Offer[EntryT], offers: Sequence[Offer[EntryT]]) -> str:
    """Name what blocks only this one: its distribution, or its entry point where both come from one distribution."""
    same = [other for other in offers if other.plugin.distribution == offer.plugin.distribution]
    return offer.plugin.distribution if len(same) == 1 else offer.plugin.name
