from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from anystore_doe_gcs.errors import asked_pause_s
from anystore_doe_gcs.options import GcsOptions
from anystore_doe_gcs.storage import GcsStorage

from anystore_doe.testing import start_fake_gcs
from anystore_doe.testing.fixtures import *  # noqa: F403  fixtures are found by name
from anystore_doe.testing.fixtures import quick, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore_doe.contract import StorageContext
    from anystore_doe.testing import FakeGcsServer

QUICK = quick(asked_pause_s)


@pytest.fixture(scope="session")
def server() -> Iterator[FakeGcsServer]:
    with running(start_fake_gcs) as server:
        yield server


@pytest.fixture(scope="session")
def endpoint_url(server: FakeGcsServer) -> str:
    return server.endpoint_url


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
def open_at(bucket: str, context: StorageContext) -> Iterator[Callable[..., GcsStorage]]:
    with ExitStack() as opened:

        def open_at(endpoint_url: str | None, *, root: str = f"gs://{bucket}", **options) -> GcsStorage:
            made = GcsStorage(root, GcsOptions(endpoint_url=endpoint_url, **options), context, policy=QUICK)
            return opened.enter_context(closing(made))

        yield open_at
