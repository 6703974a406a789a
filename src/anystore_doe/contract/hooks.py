"""The hooks: how a package offers storages, executors and archives, and how it is told about runs.

A plugin is a package with an entry point in the group ``anystore_doe`` whose module implements some of these
hooks with :data:`hookimpl`. Hooks that offer something return *records that hold a factory*, so that nothing
heavy is imported, and no network touched, when plugins are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping  # noqa: TC003  pluggy and docs read annotations at run time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

from anystore_doe.contract.archive import Archive  # noqa: TC001
from anystore_doe.contract.executor import Executor, ExecutorContext  # noqa: TC001
from anystore_doe.contract.storage import Storage, StorageContext  # noqa: TC001
from anystore_doe.errors import PluginError

if TYPE_CHECKING:
    from anystore_doe.model import RunEvent  # not at run time: listing plugins needs no record of a sweep

NAME = "anystore_doe"
"""Name of the pluggy project, of the entry-point group and of the markers."""

hookspec = pluggy.HookspecMarker(NAME)
hookimpl = pluggy.HookimplMarker(NAME)


def option(help: str, *, default: Any = None, env: str = "", secret: bool = False) -> Any:  # noqa: A002  as argparse and click call it
    """Declare a field of an options dataclass; settings files, flags, docs and redaction come from it.

    Args:
        help: One sentence for the reference page.
        default: Value when neither settings nor environment say anything.
        env: Environment variable that is read when the settings are silent.
        secret: Never printed (not in a ``repr`` either), never put into a work order.
    """
    return field(default=default, repr=not secret, metadata={"help": help, "env": env, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """The options of an entry that has none."""


def _nothing_to_share(_options: Any) -> Mapping[str, str]:
    return {}


def _split_after_host(url: str) -> tuple[str, str]:
    """Split ``scheme://host/key`` into root ``scheme://host`` and key; everything after the host is literal."""
    scheme, _, rest = url.partition("://")
    host, _, key = rest.partition("/")
    return f"{scheme}://{host}", key


def _check_tuples(**given: object) -> None:
    for name, value in given.items():
        if not isinstance(value, tuple):
            shown = f'{name}=("{value}",)' if isinstance(value, str) else f"{name}=(…,)"
            raise PluginError(f"{name} is a {type(value).__name__}, not a tuple: {shown}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageEntry:
    """One storage offer.

    Attributes:
        schemes: Served, such as ``("s3", "s3a")``; ``("*",)`` serves every scheme that nobody else claims.
        open: ``open(root_url, options, context)``, called on first use in a process for each root and options;
            import the SDK inside it. It touches no network. ``root_url`` is ``None`` when only capabilities
            and options are asked for.
        summary: One line for ``anystore-doe plugins``.
        options: A frozen dataclass of fields made by :func:`option`.
        hosts: Suffixes of https hosts that are claimed, such as ``(".blob.core.windows.net",)``.
        credential_env: Variables (``fnmatch`` patterns) that carry this store's credentials; they are removed
            from a solver's environment.
        blank_env: Variables that are *set* in a solver's environment so that the store's own tools find no
            credentials elsewhere, as ``(name, value)``, such as ``("AWS_CONFIG_FILE", "/dev/null")``.
        split: Splits a URL into root and key. One storage is opened per root.
        share: ``share(options)`` returns the variables by which this store's own tools find what the options say
            (``AWS_CONFIG_FILE`` ...). A solver gets them with ``--share-credentials`` only.
    """

    schemes: tuple[str, ...]
    open: Callable[[str | None, Any, StorageContext], Storage]
    summary: str
    options: type = NoOptions
    hosts: tuple[str, ...] = ()
    credential_env: tuple[str, ...] = ()
    blank_env: tuple[tuple[str, str], ...] = ()
    split: Callable[[str], tuple[str, str]] = _split_after_host
    share: Callable[[Any], Mapping[str, str]] = _nothing_to_share

    def __post_init__(self) -> None:
        """Refuse a text where a tuple of texts is meant: each of its letters would be a scheme.

        Raises:
            PluginError: it is one.
        """
        _check_tuples(schemes=self.schemes, hosts=self.hosts, credential_env=self.credential_env)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorEntry:
    """One executor offer: ``open(options, context)`` is called once per sweep."""

    name: str
    open: Callable[[Any, ExecutorContext], Executor]
    summary: str
    options: type = NoOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One archive format.

    Attributes:
        suffixes: Lower-case, with the dot, such as ``(".tar.gz", ".tgz")``; the longest match wins.
        magic: ``(offset, bytes)`` pairs, one of which a file of this format shows.
        open: Makes the :class:`Archive`; import heavy libraries inside it.
        summary: One line for ``anystore-doe plugins``.
        can_pack: Whether ``pack`` works.
    """

    suffixes: tuple[str, ...]
    magic: tuple[tuple[int, bytes], ...]
    open: Callable[[], Archive]
    summary: str
    can_pack: bool = False


@hookspec
def anystore_doe_storages() -> Iterable[StorageEntry]:  # type: ignore[empty-body]
    """Offer storages. Called when the first URL is opened, at most once per process; touches no network."""


@hookspec
def anystore_doe_executors() -> Iterable[ExecutorEntry]:  # type: ignore[empty-body]
    """Offer executors. Called before a plan is made; starts nothing."""


@hookspec
def anystore_doe_archives() -> Iterable[ArchiveEntry]:  # type: ignore[empty-body]
    """Offer archive formats. Called when a plan is made."""


@hookspec
def anystore_doe_run_event(event: RunEvent) -> None:
    """Be told about a run, in the driver, after the fact. Return soon; what it raises is noted, never fatal."""
