"""``anystore-doe cp``: objects from any URL to any URL."""

from __future__ import annotations

import json
import shutil
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.ground import standing_on, user_state
from anystore_doe.cli.local_files import is_local, local_path, written_place
from anystore_doe.cli.ls import own_name, path_below
from anystore_doe.cli.options import config_option, debug_option, example, json_option
from anystore_doe.errors import ObjectNotFoundError, StorageError, UsageError, masked_url, safe_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anystore_doe.contract import Place, Watch
    from anystore_doe.model import ObjectInfo
    from anystore_doe.registry import Opener

AT_ONCE = 4

STDOUT = "-"
"""As DST: standard output."""

_NO_FILE = f"name a file or a folder; {STDOUT} as DST writes one object to standard output"


@dataclass(frozen=True, slots=True)
class Copy:
    """One object, where it is and where it goes."""

    source: Place
    info: ObjectInfo
    target: Place


@click.command(
    epilog=example(
        "anystore-doe cp hsdi.zip pintle.zip s3://my-simulation-data/input/",
        "anystore-doe cp s3://my-simulation-data/output/hsdi/ hsdi/",
        "anystore-doe cp s3://my-simulation-data/output/hsdi/thermo.out - | tail",
    )
)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.argument("target", metavar="DST")
@config_option
@json_option
@debug_option
@click.pass_context
def cp(ctx: click.Context, sources: tuple[str, ...], target: str, config: str | None, as_json: bool) -> None:
    """Copy each SRC to DST; both may be URLs of any store, or paths.

    A SRC that ends in / is copied with everything below it. A DST that ends in /, or is a folder of this machine,
    keeps the names. What is at the destination is replaced; through a link, what it points to. A DST of - is standard
    output, for one object. Between two stores, the bytes pass through a temporary file of this machine.
    """
    with standing_on(ctx, config, state_folder=user_state) as ground:
        if target == STDOUT:
            _write_out(ground.open_storage, sources, as_json=as_json)
            return
        copies = _checked(list(_copies(ground.open_storage, sources, target)))
        for copy in _all_copied(copies):
            if not as_json:
                click.echo(f"{copy.info.size:>14} {safe_url(copy.source.url)} -> {safe_url(copy.target.url)}")
        if as_json:
            done = [
                {"source": masked_url(c.source.url), "target": masked_url(c.target.url), "size": c.info.size}
                for c in copies
            ]
            click.echo(json.dumps({"schema": 1, "copied": done}, indent=2))


def _write_out(open_storage: Opener, sources: Sequence[str], *, as_json: bool) -> None:
    """Write the one object that is named to standard output, verified before its first byte."""
    from anystore_doe.contract import Watch

    if as_json:
        raise UsageError("--json and a DST of - would both write to standard output", hint="leave one of them out")
    source = open_storage(sources[0])
    if len(sources) > 1 or sources[0].endswith("/") or not source.key:
        raise UsageError("a DST of - takes one object", hint="name one SRC that does not end in /, or a folder as DST")
    info = _stat(source)
    with tempfile.TemporaryDirectory(prefix="anystore-doe-cp-") as folder:
        path = Path(folder, "object")
        source.storage.fetch(source.key, path, pin=info.pin, watch=Watch())
        with path.open("rb") as file, click.open_file(STDOUT, "wb") as out:
            shutil.copyfileobj(file, out)
            out.flush()


def _copies(open_storage: Opener, sources: Sequence[str], target: str) -> Iterator[Copy]:
    goal = open_storage(target)
    keeps_names = target.endswith("/") or not goal.key or (is_local(goal) and local_path(goal).is_dir())
    if len(sources) > 1 and not keeps_names:
        raise UsageError(f"{len(sources)} sources need a folder to go to", hint=f"{safe_url(target)}/")
    for text in sources:
        source = open_storage(text)
        if text.endswith("/") or not source.key:
            yield from _tree(source, goal)
        else:
            there = _at(goal, _name(source)) if keeps_names else goal
            yield Copy(source, _stat(source), written_place(there, hint=_NO_FILE))


def _name(source: Place) -> str:
    name = own_name(source)
    if not name:
        raise UsageError(f"{safe_url(source.url)} names no file", hint="name it at DST")
    return name


def _tree(source: Place, goal: Place) -> Iterator[Copy]:
    empty = True
    for info in source.storage.walk(source.key):
        empty = False
        if info.key.endswith("/"):  # a console's marker of an empty folder
            continue
        path = path_below(source, info.key)
        if is_local(goal) and not all(part not in {"", ".", ".."} for part in path.split("/")):
            raise StorageError(
                "copy", source.storage.url_of(info.key), "its key would leave the folder it is copied to"
            )
        yield Copy(_at(source, path), info, written_place(_at(goal, path), hint=_NO_FILE))
    if empty:
        raise ObjectNotFoundError("copy", source.url + "/", "there is nothing below it")


def _stat(source: Place) -> ObjectInfo:
    try:
        return source.storage.stat(source.key)
    except ObjectNotFoundError as error:
        if next(source.storage.walk(source.key), None) is None:
            raise
        raise ObjectNotFoundError(
            "copy",
            source.url,
            "it is a folder, no object",
            hint=f"{safe_url(source.url)}/ copies everything below it",
        ) from error


def _checked(copies: list[Copy]) -> list[Copy]:
    """Refuse what would overwrite one source with another, before a byte moves.

    Raises:
        UsageError: two sources go to one place, or one goes to where it is.
    """
    seen: dict[str, str] = {}
    for copy in copies:
        source, target = copy.source.url, copy.target.url
        if source == target:
            raise UsageError(f"{safe_url(source)} would be copied to itself")
        if target in seen:
            raise UsageError(f"{safe_url(seen[target])} and {safe_url(source)} would both become {safe_url(target)}")
        seen[target] = source
    return copies


def _all_copied(copies: Sequence[Copy]) -> Iterator[Copy]:
    """Copy a few at once and yield each when it is there; the first failure ends the others."""
    from anystore_doe.contract import Watch

    watch = Watch()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(_copied, copy, watch) for copy in copies[: AT_ONCE * 2]}
        rest = iter(copies[AT_ONCE * 2 :])
        try:
            while running:
                done, running = wait(running, return_when=FIRST_EXCEPTION if len(running) == 1 else "FIRST_COMPLETED")
                running |= {pool.submit(_copied, copy, watch) for _, copy in zip(done, rest, strict=False)}
                for future in done:
                    yield future.result()
        finally:
            watch.cancel()


def _copied(copy: Copy, watch: Watch) -> Copy:
    source, target = copy.source, copy.target
    if is_local(source):
        target.storage.push(local_path(source), target.key, watch=watch)
    elif is_local(target):
        path = local_path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        source.storage.fetch(source.key, path, pin=copy.info.pin, watch=watch)
    else:
        with tempfile.TemporaryDirectory(prefix="anystore-doe-cp-") as folder:
            path = Path(folder, "object")
            source.storage.fetch(source.key, path, pin=copy.info.pin, watch=watch)
            target.storage.push(path, target.key, watch=watch)
    return copy


def _at(place: Place, path: str) -> Place:
    from anystore_doe.contract import Place

    return Place(storage=place.storage, key=place.at(path))
