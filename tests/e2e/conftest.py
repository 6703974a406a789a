"""Sweeps end to end, through the command line, as a user runs them: each store with each executor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from clouds import AzureBucket, GcsBucket
from sweeping import BUCKET, EXECUTORS, Bucket, Desk, FileBucket, S3Bucket

from anystore_doe.testing.servers import (
    AzuriteServer,
    FakeGcsServer,
    MotoServer,
    OpenSshServer,
    S3Server,
    ServerMissingError,
    require,
    start_azurite,
    start_ceph,
    start_fake_gcs,
    start_moto,
    start_sshd,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

S3_SERVER = "ANYSTORE_DOE_S3_SERVER"
"""Environment variable: which server the tests use that ask for one that speaks S3, ``moto`` or ``rgw``."""


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    try:
        with start_moto() as server:
            server.make_bucket(BUCKET)
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """A store that speaks S3: moto, or the one that the environment variable names (``tox -e rgw``)."""
    if (name := os.environ.get(S3_SERVER, "moto")) == "moto":
        yield request.getfixturevalue("moto")
        return
    assert name == "rgw", f"{S3_SERVER} is moto or rgw, not {name}"
    try:
        with start_ceph() as server:
            server.make_bucket(BUCKET)
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGcsServer]:
    try:
        with start_fake_gcs() as server:
            server.make_bucket(BUCKET)
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    try:
        with start_azurite() as server:
            server.make_container(BUCKET)
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    try:
        with start_sshd(tmp_path_factory.mktemp("sshd")) as server:
            yield server
    except ServerMissingError as error:
        require(str(error))


@pytest.fixture(params=["gcs", "azure"])
def cloud(request: pytest.FixtureRequest) -> Bucket:
    """A place of this test's own on each of the other clouds."""
    if request.param == "gcs":
        return GcsBucket(request.getfixturevalue("fake_gcs"), BUCKET, uuid4().hex)
    return AzureBucket(request.getfixturevalue("azurite"), BUCKET, uuid4().hex)


@pytest.fixture(params=["file", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """A place of this test's own, on files and on S3."""
    if request.param == "file":
        return FileBucket(tmp_path / "bucket")
    return S3Bucket(request.getfixturevalue("s3"), uuid4().hex)


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
