from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from anystore_doe_s3.errors import asked_pause_s
from anystore_doe_s3.options import S3Options
from anystore_doe_s3.storage import S3Storage

from anystore_doe.testing import start_moto
from anystore_doe.testing.fixtures import *  # noqa: F403  fixtures are found by name
from anystore_doe.testing.fixtures import quick, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore_doe.contract import StorageContext
    from anystore_doe.testing import MotoServer

QUICK = quick(asked_pause_s)


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with running(start_moto) as server:
        yield server


@pytest.fixture(scope="session")
def endpoint_url(moto: MotoServer) -> str:
    return moto.endpoint_url


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch, tmp_path, moto):
    """Keys that the server takes, and nothing of the machine's own configuration."""
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
def open_at(bucket: str, context: StorageContext) -> Iterator[Callable[..., S3Storage]]:
    with ExitStack() as opened:

        def open_at(endpoint_url: str | None, *, root: str = f"s3://{bucket}", **options) -> S3Storage:
            made = S3Storage(root, S3Options(endpoint_url=endpoint_url, **options), context, policy=QUICK)
            return opened.enter_context(closing(made))

        yield open_at
