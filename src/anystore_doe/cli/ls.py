"""``anystore-doe ls``: what lies at or below a URL."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.ground import standing_on
from anystore_doe.cli.options import config_option, debug_option, example, json_option
from anystore_doe.errors import ObjectNotFoundError, masked_url, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anystore_doe.contract import Place
    from anystore_doe.model import ObjectInfo


@click.command(epilog=example("anystore-doe ls s3://my-simulation-data/input/"))
@click.argument("url")
@config_option
@json_option
@debug_option
@click.pass_context
def ls(ctx: click.Context, url: str, config: str | None, as_json: bool) -> None:
    """List the objects at or below URL: size in bytes, then the key below URL.

    The URL of an object lists that object; any other, or one that ends in /, lists everything below it, in the
    order of the store. A bare path is a file or folder of this machine.
    """
    with standing_on(ctx, config) as ground:
        place = ground.open_storage(url)
        found = objects(place, tree=url.endswith("/"))
        if as_json:
            _as_json(place, found)
            return
        for info in found:
            click.echo(f"{info.size:>14} {printable(path_below(place, info.key))}")


def objects(place: Place, *, tree: bool) -> Iterator[ObjectInfo]:
    """Yield the object at ``place``, else everything below it; ``tree`` looks below only.

    Raises:
        ObjectNotFoundError: there is neither; the root of a store may be empty.
    """
    info = None if tree or not place.key else place.storage.find(place.key)
    if info is not None:
        yield info
        return
    below = place.storage.walk(place.key)
    first = next(below, None)
    if first is not None:
        yield from itertools.chain([first], below)
    elif place.key:
        raise ObjectNotFoundError("list", place.url, "there is no object, and nothing below it")


def path_below(place: Place, key: str) -> str:
    """Return ``key`` relative to ``place``; the object at ``place`` itself keeps its own name."""
    if key == place.key:
        return own_name(place)
    return key[len(place.key) + 1 :] if place.key else key


def own_name(place: Place) -> str:
    """Return the last part of a place's key; the query of an http(s) URL may be a signature, and is no part of it."""
    key = place.key.partition("?")[0] if place.url.startswith(("http://", "https://")) else place.key
    return key.rpartition("/")[2]


def _as_json(place: Place, found: Iterable[ObjectInfo]) -> None:
    """Write one document object by object: a listing may be longer than memory."""
    separator = f'{{"schema": 1, "url": {json.dumps(masked_url(place.url))}, "objects": ['
    for info in found:
        item = {
            "key": path_below(place, info.key),
            "url": masked_url(place.storage.url_of(info.key)),
            "size": info.size,
            "pin": info.pin,
            "checksums": dict(info.checksums),
            "modified_at": info.modified_at,
        }
        click.echo(separator + "\n " + json.dumps(item), nl=False)
        separator = ","
    click.echo("\n]}" if separator == "," else separator + "]}")
