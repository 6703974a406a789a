"""The registry: what is installed, and what it offers. Hooks are called on first use, each at most once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.contract import ArchiveEntry, ExecutorEntry, StorageEntry
from anystore_doe.errors import PluginBugError, PluginError, UnknownExecutorError, printable
from anystore_doe.registry.archives import Archives
from anystore_doe.registry.blame import OURS, calling, plugin_to_blame
from anystore_doe.registry.hints import repair_hint
from anystore_doe.registry.loading import Loaded, Plugin, load_plugins
from anystore_doe.registry.offers import Offer, listed, only_one
from anystore_doe.registry.opening import Chooser, Opener
from anystore_doe.registry.options import make_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from anystore_doe.contract import Executor, ExecutorContext
    from anystore_doe.errors import InternalError
    from anystore_doe.model import Plain, RunEvent, StoreSettings


class Registry:
    """The plugins of a process. Thread-safe; passed on, never global."""

    def __init__(self, loaded: Loaded) -> None:
        """Serve what was loaded; use :meth:`discover`."""
        self._loaded = loaded
        self._lock = threading.RLock()
        self._storages: list[Offer[StorageEntry]] | None = None
        self._executors: list[Offer[ExecutorEntry]] | None = None
        self._archives: list[Offer[ArchiveEntry]] | None = None

    @classmethod
    def discover(cls, environ: Mapping[str, str], found: Iterable[EntryPoint] | None = None) -> Registry:
        """Load every installed plugin; one that is broken is noted in :attr:`broken` and stops nothing.

        Args:
            environ: ``ANYSTORE_DOE_BLOCK_PLUGINS`` names plugins that are not loaded.
            found: Entry points to load instead of those that are installed.
        """
        return cls(load_plugins(environ, found))

    @property
    def broken(self) -> dict[str, BaseException]:
        """Plugins that could not be loaded, or raised while they listed their offers: name to what they raised."""
        return self._loaded.broken

    @property
    def plugins(self) -> dict[str, Plugin]:
        """All plugins by name, broken ones too, blocked ones not."""
        return self._loaded.plugins

    @property
    def blocked(self) -> tuple[Plugin, ...]:
        """Plugins that the block list kept out."""
        return self._loaded.blocked

    @property
    def silent(self) -> tuple[Plugin, ...]:
        """Plugins that were loaded and have no hook: what they define is seen by nobody."""
        manager = self._loaded.manager
        return tuple(
            plugin
            for name, plugin in self.plugins.items()
            if (module := manager.get_plugin(name)) is not None and not manager.get_hookcallers(module)
        )

    def storage_offers(self) -> list[Offer[StorageEntry]]:
        """Return what plugins offer as storages, in the order of plugins."""
        with self._lock:
            if self._storages is None:
                self._storages = listed(self._loaded, "anystore_doe_storages", StorageEntry)
            return self._storages

    def executor_offers(self) -> list[Offer[ExecutorEntry]]:
        """Return what plugins offer as executors, in the order of plugins."""
        with self._lock:
            if self._executors is None:
                self._executors = listed(self._loaded, "anystore_doe_executors", ExecutorEntry)
            return self._executors

    def archive_offers(self) -> list[Offer[ArchiveEntry]]:
        """Return what plugins offer as archive formats, in the order of plugins."""
        with self._lock:
            if self._archives is None:
                self._archives = listed(self._loaded, "anystore_doe_archives", ArchiveEntry)
            return self._archives

    def archives(self) -> Archives:
        """Return what picks an archive format."""
        return Archives(self.archive_offers())

    def opener(
        self,
        stores: Sequence[StoreSettings] = (),
        *,
        environ: Mapping[str, str],
        base: Path,
        state_folder: Path | None = None,
    ) -> Opener:
        """Return what opens URLs with these settings; the caller closes it. See :class:`Opener`."""
        chooser = Chooser(self.storage_offers(), broken=self.broken)
        return Opener(chooser, stores, environ=environ, base=base, state_folder=state_folder)

    def executor(self, name: str) -> ExecutorEntry:
        """Return what offers the executor ``name``.

        Raises:
            UnknownExecutorError: no plugin offers it.
            PluginClashError: two plugins offer it.
        """
        return self._executor(name).entry

    def _executor(self, name: str) -> Offer[ExecutorEntry]:
        offers = self.executor_offers()
        fitting = [offer for offer in offers if offer.entry.name == name]
        if not fitting:
            raise UnknownExecutorError(name, known=[offer.entry.name for offer in offers])
        return only_one(fitting, f"the executor {name}")

    def open_executor(self, name: str, options: Mapping[str, Plain], context: ExecutorContext) -> Executor:
        """Open the executor ``name``; the caller closes it.

        Raises:
            PluginError: as :meth:`executor`.
            PluginBugError: its plugin can not be called as the contract says.
            DefinitionError: its options are wrong.
        """
        offer = self._executor(name)
        entry = offer.entry
        made = make_options(entry.options, options, where="executor", environ=context.worker_env, base=Path.cwd())
        try:
            with calling(offer.plugin):
                return entry.open(made, context)
        except ImportError as error:
            what = f"the executor {name} can not be used: {offer.plugin} lacks a library ({printable(str(error))})"
            raise PluginError(what, hint=repair_hint(offer.plugin.distribution)) from error

    def bug_of(self, error: BaseException) -> InternalError | None:
        """Return the error that names the plugin whose code raised ``error``, ``None`` where that was ours."""
        packages = {}
        for name, plugin in self.plugins.items():
            module = getattr(self._loaded.manager.get_plugin(name), "__name__", "")
            packages[module.partition(".")[0]] = plugin
        blamed = plugin_to_blame(
            error, {package: one for package, one in packages.items() if package not in {"", OURS}}
        )
        return PluginBugError(str(blamed), error) if blamed else None

    def credential_env(self) -> tuple[str, ...]:
        """Return the patterns of the variables that carry credentials, over all plugins, sorted."""
        return tuple(sorted({pattern for offer in self.storage_offers() for pattern in offer.entry.credential_env}))

    def blank_env(self) -> dict[str, str]:
        """Return the variables that are set for a solver so that a store's own tools find no credentials."""
        return {name: value for offer in self.storage_offers() for name, value in offer.entry.blank_env}

    def notify(self, event: RunEvent) -> None:
        """Tell every observer; what one raises is logged once, and harms neither the others nor the sweep."""
        for implementation in self._loaded.manager.hook.anystore_doe_run_event.get_hookimpls():
            try:
                implementation.function(*[event for _ in implementation.argnames])
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever an observer raises is that plugin's
                if implementation.plugin_name not in self.broken:
                    self.broken[implementation.plugin_name] = error
                    _note(implementation.plugin_name, error)


def _note(plugin: str, error: BaseException) -> None:
    import logging  # listing plugins needs none of it

    logging.getLogger("anystore_doe.registry").warning("plugin %s: %s: %s", plugin, type(error).__name__, error)
