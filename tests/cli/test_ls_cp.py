"""``ls`` and ``cp``: any URL to any URL, slashes as ``aws s3 cp`` takes them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pytest
from click.testing import CliRunner

from anystore_doe.builtin.file.storage import FileStorage
from anystore_doe.cli.local_files import written_place
from anystore_doe.cli.main import main
from anystore_doe.contract import Place, StorageEntry, Watch, hookimpl
from anystore_doe.errors import UsageError
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
        (["s3:/b/c", "mem://b/"], 2, "write s3://b/c"),
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


@pytest.mark.parametrize("source", ["mem://b/x", "local"])
def test_cp_writes_through_a_link_and_leaves_the_link(call, stores, tmp_path, source):
    put(stores, "mem://b", x=b"new")
    (tmp_path / "local").write_bytes(b"new")
    (tmp_path / "far").mkdir()
    (tmp_path / "far/kept").write_bytes(b"old")
    (tmp_path / "hop").symlink_to("far/kept")
    for name, target in (("link", "hop"), ("absolute", str(tmp_path / "far/kept")), ("dangling", "far/made")):
        (tmp_path / name).symlink_to(target)
        result = call("cp", source, name)
        assert result.exit_code == 0, result.stderr
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
    assert result.stdout.rstrip().endswith(f"-> file://{tmp_path}/far/made")
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["kept", "made"]
    assert (tmp_path / "hop").is_symlink()


@pytest.mark.parametrize("source", ["mem://b/x", "mem://b/", "local"])
def test_cp_replaces_nothing_but_files(call, stores, tmp_path, monkeypatch, source):
    put(stores, "mem://b", x=b"1")
    (tmp_path / "local").write_bytes(b"1")
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/stdout").write_bytes(b"")
    monkeypatch.setattr("anystore_doe.cli.local_files._OF_THE_SYSTEM", (str(tmp_path / "devices"),))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "stdout").symlink_to("devices/stdout")
    (tmp_path / "folder").symlink_to("devices")
    (tmp_path / "loop").symlink_to("loop")
    name = source.rpartition("/")[2] or "x"
    for target, said in (
        ("pipe", "pipe is a device, a pipe or a socket, no file"),
        ("link", f"link (a link to {tmp_path}/pipe) is a device, a pipe or a socket, no file"),
        ("devices/stdout", "stdout is no place for a file: it is the system's"),
        ("stdout", f"stdout (a link to {tmp_path}/devices/stdout) is no place for a file: it is the system's"),
        ("folder", f"(a link to {tmp_path}/devices/{name}) is no place for a file: it is the system's"),
        ("loop", "loop is a link that leads to itself"),
    ):
        if source.endswith("/") and target != "folder":  # what lies in a folder is all that a tree can meet
            (tmp_path / "into").mkdir()
            (tmp_path / "into/x").symlink_to(f"../{target}")
            target, said = "into", said.rpartition(" is ")[2]
        result = call("cp", source, target)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
        assert "Hint:  name a file or a folder; - as DST writes one object to standard output" in result.stderr
        shutil.rmtree(tmp_path / "into", ignore_errors=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert tree(tmp_path / "devices") == {"stdout": b""}


@pytest.mark.parametrize("path", ["/dev/none", "/proc/none", "/sys/none", "/dev/shm/none"])
def test_only_the_memory_disk_of_the_system_takes_files(path):
    place = Place(storage=FileStorage(), key=path[1:])
    if path.startswith("/dev/shm"):
        assert written_place(place, hint="") == place
        return
    with pytest.raises(UsageError, match="it is the system's"):
        written_place(place, hint="")


def test_cp_to_a_dash_writes_one_object_to_stdout(call, stores, tmp_path):
    put(stores, "mem://b", x__y=b"\x00\xff\n", z=b"")
    assert call("cp", "mem://b/x/y", "-").stdout_bytes == b"\x00\xff\n"
    assert call("cp", "mem://b/z", "-").stdout_bytes == b""
    for arguments in (["mem://b/x/", "-"], ["mem://b", "-"], ["mem://b/z", "mem://b/x/y", "-"]):
        result = call("cp", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "a DST of - takes one object" in result.stderr
    assert call("cp", "mem://b/z", "-", "--json").exit_code == 2
    assert call("cp", "mem://b/none", "-").exit_code == 3
    call("cp", "mem://b/z", "./-")
    assert tree(tmp_path) == {"-": b""}


def test_a_reader_of_cp_that_went_away_is_no_error(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 2**20)
    command = [sys.executable, "-m", "anystore_doe.cli", "cp", str(tmp_path / "big"), "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(10) == b"x" * 10
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


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


@pytest.mark.parametrize("scheme", ["mem", "s3", "gs", "az", "abfss", "sftp", "nosuch"])
@pytest.mark.parametrize("secret", ["wJalrXUtnFEMI", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"])
def test_a_password_is_refused_and_never_shown_by_any_command(call, tmp_path, scheme, secret):
    url = f"{scheme}://AKIA12345:{secret}@bucket/x"
    (tmp_path / "t.csv").write_text("rpm\n1\n")
    (tmp_path / "f").write_bytes(b"1")
    for words in (
        ["ls", url],
        ["ls", url + "/", "--json"],
        ["ls", ".", "-c", url],
        ["cp", url, "here"],
        ["cp", "f", url],
        ["cp", "f", "f", url],
        ["cp", url, "-"],
        ["plan", url, "-t", "f"],
        ["plan", "t.csv", "-t", url],
        ["plan", "t.csv", "-o", "out", "--input-file", url, "true"],
        ["policy", url],
        ["status", url],
        ["results", url],
    ):
        result = call(*words)
        assert result.exit_code in {2, 3}, (words, result.output)
        assert "AKIA12345" not in result.output
        assert secret not in result.output
    (tmp_path / "sweep.toml").write_text(f'[storage."{url}"]\nx = 1\n')
    result = call("ls", ".")
    assert (result.exit_code, secret in result.output) == (3, False)


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"case" if self.path.partition("?")[0] == "/in/case.zip" else None
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_signed_url_can_be_used_and_is_never_echoed(tmp_path, monkeypatch, site):
    monkeypatch.chdir(tmp_path)
    query = "AWSAccessKeyId=AKIA12345&Signature=geheim%2F1/geheim2="
    url = f"{site}/in/case.zip?{query}"
    (tmp_path / "dl").mkdir()
    said = ""
    for words in (["cp", url, "dl"], ["cp", url, "dl/", "--json"], ["ls", url], ["ls", url, "--json"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        said += result.output
    assert tree(tmp_path) == {"dl/case.zip": b"case"}
    assert said.count(f"{site}/in/case.zip?***") == 4
    for words in (
        ["cp", f"{site}/none?{query}", "dl/"],
        ["cp", f"{site}/?{query}", "dl/"],
        ["ls", f"{site}/no?{query}"],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code in {2, 3}, result.output
        said += result.output
    for words in (["plan", url], ["ls", ".", "-c", url], ["plan", "t.csv", "-t", url], ["policy", url]):
        (tmp_path / "t.csv").write_text("rpm,output\n1,out/1\n")
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, "case.zip?***: the URL holds a signature" in result.stderr) == (3, True), (
            result.output
        )
        said += result.output
    assert not [secret for secret in ("AKIA12345", "geheim", "Signature") if secret in said], said


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
