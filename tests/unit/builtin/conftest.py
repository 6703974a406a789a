"""Fixtures of the tests of what ships: a store of files, and a place to unpack in."""

import os
from pathlib import Path

import pytest

from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.contract import Watch


@pytest.fixture(params=["unnamed", "named"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FileStorage:
    """Both ways of writing: with unnamed files, and where a file system has none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return FileStorage()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file in it, in which archives are unpacked."""
    folder = tmp_path / "outside/folder"
    folder.mkdir(parents=True)
    (folder / "kept").write_bytes(b"kept")
    return folder
