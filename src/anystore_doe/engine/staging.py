"""Stage in and out: pinned inputs into a work folder, and what the solver changed out of it."""

from __future__ import annotations

import base64
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from anystore_doe.contract.archive import Limits
from anystore_doe.definition import render_text, rendered_template
from anystore_doe.engine.matching import matcher
from anystore_doe.engine.outputs import file_digest, regular_files
from anystore_doe.errors import ArchiveError, DefinitionError, InputChangedError, RunError, safe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.contract.archive import Archive
    from anystore_doe.contract.hooks import ArchiveEntry
    from anystore_doe.contract.storage import Place, Watch
    from anystore_doe.model import PinnedInput, PinnedObject, Recipe

HEAD_BYTES = 512
"""Bytes of a file that show what it is (a tar's magic is at offset 257)."""

_CHANGED = "the same command again takes what is there now"


class Archives(Protocol):
    """The archive formats that are installed."""

    def for_name(self, name: str) -> ArchiveEntry | None:
        """Return the format with the longest suffix that ``name`` ends in."""

    def by_content(self, head: bytes) -> ArchiveEntry | None:
        """Return the format whose magic the first :data:`HEAD_BYTES` bytes of a file show."""


@dataclass(slots=True)
class Staged:
    """What stage-in brought: paths, and the folders that they lie in, to the URL they came from; SHA-256 by URL."""

    brought: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    bytes: int = 0


def fetch_inputs(
    inputs: Sequence[PinnedInput],
    folder: Path,
    parcels: Path,
    *,
    open_storage: Callable[[str], Place],
    watch: Watch,
) -> tuple[Staged, list[tuple[PinnedInput, Path]]]:
    """Fetch all inputs of a run: files and trees into ``folder``, archives into ``parcels`` (made when needed).

    Returns:
        What was brought, and the fetched archives, which are unpacked by :func:`unpack_inputs`.

    Raises:
        RunError: two inputs bring the same path.
        InputChangedError: an object is not the version that plan saw.
        StorageError: an object could not be fetched.
    """
    staged, archives = Staged(), []
    for number, one in enumerate(inputs):
        if one.kind == "archive":
            parcels.mkdir(exist_ok=True)
            target = parcels / str(number)
            archives.append((one, target))
            _fetch(one.objects[0], target, staged, open_storage, watch, stated=True)
            continue
        for found in one.objects:
            _bring(staged, found.path, found.url)
            target = folder / found.path
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(found, target, staged, open_storage, watch, stated=one.kind != "tree")
    return staged, archives


def _fetch(
    found: PinnedObject,
    target: Path,
    staged: Staged,
    open_storage: Callable[[str], Place],
    watch: Watch,
    *,
    stated: bool,
) -> None:
    """Fetch one object and check that it is what plan saw; ``stated``: plan asked for it alone, not for a listing."""
    place = open_storage(found.url)
    pinned = place.storage.capabilities.pinned_reads
    try:
        info = place.storage.fetch(place.key, target, pin=found.pin if pinned else None, watch=watch)
    except InputChangedError as error:
        error.hint = error.hint or _CHANGED
        raise
    if info.size != found.size:
        raise InputChangedError("fetch", found.url, f"changed: {info.size} bytes, plan saw {found.size}", hint=_CHANGED)
    # where a version can not be asked for, it can still be compared; a listing may name it in another way
    if stated and info.pin is not None and found.pin is not None and info.pin != found.pin:
        raise InputChangedError("fetch", found.url, f"changed since plan ({found.pin} -> {info.pin})", hint=_CHANGED)
    if not (found.checksums or info.checksums):
        staged.digests[found.url] = file_digest(target)
    staged.bytes += info.size


def _bring(staged: Staged, path: str, url: str) -> None:
    if path in staged.brought or path in staged.folders:
        raise _same_path(path, staged.brought.get(path) or staged.folders[path], url)
    staged.brought[path] = url
    while (path := path.rpartition("/")[0]) and path not in staged.folders:
        if path in staged.brought:
            raise _same_path(path, staged.brought[path], url)
        staged.folders[path] = url


def _same_path(path: str, first: str, second: str) -> RunError:
    return RunError(
        f"two inputs bring the same path {path!r}: {safe_url(first)} and {safe_url(second)}",
        hint="give each input a folder of its own inside its archive",
    )


def unpack_inputs(
    fetched: Sequence[tuple[PinnedInput, Path]], staged: Staged, folder: Path, *, archives: Archives, watch: Watch
) -> None:
    """Unpack fetched archives into ``folder`` and remove them.

    Raises:
        ArchiveError: not what its suffix says, hostile, damaged, or without a file in it.
        RunError: two inputs bring the same path.
    """
    for one, file in fetched:
        with _naming(one.url):
            archive = _archive(one.url, file, archives)
            if len(fetched) > 1 or staged.brought:
                paths = [member.path for member in archive.members(file, Limits()) if not member.folder]
                for path in paths:
                    _bring(staged, path, one.url)
                archive.unpack(file, folder, Limits(), watch=watch)
            else:
                members = archive.unpack(file, folder, Limits(), watch=watch)
                paths = [member.path for member in members if not member.folder]
                staged.brought.update(dict.fromkeys(paths, one.url))
            if not paths:
                raise ArchiveError(
                    one.url, "empty", "there is no file in it", hint="pack the files of the case into it"
                )
        file.unlink()


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Let errors about an archive name its URL: a format knows only the copy that it was handed."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(safe_url(url), error.reason, error.detail, hint=error.hint) from error


def _archive(url: str, file: Path, archives: Archives) -> Archive:
    """Open the format that suffix (where it has one) and content agree on."""
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    named, shown = archives.for_name(url), archives.by_content(head)
    if shown is None:
        found = f"it begins with {head[:16]!r}, as no known format does" if head else "it is empty (0 bytes)"
        raise ArchiveError(url, "not-an-archive", found, hint="--unpack never hands it to the solver as it is")
    if named is not None and named != shown and not _same_wrapper(named, shown):
        raise ArchiveError(
            url,
            "suffix",
            f"its name says {named.suffixes[0]}, its content {shown.suffixes[0]}",
            hint=f"give it a name that ends in {shown.suffixes[0]}",
        )
    return (named or shown).open()


def _same_wrapper(named: ArchiveEntry, shown: ArchiveEntry) -> bool:
    return bool(set(named.magic) & set(shown.magic))


def start_folder(folder: Path, chdir: str) -> Path:
    """Return the folder the solver is started in: ``folder``, a sub-folder, or (``auto``) its only top folder.

    Raises:
        RunError: there is no such folder, or ``auto`` finds none or several.
    """
    if not chdir:
        return folder
    if chdir != "auto":
        chosen = folder / chdir
        if not chosen.is_dir():
            raise RunError(f"--chdir {chdir}: the inputs brought no such folder", hint=_top_words(folder))
        return chosen
    tops = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    if len(tops) != 1:
        raise RunError("--chdir auto: the inputs did not bring exactly one top folder", hint=_top_words(folder))
    return folder / tops[0].name


def _top_words(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    return f"the top of the work folder holds: {', '.join(names[:8]) or 'nothing'}{', ...' if names[8:] else ''}"


def render_files(recipe: Recipe, values: Mapping[str, str], folder: Path, start: Path) -> dict[str, str]:
    """Write input files and templates into ``start``, render what came with the input; return rendered scripts.

    Input files do not replace what an input brought; templates do: that is what they are for.

    Raises:
        RunError: an input file is in the way of an input, or a file to be rendered is no UTF-8 text.
        DefinitionError: a placeholder in a rendered input file is unknown or wrong.
    """
    for given in recipe.input_files:
        target = start / given.name
        if target.exists():
            raise RunError(f"--input-file {given.name}: the inputs brought a file of that name")
        _write(target, base64.b64decode(given.content_b64), 0o600 if given.private else 0o777 * given.executable)
    if recipe.render:
        _render_matching(recipe.render, values, folder)
    scripts = {}
    for template in recipe.templates:
        text = rendered_template(template, values)
        if (start / template.name).is_dir():
            raise RunError(f"the template {template.name}: the inputs brought a folder of that name")
        _write(start / template.name, text.encode(), 0o777 * template.shell)
        scripts[template.name] = text
    return scripts


def _render_matching(globs: Sequence[str], values: Mapping[str, str], folder: Path) -> None:
    """Render the files that match; a glob that matches none would let a run solve the deck as it came."""
    paths = regular_files(folder)
    for glob in globs:
        if not any(map(matcher([glob]), paths)):
            raise RunError(
                f"--render {glob!r} matches no file that the inputs brought",
                hint=f"**/{glob} looks in every folder" if "/" not in glob else "",
            )
    wanted = matcher(globs)
    for path in filter(wanted, paths):
        _render_in_place(folder / path, path, values)


def _render_in_place(file: Path, path: str, values: Mapping[str, str]) -> None:
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RunError(f"--render matches {path}, which is no UTF-8 text", hint="narrow the glob") from error
    try:
        rendered = render_text(text, values, where=path)
    except DefinitionError as error:
        raise RunError(f"--render: {error}", hint=error.hint) from error
    if rendered != text:
        file.write_bytes(rendered.encode())


def _write(target: Path, body: bytes, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb", opener=lambda path, flags: os.open(path, flags, 0o600 if mode == 0o600 else 0o666)) as file:
        file.write(body)
    if mode:
        target.chmod(mode & ~0o022 if mode != 0o600 else mode)
