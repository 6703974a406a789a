"""``ls`` and ``cp``: any URL to any URL, slashes as ``aws s3 cp`` takes them."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pytest
from click.testing import CliRunner

from anystore_doe.cli.main import main
from anystore_doe.contract import StorageEntry, Watch, hookimpl
from anystore_doe.registry import Registry
from anystore_doe.testing.memory import MemoryStorage


@pytest.fixture
def stores():
    """One storage per root of mem://; they outlive a command, as a real store does."""
    return {}


@pytest.fixture
def registry(stores, monkeypatch):
    module = ModuleType("plugin_of_test_memory")

    def opened(url, _options, _context):
        return stores.setdefault(url, MemoryStorage(url))

    module.anystore_doe_storages = hookimpl(lambda: [StorageEntry(schemes=("mem",), open=opened, summary="for tests")])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    files = [entry for entry in entry_points(group="anystore_doe") if entry.name == "file"]
    return Registry.discover({}, [*files, EntryPoint("mem", module.__name__, "anystore_doe")])


@pytest.fixture
def call(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        return CliRunner().invoke(main, list(arguments), obj=registry)

    return invoke


def put(stores, url: str, **objects: bytes) -> None:
    storage = stores.setdefault(url, MemoryStorage(url))
    for key, data in objects.items():
        storage.push(data, key.replace("__", "/"), watch=Watch())


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_ls_lists_everything_below_relative_to_the_url(call, stores):
    put(stores, "mem://b", a__x=b"1", a__y__z=b"22", ab=b"333")
    assert call("ls", "mem://b/a/").stdout.split() == ["1", "x", "2", "y/z"]
    assert call("ls", "mem://b/a").stdout == call("ls", "mem://b/a/").stdout
    assert sorted(call("ls", "mem://b").stdout.split()) == ["1", "2", "3", "a/x", "a/y/z", "ab"]


def test_ls_of_an_object_lists_that_object(call, stores):
    put(stores, "mem://b", a__x=b"1")
    assert call("ls", "mem://b/a/x").stdout.split() == ["1", "x"]


def test_ls_as_json_says_whole_urls(call, stores):
    put(stores, "mem://b", a__x=b"1")
    document = json.loads(call("ls", "mem://b/a", "--json").stdout)
    assert document["schema"] == 1
    assert [(o["key"], o["url"], o["size"]) for o in document["objects"]] == [("x", "mem://b/a/x", 1)]
    assert json.loads(call("ls", "mem://empty", "--json").stdout)["objects"] == []


def test_ls_of_nothing_ends_with_3_but_an_empty_store_is_no_error(call):
    result = call("ls", "mem://b/none")
    assert (result.exit_code, result.stderr.startswith("Error: list mem://b/none")) == (3, True)
    assert call("ls", "mem://b").exit_code == 0


def test_ls_escapes_hostile_names(call, tmp_path):
    (tmp_path / "\x1b[2Jx").write_bytes(b"")
    assert "\\x1b[2Jx" in call("ls", f"{tmp_path}/").stdout


def test_cp_up_keeps_names_below_a_slash(call, stores, tmp_path):
    (tmp_path / "hsdi.zip").write_bytes(b"h")
    (tmp_path / "pintle.zip").write_bytes(b"p")
    assert call("cp", "hsdi.zip", "pintle.zip", "mem://b/input/").exit_code == 0
    assert sorted(info.key for info in stores["mem://b"].walk()) == ["input/hsdi.zip", "input/pintle.zip"]


def test_cp_to_a_name_renames_and_a_bucket_alone_is_a_folder(call, stores, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    call("cp", "a", "mem://b/other")
    call("cp", "a", "mem://b")
    assert sorted(info.key for info in stores["mem://b"].walk()) == ["a", "other"]


def test_cp_down_into_a_folder_that_exists_keeps_the_name(call, stores, tmp_path):
    put(stores, "mem://b", x__y=b"1")
    (tmp_path / "here").mkdir()
    call("cp", "mem://b/x/y", "here")
    call("cp", "mem://b/x/y", "new/deep/name")
    call("cp", "mem://b/x/y", "made/")
    assert tree(tmp_path) == {"here/y": b"1", "new/deep/name": b"1", "made/y": b"1"}


def test_cp_of_a_tree_copies_what_is_below_it(call, stores, tmp_path):
    put(stores, "mem://b", o__r1__f=b"1", o__r1__g__h=b"2", other=b"3")
    call("cp", "mem://b/o/", "down")
    assert tree(tmp_path) == {"down/r1/f": b"1", "down/r1/g/h": b"2"}
    call("cp", "down/", "mem://c/up/")
    assert {info.key for info in stores["mem://c"].walk()} == {"up/r1/f", "up/r1/g/h"}


def test_cp_between_two_stores_and_two_folders(call, stores, tmp_path):
    put(stores, "mem://b", x=b"1" * 100_000)
    call("cp", "mem://b/x", "mem://c/x")
    assert stores["mem://c"].read("x") == b"1" * 100_000
    (tmp_path / "a").write_bytes(b"1")
    call("cp", "a", "b")
    assert tree(tmp_path) == {"a": b"1", "b": b"1"}


def test_cp_of_more_than_a_few_copies_all(call, stores, tmp_path):
    for n in range(40):
        (tmp_path / f"f{n}").write_bytes(str(n).encode())
    result = call("cp", f"{tmp_path}/", "mem://b/", "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["copied"])) == (1, 40)
    assert {info.key: stores["mem://b"].read(info.key) for info in stores["mem://b"].walk()} == tree(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["f", "g", "mem://b/name"], 2, "2 sources need a folder"),
        (["f", "d/f", "mem://b/"], 2, "would both become mem://b/f"),
        (["f", "f"], 2, "copied to itself"),
        (["d", "mem://b/"], 3, "it is a folder, no object"),
        (["none", "mem://b/"], 3, "there is no such object"),
        (["none/", "mem://b/"], 3, "there is nothing below it"),
        (["s3x://b/c", "mem://b/"], 3, "no storage plugin serves s3x://"),
        (["gs://b/c", "mem://b/"], 3, "-e plugins/anystore-doe-gcs"),
        (["f", "s3://b/"], 3, "-e plugins/anystore-doe-s3"),
    ],
)
def test_cp_refuses_before_a_byte_moves(call, stores, tmp_path, arguments, code, said):
    (tmp_path / "d").mkdir()
    for name in ("f", "g", "d/f"):
        (tmp_path / name).write_bytes(b"1")
    result = call("cp", *arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert all(not list(storage.walk()) for storage in stores.values())


@pytest.mark.parametrize("key", ["o/../../evil", "o/./x", "o//x"])
def test_a_key_can_not_leave_the_folder_it_is_copied_to(call, stores, tmp_path, key):
    stores["mem://b"] = MemoryStorage("mem://b")
    try:
        stores["mem://b"].push(b"1", key, watch=Watch())
    except Exception:  # noqa: BLE001  the store refuses such a key itself
        pytest.skip("this store has no such keys")
    result = call("cp", "mem://b/o/", "safe/")
    assert result.exit_code == 5
    assert tree(tmp_path) == {}


def test_settings_of_the_prefix_are_read_from_sweep_toml(call, tmp_path):
    (tmp_path / "sweep.toml").write_text('[storage."mem://b"]\nnonsense = 1\n')
    result = call("ls", "mem://b/x")
    assert (result.exit_code, "unknown option 'nonsense'" in result.stderr) == (3, True)
    assert call("ls", "mem://c").exit_code == 0
    assert call("ls", "mem://b", "-c", "none.toml").exit_code == 3


def test_a_settings_file_may_lie_in_a_store(call, stores):
    put(stores, "mem://s", **{"x.toml": b'[storage."mem://b"]\nplugin = "zzz"\n'})
    result = call("ls", "mem://b/x", "-c", "mem://s/x.toml")
    assert (result.exit_code, "'zzz' does not serve" in result.stderr) == (3, True)
