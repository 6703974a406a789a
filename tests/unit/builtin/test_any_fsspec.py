"""What the fallback opens, and what it says about the rest; http against a real server."""

from __future__ import annotations

import logging
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from anystore_doe.builtin.any_fsspec import FsspecOptions, anystore_doe_storages, open_any
from anystore_doe.contract import StorageContext, Watch
from anystore_doe.errors import (
    DefinitionError,
    InputChangedError,
    ObjectNotFoundError,
    PluginError,
    StorageError,
    UnknownSchemeError,
    UnsupportedError,
    UsageError,
)
from anystore_doe.testing import Answer, Cut, FaultProxy, Rule, ServerMissingError, Swap, require, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.contract import Storage
    from anystore_doe.testing import MotoServer


def opened(url: str, **options: str) -> Storage:
    return open_any(url, FsspecOptions(**options), StorageContext(logger=logging.getLogger("test")))


@pytest.mark.parametrize("scheme", ["s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "file"])
def test_schemes_with_a_plugin_of_their_own_are_not_served(scheme):
    with pytest.raises(UnknownSchemeError, match=f"{scheme}://"):
        opened(f"{scheme}://bucket")


@pytest.mark.parametrize("scheme", ["nosuch", "simplecache", "zip", "reference"])
def test_what_is_no_store_is_an_unknown_scheme(scheme):
    with pytest.raises(UnknownSchemeError, match=f"{scheme}://"):
        opened(f"{scheme}://host")


def test_a_missing_library_is_named_with_the_line_that_installs_it(monkeypatch):
    with pytest.raises(PluginError) as raised:
        opened("oss://bucket")
    assert raised.value.hint == "pip install ossfs"
    monkeypatch.setitem(sys.modules, "paramiko", None)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.sftp", raising=False)
    with pytest.raises(PluginError) as raised:
        opened("sftp://host")
    assert raised.value.hint == "pip install paramiko"


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as raised:
        opened("sftp://me:geheim@host")
    assert "geheim" not in str(raised.value) + raised.value.hint


def test_arguments_must_be_a_json_object():
    for text in ("[1]", "{", "geheim"):
        with pytest.raises(DefinitionError, match="not a JSON object") as raised:
            FsspecOptions(arguments=text).keywords()
        assert "geheim" not in str(raised.value)
    assert FsspecOptions(username="u", arguments='{"port": 22}').keywords() == {"username": "u", "port": 22}


def test_offering_storages_imports_no_fsspec():
    import subprocess

    code = (
        "import sys; from anystore_doe.builtin.any_fsspec import anystore_doe_storages as f; list(f());"
        "assert 'fsspec' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    (entry,) = anystore_doe_storages()
    assert entry.schemes == ("*",)


def test_opening_connects_to_nobody():
    storage = opened("sftp://no-such-host.invalid")
    storage.close()


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    try:
        server = start_moto()
    except ServerMissingError as error:
        require(str(error))
    with server:
        yield server


class Web:
    """A bucket that anybody may read, behind a proxy, as plain http."""

    def __init__(self, moto: MotoServer, proxy: FaultProxy) -> None:
        self.moto, self.proxy, self.bucket = moto, proxy, moto.make_bucket(uuid.uuid4().hex)
        self.storage = opened(proxy.url)

    def key(self, name: str) -> str:
        return f"{self.bucket}/{name}"

    def put(self, name: str, data: bytes) -> None:
        with self.moto.client() as s3:
            s3.put_object(Bucket=self.bucket, Key=name, Body=data, ACL="public-read")


@pytest.fixture
def web(moto) -> Iterator[Web]:
    with FaultProxy(moto.endpoint_url) as proxy:
        yield Web(moto, proxy)


def test_http_reads_whole_and_in_ranges(web, tmp_path):
    web.put("a.txt", b"0123456789")
    info = web.storage.stat(web.key("a.txt"))
    assert info.size == 10
    assert info.pin is not None
    web.storage.fetch(web.key("a.txt"), tmp_path / "a", pin=info.pin, watch=Watch())
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    for (start, end), expected in {(2, 4): b"23", (-3, None): b"789", (8, 99): b"89", (10, None): b""}.items():
        assert web.storage.read(web.key("a.txt"), start, end) == expected


def test_http_does_not_list_write_or_delete(web):
    assert web.storage.capabilities.list is False
    for attempt in (
        lambda: list(web.storage.walk("x")),
        lambda: web.storage.push(b"", "x", watch=Watch()),
        lambda: web.storage.delete(["x"]),
    ):
        with pytest.raises(UnsupportedError):
            attempt()


def test_http_not_found_is_told_from_a_server_in_trouble(web, tmp_path):
    with pytest.raises(ObjectNotFoundError):
        web.storage.stat(web.key("absent"))
    web.put("a", b"x")
    web.proxy.add(Rule(fault=Answer(status=503), count=None))
    with pytest.raises(StorageError, match="503") as raised:
        web.storage.stat(web.key("a"))
    assert not isinstance(raised.value, ObjectNotFoundError)


def test_an_object_that_changes_while_http_reads_it_is_no_input(web, tmp_path):
    web.put("a", b"a" * 100)
    old = web.storage.stat(web.key("a"))
    web.proxy.add(Rule(method="GET", fault=Swap(call=lambda: web.put("a", b"b" * 100))))
    with pytest.raises(InputChangedError):
        web.storage.fetch(web.key("a"), tmp_path / "a", watch=Watch())
    with pytest.raises(InputChangedError, match=f"{old.pin} -> "):
        web.storage.fetch(web.key("a"), tmp_path / "a", pin=old.pin, watch=Watch())
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_is_cut_is_fetched_again(web, tmp_path):
    web.put("a", b"a" * 100_000)
    web.proxy.add(Rule(method="GET", fault=Cut(after=1000)))
    web.storage.fetch(web.key("a"), tmp_path / "a", watch=Watch())
    assert (tmp_path / "a").read_bytes() == b"a" * 100_000
