"""Sweeps end to end, through the command line, as a user runs them: each store with each executor."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sweeping import BUCKET, EXECUTORS, Bucket, Desk, FileBucket, S3Bucket

from anystore_doe.testing.servers import MotoServer, ServerMissingError, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    try:
        with start_moto() as server:
            server.make_bucket(BUCKET)
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(params=["file", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """A place of this test's own, on files and on S3."""
    if request.param == "file":
        return FileBucket(tmp_path / "bucket")
    return S3Bucket(request.getfixturevalue("moto"), uuid4().hex)


@pytest.fixture
def files(tmp_path: Path) -> FileBucket:
    """A place of this test's own on files, for what does not depend on the store."""
    return FileBucket(tmp_path / "bucket")


@pytest.fixture(params=EXECUTORS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    """A desk for what does not depend on the store, with each executor."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(folder, {}, request.param)


@pytest.fixture(params=EXECUTORS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket) -> Desk:
    """A desk whose runs go through each executor, with the credentials of ``bucket``."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(folder, bucket.environ, request.param)
