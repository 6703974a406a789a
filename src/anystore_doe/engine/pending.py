"""What is solved and not yet pushed: kept beside the work folder, so that the next engine only uploads it.

It is believed only when it is about this very run: the same definition, the same pins of all inputs, and outputs
whose digests are still those that the solver left. A power cut may take it, and then the run is solved again.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from anystore_doe.engine.fingerprint import identities
from anystore_doe.engine.outputs import file_digest
from anystore_doe.model import SCHEMA, Solved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anystore_doe.engine.attempt import Attempt
    from anystore_doe.engine.staging import Staged
    from anystore_doe.model import FileRecord

SOLVED = "solved.json"
"""Name of the record, in the attempt's folder beside ``work/``."""


def keep(attempt: Attempt, staged: Staged) -> Solved:
    """Write down that ``attempt`` is solved, what it left and from what; return it."""
    ordered = attempt.ordered
    assert attempt.exit is not None  # noqa: S101  it is solved
    solved = Solved(
        run_id=attempt.run.run_id,
        fingerprint=ordered.definition_digest,
        pinned=identities(ordered.inputs, {}),
        inputs=identities(ordered.inputs, staged.digests),
        bytes_in=staged.bytes,
        exit=attempt.exit,
        started_at=attempt.started_at,
        scripts=attempt.scripts,
        files=attempt.files,
        links=attempt.links,
        metrics=attempt.metrics,
        timings=attempt.timings,
    )
    part = attempt.folder / f"{SOLVED}.part"
    part.write_bytes(msgspec.json.encode(solved))
    part.replace(attempt.folder / SOLVED)
    return solved


def adopt(attempt: Attempt) -> Solved | None:
    """Give ``attempt`` what an earlier one solved and did not commit, with its folder; ``None``: there is nothing."""
    for number in range(attempt.number, 0, -1):
        folder = attempt.crew.runs_folder / f"{attempt.run.run_id}.{number}"
        solved = _read(folder)
        if solved is None or not _is_of(solved, attempt) or not all(_is_there(folder / "work", solved.files)):
            continue
        if folder != attempt.folder:
            attempt.clean()
            folder.rename(attempt.folder)
        attempt.exit, attempt.started_at = solved.exit, solved.started_at
        attempt.scripts, attempt.metrics = solved.scripts, solved.metrics
        attempt.files, attempt.links = solved.files, solved.links
        attempt.timings = dict(solved.timings)
        attempt.adopted = True
        return solved
    return None


def _read(folder: Path) -> Solved | None:
    try:
        solved = msgspec.json.decode((folder / SOLVED).read_bytes(), type=Solved)
    except (OSError, msgspec.MsgspecError):
        return None
    return solved if solved.schema <= SCHEMA else None


def _is_of(solved: Solved, attempt: Attempt) -> bool:
    ordered = attempt.ordered
    now = identities(ordered.inputs, {})
    known = all(one.pin is not None or one.checksums for one in now)
    same = (solved.run_id, solved.fingerprint, solved.pinned) == (attempt.run.run_id, ordered.definition_digest, now)
    return known and same and solved.exit.ok


def _is_there(work: Path, files: tuple[FileRecord, ...]) -> Iterator[bool]:
    for file in files:
        path = work / file.path
        try:
            status = os.lstat(path)
            is_same = stat.S_ISREG(status.st_mode) and status.st_size == file.size
            yield is_same and file.checksum == f"sha256:{file_digest(path)}"
        except OSError:
            yield False
