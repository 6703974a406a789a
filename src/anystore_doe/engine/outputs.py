"""Stage out: what the solver left in a work folder, and its way to the output URL."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.engine.matching import matcher
from anystore_doe.errors import ChecksumError, RunError
from anystore_doe.model import OUR_FOLDER, FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.contract.storage import Place, Watch
    from anystore_doe.model import ObjectInfo, Recipe

Stamp = tuple[int, int, int, int]


def snapshot(folder: Path) -> dict[str, Stamp]:
    """Return each regular file below ``folder`` with what changes when it is written (size, mtime, ctime, inode)."""
    return {path: _stamp(status) for path, status in _scan(folder) if stat.S_ISREG(status.st_mode)}


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _scan(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield ``(path, lstat)`` of everything below ``folder`` that is not a folder; links are never followed.

    Raises:
        RunError: a solver put a link in the place of ``folder``.
    """
    if folder.is_symlink():
        raise RunError("there is a link where the work folder was")
    ahead = [("", os.fspath(folder))]
    while ahead:  # no recursion: a solver makes folders as deep as it likes
        prefix, here = ahead.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    ahead.append((f"{prefix}{entry.name}/", entry.path))
                else:
                    yield prefix + entry.name, entry.stat(follow_symlinks=False)


def regular_files(folder: Path) -> list[str]:
    """Return the paths of all regular files below ``folder``, sorted."""
    return sorted(path for path, status in _scan(folder) if stat.S_ISREG(status.st_mode))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a run leaves: paths of regular files to be pushed, and of links and special files that are not."""

    files: tuple[str, ...]
    links: tuple[str, ...]


LINKS_SHOWN = 5
"""How many links a remark names."""


def remark(files: int, links: Sequence[str], *, adopted: bool = False) -> str:
    """Return what is to be said about a run that went well: it left nothing, or links that were not pushed.

    ``adopted``: it was solved by an attempt that did not come to its end.
    """
    words = ["solved before, and uploaded now"] if adopted else []
    words += [] if files else ["no outputs were left"]
    if links:
        shown = ", ".join(links[:LINKS_SHOWN]) + (", ..." if len(links) > LINKS_SHOWN else "")
        words.append(f"links and special files are not pushed: {shown}")
    return "; ".join(words)


def find_outputs(folder: Path, before: Mapping[str, Stamp], recipe: Recipe) -> Outputs:
    """Return the regular files that are new or changed since ``before``, narrowed by the recipe's globs.

    ``push_inputs`` adds unchanged files. Private input files (credentials) are never among them.

    Raises:
        RunError: a name can not be a key (no UTF-8, control characters), or lies in our own folder; or the globs
            leave out every new file: what was solved must not be thrown away for a typing error.
    """
    wanted = matcher(recipe.outputs) if recipe.outputs else None
    private = {f.name for f in recipe.input_files if f.private}
    files, links, left_out = [], [], []
    for path, status in _scan(folder):
        if not stat.S_ISREG(status.st_mode):
            links.append(path.encode(errors="backslashreplace").decode())
            continue
        if before.get(path) == _stamp(status) and not recipe.push_inputs:
            continue
        if path.rpartition("/")[2] in private:
            continue
        if wanted is not None and not wanted(path):
            left_out.append(path)
            continue
        _check_name(path)
        files.append(path)
    if left_out and not files:
        shown = ", ".join(sorted(left_out)[:3]).encode(errors="backslashreplace").decode()
        raise RunError(
            f"none of the {len(left_out)} new file(s) matches --outputs {' '.join(recipe.outputs)}: {shown}"
            + (", ..." if left_out[3:] else "")
        )
    return Outputs(files=tuple(sorted(files)), links=tuple(sorted(links)))


def _check_name(path: str) -> None:
    if not path.isprintable():
        raise RunError(f"the output {path!r} has a name that can not be a key", hint="rename it, or narrow --outputs")
    if path == OUR_FOLDER or path.startswith(f"{OUR_FOLDER}/"):
        raise RunError(f"the solver wrote {path!r}, and {OUR_FOLDER}/ under the output URL is ours")


def missing_required(folder: Path, globs: Sequence[str]) -> list[str]:
    """Return the globs that no regular file below ``folder`` matches."""
    paths = regular_files(folder) if globs else []
    return [glob for glob in globs if not any(map(matcher([glob]), paths))]


def planned_files(folder: Path, paths: Sequence[str]) -> tuple[FileRecord, ...]:
    """Describe outputs before they are pushed: path, size in bytes, SHA-256."""
    return tuple(
        FileRecord(path=path, size=(folder / path).stat().st_size, checksum=f"sha256:{file_digest(folder / path)}")
        for path in paths
    )


def push_outputs(
    files: Sequence[FileRecord],
    folder: Path,
    place: Place,
    *,
    occupied: Sequence[str],
    durable: bool,
    watch: Watch,
) -> None:
    """Push ``files`` from ``folder`` to below the output URL and compare what the store then has.

    Create-only where the store can, so that a late writer loses; but for ``occupied`` paths, where an earlier
    attempt of ours left something that may not be deleted.

    Raises:
        ObjectExistsError: somebody else wrote there.
        ChecksumError: the store has something else than was pushed.
    """
    storage, taken = place.storage, set(occupied)
    fresh = [(folder / f.path, place.at(f.path)) for f in files if f.path not in taken]
    again = [(folder / f.path, place.at(f.path)) for f in files if f.path in taken]
    infos: list[ObjectInfo] = []
    if fresh:
        only = storage.capabilities.create_only
        infos += storage.push_many(fresh, create_only=only, durable=durable, watch=watch)
    if again:
        infos += storage.push_many(again, durable=durable, watch=watch)
    there = {info.key: info for info in infos}
    for f in files:
        _compare(f, there.get(place.at(f.path)), storage.url_of(place.at(f.path)))


def _compare(pushed: FileRecord, there: ObjectInfo | None, url: str) -> None:
    if there is None or there.size != pushed.size:
        found = "nothing" if there is None else f"{there.size} bytes"
        raise ChecksumError("push", url, f"{pushed.size} bytes were pushed, the store has {found}")
    stored = there.checksums.get("sha256")
    if stored is not None and pushed.checksum != f"sha256:{stored}":
        raise ChecksumError("push", url, f"{pushed.checksum} was pushed, the store has sha256:{stored}")


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file's content, as hex."""
    with file.open("rb", buffering=0) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
