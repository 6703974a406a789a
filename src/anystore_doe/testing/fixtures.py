"""Fixtures for the tests of a provider that speaks HTTP; its conftest imports ``*`` from here.

That conftest gives what is the provider's own: ``endpoint_url``, where its server answers (scope ``session``), and
``open_at(endpoint_url, **options)``, which opens a storage there with the policy :func:`quick` makes, and closes it.
"""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from anystore_doe.contract import StorageContext, Watch
from anystore_doe.fsspec_storage.retrying import RetryPolicy
from anystore_doe.testing.proxy import FaultProxy
from anystore_doe.testing.servers import ServerMissingError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anystore_doe.contract import Storage
    from anystore_doe.errors import StorageError

__all__ = [
    "context",
    "dest",
    "large",
    "large_file",
    "proxied_endpoint",
    "proxy",
    "storage",
    "through_proxy",
    "watch",
]

S = TypeVar("S")


def quick(asked_s: Callable[[StorageError], float | None]) -> RetryPolicy:
    """Return a policy with four tries and pauses of milliseconds, but those that the server asks for."""
    return RetryPolicy(attempts=4, base_s=0.01, cap_s=0.05, deadline_s=20, asked_s=asked_s)


@contextmanager
def running(start: Callable[[], AbstractContextManager[S]]) -> Iterator[S]:
    """Start a server and stop it at the end; where it is not installed the tests are skipped, or fail if it must be."""
    try:
        server = start()
    except ServerMissingError as error:
        require(str(error))
    with server as started:
        yield started


def only_file(dest: Path) -> bytes:
    """Return what ``dest`` holds, which must be alone in its folder."""
    assert list(dest.parent.iterdir()) == [dest]
    return dest.read_bytes()


@pytest.fixture
def proxy(endpoint_url: str) -> Iterator[FaultProxy]:
    """Give a fault proxy in front of the server."""
    with FaultProxy(endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def proxied_endpoint(proxy: FaultProxy) -> str:
    """Give the endpoint behind the proxy; override it where an endpoint is more than a host."""
    return proxy.url


@pytest.fixture
def context(tmp_path: Path) -> StorageContext:
    """Give a context with a state folder."""
    return StorageContext(logger=logging.getLogger("test"), state_folder=tmp_path / "state")


@pytest.fixture
def storage(endpoint_url: str, open_at: Callable[..., Storage]) -> Storage:
    """Give a storage that is opened at the server."""
    return open_at(endpoint_url)


@pytest.fixture
def through_proxy(proxied_endpoint: str, open_at: Callable[..., Storage]) -> Storage:
    """Give the same storage, opened through the proxy."""
    return open_at(proxied_endpoint)


@pytest.fixture
def watch() -> Watch:
    """Give a watch that nobody cancels."""
    return Watch()


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Give the path of a file that is not there, in an empty folder."""
    folder = tmp_path / "dest"
    folder.mkdir()
    return folder / "file"


@pytest.fixture(scope="session")
def large() -> bytes:
    """Give 40 MiB + 5 that differ in every place: three parts, the last one short."""
    return random.Random(7).randbytes(40 * 2**20 + 5)  # noqa: S311  test data


@pytest.fixture
def large_file(large: bytes, tmp_path: Path) -> Path:
    """Give them as a file."""
    file = tmp_path / "large.bin"
    file.write_bytes(large)
    return file
