"""What every archive format has to keep, whatever it looks like: no member outside the folder, none over another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from anystore_doe.errors import ArchiveError, LocalResourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.contract import Limits, Member


def check_paths(name: str, paths: Sequence[str]) -> None:
    """Refuse the archive ``name`` when one of these paths can not be unpacked safely beside the others."""
    seen: dict[str, tuple[str, bool]] = {}
    for path in paths:
        parts = path.split("/")
        odd = "\\" in path or path[1:2] == ":" or not path.isprintable() or len(parts) > 100
        if odd or any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts):
            raise ArchiveError(name, "path", f"{path!r} can not be unpacked safely")
        for depth in range(1, len(parts) + 1):
            is_file, part = depth == len(parts), "/".join(parts[:depth])
            folded = normalize("NFC", part.casefold())  # two names that some file systems take for the same
            if (is_file and folded in seen) or seen.setdefault(folded, (part, is_file)) != (part, is_file):
                raise ArchiveError(name, "collision", f"{path!r} and {seen[folded][0]!r} are in each other's way")


def check_room(name: str, folder: Path, members: Sequence[Member], limits: Limits) -> None:
    """Refuse when the disk is too small, or when something is where a member would go."""
    if sum(member.size for member in members) > shutil.disk_usage(folder).free - limits.keep_free_bytes:
        raise LocalResourceError(f"{folder} has too little room for {name}", hint=f"df -h '{folder}'")
    for path in (Path(member.path) for member in members):
        in_the_way = [p for p in path.parents if (folder / p).is_symlink() or (folder / p).is_file()]
        if in_the_way or os.path.lexists(folder / path):
            raise ArchiveError(name, "exists", f"{path} is in the folder already")


def is_dropped(path: str) -> bool:
    """Tell whether this is one of the files that a Mac adds."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2] == ".DS_Store"
