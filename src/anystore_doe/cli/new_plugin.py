"""``anystore-doe plugins new``: writes the package of a storage plugin, which passes the kit as it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.ground import registry_of
from anystore_doe.cli.options import debug_option, example
from anystore_doe.errors import LocalResourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from anystore_doe.registry import Registry

PREFIX = "anystore-doe-"
SUFFIX = ".template"
"""Ends the names of the files in ``plugin_template``, which are no Python before they are filled in."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")  # RFC 3986, section 3.1, in lower case
_MARK = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a new plugin is called in all the places where it has a name."""

    name: str
    scheme: str

    @property
    def distribution(self) -> str:
        """The name that pip knows."""
        return PREFIX + self.name

    @property
    def package(self) -> str:
        """The name that Python imports."""
        return self.distribution.replace("-", "_")

    def marks(self) -> Mapping[str, str]:
        """Return what each mark of the templates stands for."""
        word = self.name.replace("-", "_")
        return {
            "name": self.name,
            "scheme": self.scheme,
            "distribution": self.distribution,
            "package": self.package,
            "word": word,
            "VARIABLE": word.upper(),
            "Name": "".join(part.capitalize() for part in self.name.split("-")),
        }


@click.command(
    "new",
    short_help="Write the package of a new storage plugin.",
    epilog=example("anystore-doe plugins new hello", "anystore-doe plugins new vault --scheme acme"),
)
@click.argument("name", metavar="NAME")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--scheme", metavar="SCHEME", help="What its URLs begin with, before ://.  [default: NAME]")
@debug_option
@click.pass_context
def new(ctx: click.Context, name: str, folder: Path | None, scheme: str | None) -> None:
    """Write a package that serves a new URL scheme, to begin with: pyproject, sources, tests through the kit, README.

    It works as it is, on an SQLite database: put your own store in its place. NAME is a word such as hello; the
    package is anystore-doe-NAME, and is written into a new folder of that name, or into DIR.
    """
    names = _checked(name, scheme, registry_of(ctx))
    folder = folder or Path(names.distribution)
    for path in write_plugin(names, folder):
        click.echo(path)
    click.echo(f"Next:  cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest", err=True)


def _checked(name: str, scheme: str | None, registry: Registry) -> Names:
    from anystore_doe.registry.hints import PLUGIN_OF_SCHEME

    names = Names(name=name.removeprefix(PREFIX), scheme=name.removeprefix(PREFIX) if scheme is None else scheme)
    if not _NAME.fullmatch(names.name):
        raise UsageError(
            f"{name!r} is no name for a package: small letters, digits and single dashes, and a letter first",
            hint="anystore-doe plugins new my-store",
        )
    if not _SCHEME.fullmatch(names.scheme):
        raise UsageError(
            f"{names.scheme!r} is no scheme: small letters, digits, '+', '-' and '.', and a letter first",
            hint=f"anystore-doe plugins new {names.name} --scheme {names.name}",
        )
    taken = {plugin.distribution for plugin in registry.plugins.values()} | {*PLUGIN_OF_SCHEME.values()}
    if names.distribution in taken:
        raise UsageError(
            f"there is a package {names.distribution} already", hint=f"anystore-doe plugins new my-{names.name}"
        )
    served = {s: str(offer.plugin) for offer in registry.storage_offers() for s in offer.entry.schemes}
    if by := served.get(names.scheme) or PLUGIN_OF_SCHEME.get(names.scheme):
        raise UsageError(
            f"{names.scheme}:// is served by {by}, and two plugins for one scheme are in each other's way",
            hint=f"anystore-doe plugins new {names.name} --scheme another",
        )
    return names


def write_plugin(names: Names, folder: Path) -> list[Path]:
    """Write the package into ``folder``, which is new or empty; return its files.

    Raises:
        UsageError: something is in ``folder``.
        LocalResourceError: it can not be written.
    """
    marks = names.marks()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} is there already, and is no empty folder",
                hint=f"anystore-doe plugins new {names.name} {shlex.quote(f'{folder}-2')}",
            )
        written = []
        for path, text in _templates():
            file = folder / path.replace("/package/", f"/{names.package}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_MARK.sub(lambda mark: marks[mark[1]], text), encoding="utf-8")
            written.append(file)
    except OSError as error:
        raise LocalResourceError(f"can not write {error.filename or folder}: {error.strerror}") from error
    return written


def _templates() -> Iterator[tuple[str, str]]:
    """Yield the path of every file of the package, ``/``-separated, and its text with marks in it."""
    from importlib.resources import files  # listing plugins needs none of it

    yield from sorted(_below(files("anystore_doe.cli") / "plugin_template", ""))


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield path + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")
