from __future__ import annotations

import logging
import os
import random
import uuid
from typing import TYPE_CHECKING

import pytest
from anystore_doe_gcs.errors import asked_pause_s
from anystore_doe_gcs.options import GcsOptions
from anystore_doe_gcs.storage import GcsStorage

from anystore_doe.contract import StorageContext, Watch
from anystore_doe.fsspec_storage.retrying import RetryPolicy
from anystore_doe.testing import FaultProxy, ServerMissingError, require, start_fake_gcs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anystore_doe.testing import FakeGcsServer

QUICK = RetryPolicy(attempts=4, base_s=0.01, cap_s=0.05, deadline_s=20, asked_s=asked_pause_s)


@pytest.fixture(scope="session")
def server() -> Iterator[FakeGcsServer]:
    try:
        server = start_fake_gcs()
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


@pytest.fixture(autouse=True)
def google_environment(monkeypatch, tmp_path):
    """Nothing of the machine's own configuration, and nobody is asked whether this is Google's machine."""
    for name in list(os.environ):
        ours = ("GOOGLE_", "CLOUDSDK_", "GCE_", "GCSFS_", "FSSPEC_", "STORAGE_EMULATOR_HOST")
        if name.startswith(ours) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def bucket(server: FakeGcsServer) -> str:
    return server.make_bucket(f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def proxy(server: FakeGcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def context(tmp_path: Path) -> StorageContext:
    return StorageContext(logger=logging.getLogger("test"), state_folder=tmp_path / "state")


@pytest.fixture
def open_at(bucket: str, context: StorageContext) -> Iterator[Callable[..., GcsStorage]]:
    opened = []

    def open_at(endpoint_url: str | None, *, root: str = f"gs://{bucket}", **options) -> GcsStorage:
        storage = GcsStorage(root, GcsOptions(endpoint_url=endpoint_url, **options), context, policy=QUICK)
        opened.append(storage)
        return storage

    yield open_at
    for storage in opened:
        storage.close()


@pytest.fixture
def storage(server: FakeGcsServer, open_at: Callable[..., GcsStorage]) -> GcsStorage:
    return open_at(server.endpoint_url)


@pytest.fixture
def through_proxy(proxy: FaultProxy, open_at: Callable[..., GcsStorage]) -> GcsStorage:
    return open_at(proxy.url)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="session")
def large() -> bytes:
    """40 MiB + 5 that differ in every place: three parts, the last one short."""
    return random.Random(7).randbytes(40 * 2**20 + 5)


@pytest.fixture
def large_file(large: bytes, tmp_path: Path) -> Path:
    file = tmp_path / "large.bin"
    file.write_bytes(large)
    return file
