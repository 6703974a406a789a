"""One folder of any file system behind fsspec, listed while others write and delete in it."""

from __future__ import annotations

from typing import Any

_LOOKS = 100
"""Most times that a folder is listed again because an object vanished from under the listing."""


def entries_of(fs: Any, folder: str) -> list[dict[str, Any]]:
    """Return what fsspec's ``ls`` tells of a folder, sorted by name; nothing where there is no folder.

    ``memory://`` stumbles (``KeyError``) over an object that is deleted meanwhile: then the folder is listed again.
    """
    for look in range(_LOOKS):
        fs.invalidate_cache()
        try:
            return sorted(fs.ls(folder or "/", detail=True), key=lambda entry: str(entry["name"]))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except KeyError:
            if look == _LOOKS - 1:
                raise
    return []
