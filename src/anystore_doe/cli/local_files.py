"""Files of this machine that a command writes because the user named them: through links, never onto a device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.errors import UsageError, printable

if TYPE_CHECKING:
    from anystore_doe.contract import Place

_MOST_LINKS = 40
"""Links that are followed, one leading to the next; as many as Linux follows (path_resolution(7))."""

_OF_THE_SYSTEM = ("/dev", "/proc", "/sys")
_MEMORY_DISK = "/dev/shm"  # noqa: S108  it is named, nothing is written there


def is_local(place: Place) -> bool:
    """Tell whether a place is a file of this machine."""
    return place.url.startswith("file://")


def local_path(place: Place) -> Path:
    """Return the path of a place of this machine."""
    return Path("/" + place.key)


def written_place(place: Place, *, hint: str) -> Place:
    """Return where a write to ``place`` goes: for a link of this machine what it points to, else the place itself.

    What is there is replaced whole, beside the target of the link; the link stays.

    Args:
        place: As the user named it, on any store.
        hint: What to do instead, where it can not be written.

    Raises:
        UsageError: on this machine something is there that is no regular file, or it lies where the system keeps
            its devices.
    """
    if not is_local(place):
        return place
    from anystore_doe.contract import Place

    named = f"/{place.key}"
    path = _behind_links(named, hint)
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  texts, as the keys are
        kind = "a folder" if os.path.isdir(path) else "a device, a pipe or a socket"  # noqa: PTH112
        raise UsageError(f"{_shown(named, path)} is {kind}, no file", hint=hint)
    return Place(storage=place.storage, key=path.lstrip("/"))


def _behind_links(named: str, hint: str) -> str:
    """Follow ``named`` until it is no link; one that points to nothing names the file that will be made."""
    path = named
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        real = os.path.join(folder, name)  # noqa: PTH118
        if _is_of_the_system(real):
            raise UsageError(f"{_shown(named, real)} is no place for a file: it is the system's", hint=hint)
        if not os.path.islink(path):  # noqa: PTH114
            return named if path == named else os.path.normpath(real)
        path = os.path.join(folder, os.readlink(path)).rstrip("/")  # noqa: PTH115, PTH118
    raise UsageError(f"{printable(named)} is a link that leads to itself", hint=hint)


def _is_of_the_system(path: str) -> bool:
    below = [folder for folder in (*_OF_THE_SYSTEM, _MEMORY_DISK) if path == folder or path.startswith(folder + "/")]
    return bool(below) and _MEMORY_DISK not in below


def _shown(named: str, path: str) -> str:
    return printable(named if path == named else f"{named} (a link to {path})")
