"""Notes of open uploads: those of a dead process are found by the next one, and nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from anystore_doe.fsspec_storage.uploads import OpenUploads

if TYPE_CHECKING:
    from pathlib import Path

STORE = "s3://bucket"
ANOTHER = """
import sys
from pathlib import Path
from anystore_doe.fsspec_storage.uploads import OpenUploads
OpenUploads(Path(sys.argv[1]), sys.argv[2]).note("key", "id")
"""


@pytest.fixture
def uploads(tmp_path: Path) -> OpenUploads:
    return OpenUploads(tmp_path, STORE)


@pytest.fixture
def dead(tmp_path: Path):
    """A process that noted an upload and ended; nobody has waited for it yet."""
    process = subprocess.Popen([sys.executable, "-c", ANOTHER, tmp_path, STORE])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process
    process.wait()


def notes(folder: Path) -> list[Path]:
    return sorted((folder / "open-uploads").iterdir())


def test_an_upload_of_a_dead_process_is_an_orphan_before_and_after_it_is_reaped(
    uploads: OpenUploads, dead: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (orphan,) = uploads.orphans()
    assert (orphan.key, orphan.upload_id) == ("key", "id")
    assert dead.wait() == 0
    assert uploads.orphans() == [orphan]
    uploads.forget(orphan)
    assert (uploads.orphans(), notes(tmp_path)) == ([], [])


def test_an_upload_of_another_store_is_no_orphan_of_this_one(dead: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert OpenUploads(tmp_path, "s3://other").orphans() == []


def test_an_upload_of_a_living_process_is_no_orphan(uploads: OpenUploads, tmp_path: Path) -> None:
    upload = uploads.note("key", "id")
    assert uploads.orphans() == []
    assert notes(tmp_path) == [upload.note]


@pytest.mark.parametrize("field", ["boot_id", "pid_namespace"])
def test_an_upload_from_elsewhere_is_no_orphan(
    uploads: OpenUploads, dead: subprocess.Popen[bytes], tmp_path: Path, field: str
) -> None:
    (note,) = notes(tmp_path)
    record = json.loads(note.read_bytes())
    record["process"][field] = "another"
    note.write_text(json.dumps(record))
    assert uploads.orphans() == []


@pytest.mark.parametrize(
    "body",
    [
        '{"store": ',
        "[1]",
        '{"store": "s3://bucket", "key": "k", "upload_id": "u"}',
        '{"store": "s3://bucket", "key": "k", "upload_id": "u", "process": {"pid": 1}}',
    ],
)
def test_notes_that_can_not_be_read_are_left_alone(uploads: OpenUploads, tmp_path: Path, body: str) -> None:
    uploads.forget(uploads.note("key", "id"))
    (tmp_path / "open-uploads/a.json").write_text(body)
    assert uploads.orphans() == []
    assert len(notes(tmp_path)) == 1


def test_without_a_state_folder_nothing_is_noted_and_nothing_is_found() -> None:
    uploads = OpenUploads(None, STORE)
    upload = uploads.note("key", "id")
    uploads.forget(upload)
    assert (upload.note, uploads.orphans()) == (None, [])
