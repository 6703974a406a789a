"""Notes of open multi-part uploads, so that those of a killed process are aborted by the next one.

One small file per open upload in the context's state folder; it is there before the first part is sent and
removed after the upload was completed or aborted. A note counts only on the machine, in the boot and in the pid
namespace it was written in: elsewhere nobody can know whether its process lives. Nor can anybody on systems without
``/proc``: their uploads stay open until the store's own rules end them.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from anystore_doe.processes import ProcessIdentity, is_gone, this_process

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "open-uploads"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """An upload that somebody began: ``note`` is the file that says so, ``None`` without a state folder."""

    key: str
    upload_id: str
    note: Path | None = None


class OpenUploads:
    """The open uploads of one store, written down in ``state_folder``."""

    def __init__(self, state_folder: Path | None, store: str) -> None:
        """Keep notes below ``state_folder`` (``None``: nowhere) for ``store``, a name without secrets."""
        self._folder = state_folder / _FOLDER if state_folder is not None else None
        self._store = store

    def note(self, key: str, upload_id: str) -> OpenUpload:
        """Write down that an upload is open.

        Raises:
            OSError: the note can not be written.
        """
        if self._folder is None:
            return OpenUpload(key=key, upload_id=upload_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        record = {"store": self._store, "key": key, "upload_id": upload_id, "process": asdict(this_process())}
        path = self._folder / f"{secrets.token_hex(8)}.json"
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)  # some clouds' upload ids are all that it takes to write the object
        fresh.write_text(json.dumps(record))
        fresh.replace(path)
        return OpenUpload(key=key, upload_id=upload_id, note=path)

    def forget(self, upload: OpenUpload) -> None:
        """Remove the note of an upload that is no longer open."""
        if upload.note is not None:
            upload.note.unlink(missing_ok=True)

    def orphans(self) -> list[OpenUpload]:
        """Return this store's uploads whose process is gone; notes that can not be read are left alone."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found, me = [], this_process()
        for path in sorted(self._folder.glob("*.json")):
            try:
                record = json.loads(path.read_bytes())
                if record["store"] == self._store and is_gone(ProcessIdentity(**record["process"]), me):
                    found.append(OpenUpload(key=str(record["key"]), upload_id=str(record["upload_id"]), note=path))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found
