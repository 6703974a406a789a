"""Opens URLs: finds the settings of a URL's prefix, the plugin of its scheme, and one storage per root."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anystore_doe.contract import Place, Storage, StorageContext
from anystore_doe.errors import PluginError, UnknownSchemeError, UsageError, has_password, printable, safe_url
from anystore_doe.registry.blame import calling
from anystore_doe.registry.hints import PLUGIN_OF_SCHEME, install_hint, repair_hint
from anystore_doe.registry.offers import only_one
from anystore_doe.registry.options import make_options, named_variables, portable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.contract import StorageEntry
    from anystore_doe.model import StoreSettings
    from anystore_doe.registry.offers import Offer

FALLBACK = "*"
_ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/(?!/)", re.IGNORECASE | re.ASCII)


def whole_url(text: str) -> str:
    """Return the URL that ``text`` names: a bare path becomes an absolute ``file://`` URL; a trailing ``/`` is kept."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme and all(c.isalnum() or c in "+-." for c in scheme):
        if scheme.lower() != "file":
            return f"{scheme.lower()}://{rest}"
        host, slash, path = rest.partition("/")
        if host not in {"", "localhost"} or not slash:
            raise UsageError(f"{safe_url(text)} names no file of this machine", hint="file:///absolute/path")
        text = "/" + path
    if _ONE_SLASH.match(text) and not os.path.exists(text):  # noqa: PTH110  as it was given
        raise UsageError(
            f"{safe_url(text)} has one slash after its scheme, and there is no such folder here",
            hint=f"write {safe_url(_two_slashes(text))}",
        )
    path = os.path.abspath(text).lstrip("/")  # noqa: PTH100  no link is followed; POSIX keeps two leading slashes
    return f"file:///{path}" + ("/" if path and text.endswith("/") else "")


def _two_slashes(text: str) -> str:
    """Return the URL that one with a single slash after its scheme means."""
    return text.replace(":/", ":///" if text.lower().startswith("file:") else "://", 1)


def _whole_prefix(text: str) -> str:
    """Return the URL that begins a prefix's URLs, without ``/`` at its end but for those of a bare ``scheme://``."""
    prefix = whole_url(text).rstrip("/")
    return f"{prefix}//" if prefix.endswith(":") and "/" not in prefix else prefix


def _refuse_password(url: str) -> None:
    """Refuse a URL with a password before any plugin sees it: plugins and SDKs quote URLs."""
    if has_password(url):
        shown = safe_url(url)
        host = shown.partition("***@")[2].partition("/")[0]
        raise UsageError(
            f"a URL with a password in it: {shown}",
            hint=f'leave it out; what opens the store goes under [storage."{url.partition("://")[0]}://{host}/"] in '
            "sweep.toml, or to where the store's own tools look",
        )


class Chooser:
    """Finds the offer that serves a URL; immutable."""

    def __init__(self, offers: Sequence[Offer[StorageEntry]], broken: Collection[str] = ()) -> None:
        """Choose among these offers; ``broken`` names plugins that might have made more."""
        self._offers = tuple(offers)
        self._broken = tuple(broken)

    @property
    def schemes(self) -> list[str]:
        """The schemes that are served by name, sorted."""
        return sorted({s for offer in self._offers for s in offer.entry.schemes} - {FALLBACK})

    def choose(self, url: str, plugin: str | None = None) -> Offer[StorageEntry]:
        """Return the offer for ``url``; ``plugin`` names a distribution or entry point where several offer it.

        A claimed https host wins over the scheme, the longest suffix first; the fallback comes last.

        Raises:
            UnknownSchemeError: nobody serves it.
            PluginClashError: two do, and ``plugin`` is silent.
            PluginError: ``plugin`` does not serve it.
        """
        scheme, _, rest = url.partition("://")
        fitting = self._by_host(rest) if scheme == "https" else []
        fitting = fitting or [offer for offer in self._offers if scheme in offer.entry.schemes]
        if not fitting and scheme not in PLUGIN_OF_SCHEME:
            fitting = [offer for offer in self._offers if FALLBACK in offer.entry.schemes]
        if not fitting:
            raise self.nobody(scheme)
        if plugin is not None:
            named = [offer for offer in fitting if plugin in {offer.plugin.distribution, offer.plugin.name}]
            if not named:
                names = ", ".join(str(offer.plugin) for offer in fitting)
                raise PluginError(
                    f"plugin {plugin!r} does not serve {safe_url(url)}; these do: {names}",
                    hint="anystore-doe plugins",
                )
            fitting = named
        return only_one(fitting, f"{scheme}://", lambda last: _which(url, scheme, last))

    def nobody(self, scheme: str) -> UnknownSchemeError:
        """Return the error for a scheme that nobody serves: what is installed, and the way out."""
        if self._broken:
            hint = f"anystore-doe plugins says why these are broken: {', '.join(self._broken)}"
        else:
            hint = install_hint(scheme, self.schemes)
        return UnknownSchemeError(scheme, known=self.schemes, hint=hint)

    def _by_host(self, rest: str) -> list[Offer[StorageEntry]]:
        host = rest.partition("/")[0].rpartition("@")[2].partition(":")[0].lower()
        fitting = [s for offer in self._offers for s in offer.entry.hosts if host.endswith(s)]
        longest = max(fitting, key=len, default="")
        return [offer for offer in self._offers if longest in offer.entry.hosts] if longest else []


def _which(url: str, scheme: str, offer: Offer[StorageEntry]) -> str:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f'say which in the settings file: storage."{scheme}://{host}".plugin = "{offer.plugin.distribution}"'


class Opener:
    """``open_storage`` of a process: call it with a URL. Thread-safe; owns the storages it opened."""

    def __init__(
        self,
        chooser: Chooser,
        stores: Sequence[StoreSettings],
        *,
        environ: Mapping[str, str],
        base: Path,
        state_folder: Path | None = None,
    ) -> None:
        """Open with these settings; relative paths in them start at ``base``.

        Args:
            chooser: Knows the plugins.
            stores: Settings per URL prefix, longest prefix wins.
            environ: Where options that the settings are silent about are read.
            base: Folder of the settings file.
            state_folder: Where storages may keep resumable state.
        """
        import logging  # listing plugins needs none of it

        self._chooser = chooser
        self._stores = sorted(
            ((_whole_prefix(store.prefix), store) for store in stores),
            key=lambda item: len(item[0]),
            reverse=True,
        )
        self._environ = environ
        self._base = base
        self._context = StorageContext(logger=logging.getLogger("anystore_doe.storage"), state_folder=state_folder)
        self._lock = threading.Lock()
        self._storages: dict[tuple[str, str, Any], Storage] = {}
        self._options: dict[tuple[str, str], Any] = {}

    def __call__(self, url: str) -> Place:
        """Return the place of ``url``; a storage is opened on first use and then shared.

        Raises:
            PluginError: no plugin, or several, serve it (see :meth:`Chooser.choose`), or the plugin lacks a library.
            PluginBugError: its plugin can not be called as the contract says.
            DefinitionError: its settings are wrong.
            UsageError: it holds a password, names no bucket, or its key starts with ``/``.
        """
        url = whole_url(url)
        _refuse_password(url)
        store = self._settings_of(url)
        offer = self._chooser.choose(url, store.plugin if store else None)
        with calling(offer.plugin):
            root, key = offer.entry.split(url)
        self._check(url, key)
        with self._lock:
            options = self._options_of(offer, store)
            cache_key = (offer.plugin.name, root, options)
            storage = self._storages.get(cache_key)
            if storage is None:
                storage = self._storages[cache_key] = self._opened(offer, root, options)
        return Place(storage=storage, key=key.rstrip("/"))

    def _check(self, url: str, key: str) -> None:
        scheme, _, rest = url.partition("://")
        if rest.startswith("/") and scheme in PLUGIN_OF_SCHEME:
            raise UsageError(
                f"{safe_url(url)} names no bucket: there is a third /", hint=f"write {scheme}://{rest.lstrip('/')}"
            )
        if key.startswith("/"):
            host, _, path = rest.partition("/")
            raise UsageError(
                f"{safe_url(url)}: the path after the host starts with a second /",
                hint="write " + safe_url(f"{scheme}://{host}/{path.lstrip('/')}"),
            )

    def _opened(self, offer: Offer[StorageEntry], root: str, options: Any) -> Storage:
        """Open a root; a plugin may be installed without the SDK that it imports only now."""
        try:
            with calling(offer.plugin):
                storage: object = offer.entry.open(root, options, self._context)
                if not isinstance(storage, Storage):
                    raise TypeError(f"open returned a {type(storage).__name__}, not a Storage")
                return storage
        except UnknownSchemeError as error:  # what the fallback could serve is not what is installed
            raise self._chooser.nobody(error.scheme) from error
        except ImportError as error:
            scheme = root.partition("://")[0]
            what = f"{scheme}:// can not be opened: {offer.plugin} lacks a library ({printable(str(error))})"
            raise PluginError(what, hint=repair_hint(offer.plugin.distribution)) from error

    def close(self) -> None:
        """Close every storage that was opened; calling it twice is no error."""
        with self._lock:
            storages, self._storages = list(self._storages.values()), {}
        for storage in storages:
            storage.close()

    def portable_stores(self) -> tuple[StoreSettings, ...]:
        """Return the settings as a work order may carry them: no secret values, absolute paths.

        Settings of a prefix that no plugin serves are left out: what is secret in them is not known.
        """
        found = []
        for prefix, store in self._stores:
            try:
                kind = self._chooser.choose(prefix, store.plugin).entry.options
            except PluginError:
                continue
            found.append(replace(store, prefix=prefix, options=portable(kind, store.options, base=self._base)))
        return tuple(found)

    def credential_variables(self) -> tuple[str, ...]:
        """Return the variables that settings name for secrets, sorted: no solver gets them."""
        found: set[str] = set()
        for prefix, store in self._stores:
            try:
                kind = self._chooser.choose(prefix, store.plugin).entry.options
            except PluginError:
                continue
            found |= {variable for _, variable in named_variables(kind, store.options)}
        return tuple(sorted(found))

    def shared_environment(self) -> dict[str, str]:
        """Return what solvers are given with ``--share-credentials`` beside the caller's own variables.

        Where the settings of two prefixes say different things, those of the longer prefix are given: one
        variable can hold one of them.
        """
        shared: dict[str, str] = {}
        for prefix, store in reversed(self._stores):
            try:
                offer = self._chooser.choose(prefix, store.plugin)
            except PluginError:
                continue
            with self._lock:
                shared |= offer.entry.share(self._options_of(offer, store))
        return shared

    def _settings_of(self, url: str) -> StoreSettings | None:
        """Return the settings of the longest prefix: as it is written, else of the same place spelt otherwise."""
        bare = url.rstrip("/")
        for prefix, store in self._stores:
            if bare == prefix or bare.startswith(prefix.removesuffix("/") + "/"):
                return store
        place = self._place_of(bare)
        fitting = {
            prefix: store
            for prefix, store in ((self._place_of(prefix), store) for prefix, store in self._stores)
            if prefix and (place == prefix or place.startswith(prefix + "/"))
        }
        return fitting[max(fitting, key=len)] if fitting else None

    def _place_of(self, url: str) -> str:
        """Return the one spelling of the place that ``url`` names, ``""`` when no plugin makes a place of it."""
        try:
            root, key = self._chooser.choose(url).entry.split(url)
        except (PluginError, UsageError):
            return ""
        return f"{root}/{key}".rstrip("/")

    def _options_of(self, offer: Offer[StorageEntry], store: StoreSettings | None) -> Any:
        key = (offer.plugin.name, store.prefix if store else "")
        if key not in self._options:
            self._options[key] = make_options(
                offer.entry.options,
                store.options if store else {},
                where=f'storage."{store.prefix}"' if store else offer.plugin.name,
                environ=self._environ,
                base=self._base,
            )
        return self._options[key]
