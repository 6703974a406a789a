"""What private.py relies on beyond documented interfaces, and that nothing else touches the SDK."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import anystore_doe_gcs
import pytest
from anystore_doe_gcs.checksums import CRC32C, checksums_in_header
from anystore_doe_gcs.private import make_file_system

from anystore_doe.contract import Watch

SOURCES = sorted(Path(anystore_doe_gcs.__file__).parent.glob("*.py"))


def test_what_we_use_of_upstream_is_still_there():
    import aiohttp
    from gcsfs.core import GCSFileSystem
    from google.auth.credentials import Credentials, TokenState

    assert inspect.iscoroutinefunction(GCSFileSystem._set_session)
    assert isinstance(GCSFileSystem._location, property)
    wanted = {"project", "token", "endpoint_url", "session_kwargs", "requester_pays", "access"}
    assert wanted <= set(inspect.signature(GCSFileSystem.__init__).parameters)
    assert isinstance(Credentials.token_state, property)
    assert {"FRESH", "STALE", "INVALID"} <= {state.name for state in TokenState}
    wanted = {"auto_decompress", "timeout", "read_bufsize", "connector"}
    assert wanted <= set(inspect.signature(aiohttp.ClientSession.__init__).parameters)
    assert '"_retry_connection"' in inspect.getsource(aiohttp.client)


def test_the_file_system_is_the_plain_one_without_credentials_or_caches():
    from gcsfs.core import GCSFileSystem

    fs = make_file_system(anystore_doe_gcs.GcsOptions())
    assert type(fs) is GCSFileSystem
    assert fs.credentials.credentials is None
    assert fs is not make_file_system(anystore_doe_gcs.GcsOptions())
    assert {"_use_client_cert", "session_kwargs", "loop"} <= set(vars(fs)) | set(dir(fs))


def test_a_session_stays_with_the_store(open_at, proxy):
    """The token goes where the store says that the session is: never to a host that is not the store's."""
    google, emulator = open_at(None, anonymous=True)._gcs.requests, open_at(proxy.url)._gcs.requests
    private = open_at("https://storage-x.p.googleapis.com", anonymous=True)._gcs.requests
    path = "/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=1"
    assert google.session_url(f"https://www.googleapis.com{path}") == f"https://www.googleapis.com{path}"
    for other in ("http://storage.googleapis.com", "https://evil.example", "https://evilgoogleapis.com"):
        assert google.session_url(f"{other}{path}") == f"https://storage.googleapis.com{path}"
    assert private.session_url(f"https://storage.googleapis.com{path}") == f"https://storage-x.p.googleapis.com{path}"
    assert emulator.session_url(f"http://0.0.0.0:4443{path}") == f"{proxy.url}{path}"


def test_only_private_touches_the_sdks_objects():
    for source in SOURCES:
        imported = set(
            re.findall(
                r"^\s*(?:from|import) (gcsfs|aiohttp|requests|google\.\w+|yarl|fsspec)\b", source.read_text(), re.M
            )
        )
        allowed = {"private.py": imported, "errors.py": {"aiohttp", "google.auth"}}.get(source.name, set())
        assert imported <= allowed, source.name


def test_no_bulk_transfer_of_fsspec_is_called_anywhere():
    text = "\n".join(source.read_text() for source in SOURCES)
    assert not re.search(r"\b_?fs\._?(get|put|cat|pipe|open|download|upload|rm|ls|find|glob|call|mkdir|makedirs)", text)


def test_a_fetch_and_a_push_of_either_size_do_without(storage, tmp_path, monkeypatch):
    from fsspec.asyn import AsyncFileSystem
    from gcsfs.core import GCSFileSystem

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a bulk transfer of fsspec, or a request of gcsfs, was called")

    for owner in (AsyncFileSystem, GCSFileSystem):
        for name in ("_get", "_put", "_get_file", "_put_file", "_cat_file", "_pipe_file", "_call", "_request", "_info"):
            if hasattr(owner, name):
                monkeypatch.setattr(owner, name, refused)
    for size in (0, 10, 17 * 2**20):
        source, dest = tmp_path / "source", tmp_path / "dest"
        source.write_bytes(b"x" * size)
        pushed = storage.push(source, f"o{size}", watch=Watch())
        fetched = storage.fetch(f"o{size}", dest, pin=pushed.pin, watch=Watch())
        assert (fetched.size, dest.stat().st_size) == (size, size)


def test_listing_the_offer_loads_no_sdk():
    code = (
        "import sys, anystore_doe_gcs; list(anystore_doe_gcs.anystore_doe_storages());"
        "assert not {'gcsfs', 'fsspec', 'google.auth', 'google_crc32c', 'aiohttp', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_crc32c_is_the_one_of_rfc_3720_and_pieces_are_joined():
    whole = bytes(range(256)) * 999
    assert CRC32C.extend(b"123456789", 0) == 0xE3069283
    assert CRC32C.extend(whole[5:], CRC32C.extend(whole[:5], 0)) == CRC32C.extend(whole, 0)
    pieces = [whole[:1000], b"", whole[1000:77_777], whole[77_777:]]
    assert CRC32C.joined([(CRC32C.extend(piece, 0), len(piece)) for piece in pieces]) == CRC32C.extend(whole, 0)


CRC, MD5 = {"crc32c": "9a71bb4c"}, {"md5": "5d41402abc4b2a76b9719d911017c592"}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==", CRC | MD5),
        ("md5=XUFAKrxLKna5cZ2REBfFkg==, crc32c=mnG7TA==", CRC | MD5),
        ("crc32c=mnG7TA==", CRC),
        ("", {}),
        ("crc32c=!", {}),
    ],
)
def test_the_stores_checksum_header_is_read(header, found):
    assert checksums_in_header(header) == found
