from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_s3.errors import asked_pause_s
from anystore_doe_s3.options import S3Options
from anystore_doe_s3.storage import S3Storage

from anystore_doe.contract import StorageContext, Watch
from anystore_doe.fsspec_storage.retrying import RetryPolicy
from anystore_doe.testing import FaultProxy, ServerMissingError, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anystore_doe.testing import MotoServer

QUICK = RetryPolicy(attempts=4, base_s=0.01, cap_s=0.05, deadline_s=20, asked_s=asked_pause_s)


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    try:
        server = start_moto()
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch, tmp_path, moto):
    """Keys that the server takes, and nothing of the machine's own configuration."""
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "FSSPEC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.secret_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def bucket(moto: MotoServer) -> str:
    return moto.make_bucket(f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def proxy(moto: MotoServer) -> Iterator[FaultProxy]:
    with FaultProxy(moto.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def context(tmp_path: Path) -> StorageContext:
    return StorageContext(logger=logging.getLogger("test"), state_folder=tmp_path / "state")


@pytest.fixture
def open_at(bucket: str, context: StorageContext) -> Iterator[Callable[..., S3Storage]]:
    opened = []

    def open_at(endpoint_url: str | None, *, root: str = f"s3://{bucket}", **options) -> S3Storage:
        storage = S3Storage(root, S3Options(endpoint_url=endpoint_url, **options), context, policy=QUICK)
        opened.append(storage)
        return storage

    yield open_at
    for storage in opened:
        storage.close()


@pytest.fixture
def storage(moto: MotoServer, open_at: Callable[..., S3Storage]) -> S3Storage:
    return open_at(moto.endpoint_url)


@pytest.fixture
def through_proxy(proxy: FaultProxy, open_at: Callable[..., S3Storage]) -> S3Storage:
    return open_at(proxy.url)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="session")
def large() -> bytes:
    """40 MiB + 5 that differ in every place: three parts, the last one short."""
    import random

    return random.Random(7).randbytes(40 * 2**20 + 5)


@pytest.fixture
def large_file(large: bytes, tmp_path: Path) -> Path:
    file = tmp_path / "large.bin"
    file.write_bytes(large)
    return file
