"""What every command that touches a store stands on: the registry, the settings file, and what opens URLs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.cli.boundary import REGISTRY
from anystore_doe.errors import DefinitionError, ObjectNotFoundError, PlanError, has_password, safe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import click

    from anystore_doe.definition.settings import Settings
    from anystore_doe.model import StoreSettings
    from anystore_doe.registry import Opener, Registry

DEFAULT_CONFIG = "sweep.toml"
TEXT_LIMIT = 256 * 2**20
"""Bytes: a table, template or settings file above this is refused rather than read into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The registry, the settings file and the opener of one command.

    Attributes:
        registry: The plugins.
        settings: As the settings file says; empty without one.
        config: Path or URL of the settings file, or ``""``.
        folder: Path or URL that relative paths in the settings start at, with a trailing ``/``.
        open_storage: Opens URLs with the settings of their prefix.
    """

    registry: Registry
    settings: Settings
    config: str
    folder: str
    open_storage: Opener


def registry_of(ctx: click.Context) -> Registry:
    """Return the registry that the caller passed on, else discover what is installed; the boundary finds it too."""
    from anystore_doe.registry import Registry

    found = ctx.obj if isinstance(ctx.obj, Registry) else Registry.discover(os.environ)
    ctx.meta[REGISTRY] = found
    return found


def _no_state(_settings: Settings, _folder: str) -> None:
    return None


def user_state(*_: object) -> Path:
    """Return the folder for state that belongs to no sweep (XDG base directory specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "anystore-doe"


@contextmanager
def standing_on(
    ctx: click.Context, config: str | None, *, state_folder: Callable[[Settings, str], Path | None] = _no_state
) -> Iterator[Ground]:
    """Read the settings file and open what opens URLs; close it at the end.

    Args:
        ctx: Of the command.
        config: What ``-c`` says; ``None``: ``sweep.toml`` here, if there is one; ``""``: none.
        state_folder: Where storages may note what a killed process would leave open, told by the settings file's
            settings and the folder that their paths start at.

    Raises:
        PlanError: the settings file is missing or can not be read.
        DefinitionError: it is wrong.
    """
    from anystore_doe.definition.settings import Settings, read_settings

    registry = registry_of(ctx)
    if config is None and Path(DEFAULT_CONFIG).is_file():
        config = DEFAULT_CONFIG
    settings = Settings()
    if config:
        plain = registry.opener(environ=os.environ, base=Path.cwd())
        try:
            settings = read_settings(read_bytes(plain, config, "settings file"), where=config)
        finally:
            plain.close()
    folder = folder_of(config or "")
    opener = registry.opener(
        stores_of(settings),
        environ=os.environ,
        base=Path.cwd() if "://" in folder else Path(folder),
        state_folder=state_folder(settings, folder),
    )
    try:
        yield Ground(registry=registry, settings=settings, config=config or "", folder=folder, open_storage=opener)
    finally:
        opener.close()


def stores_of(settings: Settings) -> tuple[StoreSettings, ...]:
    """Return the settings per URL prefix.

    Raises:
        DefinitionError: ``plugin`` is no text, or a prefix holds a password.
    """
    from anystore_doe.model import StoreSettings

    stores = []
    for prefix, said in (settings.storage or {}).items():
        if has_password(prefix):
            raise DefinitionError(
                "the URL holds a password; write options below it", where=f'storage."{safe_url(prefix)}"'
            )
        options = dict(said)
        plugin = options.pop("plugin", None)
        if plugin is not None and not isinstance(plugin, str):
            raise DefinitionError("expected the name of a distribution", where=f'storage."{prefix}".plugin')
        stores.append(StoreSettings(prefix=prefix, options=options, plugin=plugin))
    return tuple(stores)


def folder_of(name: str) -> str:
    """Return the folder that a path or URL lies in, with a trailing ``/``; ``./`` for a bare name."""
    return name[: name.rfind("/") + 1] or "./"


def below(folder: str, name: str) -> str:
    """Return ``name``, relative to ``folder`` unless it is a URL or absolute."""
    if "://" in name or Path(name).is_absolute() or folder == "./":
        return name
    return folder + name


def read_bytes(open_storage: Opener, name: str, what: str) -> bytes:
    """Read a small file that may be a URL; ``what`` names its part, such as ``run table``.

    Raises:
        PlanError: it is missing, a folder, or too large.
        StorageError: the store does not give it.
    """
    if "\0" in name:
        raise PlanError(f"{what} {name!r}: a NUL character is in its name")
    _refuse_signature(name, what)
    place = open_storage(name)
    try:
        size = place.storage.stat(place.key).size
        if size > TEXT_LIMIT:
            raise PlanError(f"{what} {safe_url(name)} has {size:,} bytes; at most {TEXT_LIMIT:,} are read")
        return place.storage.read(place.key) if size else b""
    except ObjectNotFoundError as error:
        folder = "://" not in name and Path(name).is_dir()
        found = "this is a folder" if folder else "there is no such file"
        raise PlanError(f"{what} {safe_url(name)}: {found}", hint=_near(name)) from error


def _refuse_signature(name: str, what: str) -> None:
    from anystore_doe.definition.urls import holds_signature

    if "://" in name and holds_signature(name):
        raise PlanError(
            f"{what} {safe_url(name)}: the URL holds a signature, which would end up in records",
            hint="anystore-doe cp URL FILE fetches it; then name the file",
        )


def _near(name: str) -> str:
    """Return the hint that names what lies where a missing file should, and is nearly called so; or ``""``."""
    import difflib

    if "://" in name:
        return f"anystore-doe ls {safe_url(folder_of(name))}"
    folder = Path(name).parent
    there = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    near = difflib.get_close_matches(Path(name).name, there, n=1)
    return f"did you mean {below(folder_of(name), near[0])}?" if near else ""
