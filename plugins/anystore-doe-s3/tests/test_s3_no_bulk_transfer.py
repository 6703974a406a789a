"""No fsspec ``get*`` or ``put*`` moves bytes of a run: it stitches versions together and checks nothing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import anystore_doe_s3

import anystore_doe
from anystore_doe.contract import Watch

if TYPE_CHECKING:
    import pytest

    from anystore_doe.contract import Storage

BULK = {"get", "put", "_get", "_put", "get_file", "put_file", "_get_file", "_put_file", "download", "upload"}
NAMED_LIKE_OTHERS = {"get", "put", "_get", "_put"}  # of dictionaries, queues ...: told by what they are called on
FILE_SYSTEM_WORDS = ("fs", "file_system", "filesystem")


def calls(source: Path) -> list[str]:
    """Return the calls in a file that look like bulk transfers of a file system, as ``file:line name``."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BULK):
            continue
        owner = ast.unparse(node.func.value).lower()
        if node.func.attr not in NAMED_LIKE_OTHERS or owner.rpartition(".")[2].strip("_") in FILE_SYSTEM_WORDS:
            found.append(f"{source.name}:{node.lineno} {owner}.{node.func.attr}")
    return found


def test_the_look_finds_such_calls(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("self._fs.get(a, b)\nfs.put_file(a, b)\nvalues.get(a)\nawait self._fs._get_file(a, b)\n")
    assert calls(bad) == ["bad.py:1 self._fs.get", "bad.py:2 fs.put_file", "bad.py:4 self._fs._get_file"]


def test_nothing_in_core_or_plugin_calls_them() -> None:
    core, plugin = Path(anystore_doe.__file__).parent, Path(anystore_doe_s3.__file__).parent
    files = [f for root in (core, plugin) for f in root.rglob("*.py") if "examples" not in f.parts]
    assert len(files) > 100
    assert [call for f in files for call in calls(f)] == []


def test_a_fetch_and_a_push_of_either_size_do_without(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.asyn import AsyncFileSystem
    from s3fs import S3FileSystem

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a bulk transfer of fsspec was called")

    for owner in (AsyncFileSystem, S3FileSystem):
        for name in BULK:
            if hasattr(owner, name):
                monkeypatch.setattr(owner, name, refused)
    for size in (0, 10, 17 * 2**20):
        source, dest = tmp_path / "source", tmp_path / "dest"
        source.write_bytes(b"x" * size)
        pushed = storage.push(source, f"o{size}", watch=Watch())
        fetched = storage.fetch(f"o{size}", dest, pin=pushed.pin, watch=Watch())
        assert (fetched.size, dest.stat().st_size) == (size, size)
