"""Places that can not be meant: shared or nested, on a store that nobody serves, or misspelt."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from bad_input import RUN, desk_of, refused
from docs_pages import ROOT

from anystore_doe.testing.barriers import write_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Bucket


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ("in/a.txt,out/x\nin/a.txt,out/y\nin/a.txt,out/x/\n", 4, "run 0001 (line 2) and run 0003 (line 4): both write"),
        ("in/a.txt,out/x/y\nin/a.txt,out/x\n", 3, "run 0001 (line 2) and run 0002 (line 3): the output "),
        ("in/,out/x\nin/a.txt,in/out\n", 3, "run 0001 (line 2) and run 0002 (line 3): the output "),
        ("in/a.txt,out/x\nout/x/a.txt,out/y\n", 3, "run 0001 (line 2) and run 0002 (line 3): the input "),
        ("in/,in/out\n", 2, "run 0001 (line 2): the output "),
        ("in/a,in/a\n", 2, "run 0001 (line 2): "),
    ],
)
def test_runs_that_would_write_where_another_writes_or_reads_are_both_named(
    tmp_path: Path, bucket: Bucket, rows: str, line: int, why: str
):
    bucket.put("in/a.txt", b"a")
    here = rows.replace("in/", f"{bucket.url}/in/").replace("out/", f"{bucket.url}/out/")
    here = here.replace(f"/in/{bucket.url}/out/", "/in/out/")
    desk = desk_of(tmp_path, {"t.csv": "input,output\n" + here}, bucket.environ)
    words = refused(desk, buckets=[bucket])
    assert words.error.startswith(f"t.csv:{line}: {why}"), words.error
    assert bucket.url in words.error
    assert words.hint == "give every run an output of its own, apart from all inputs"


def one(tmp_path: Path, output: str):
    return desk_of(tmp_path, {"t.csv": f"run_id,output\nhsdi,{output}\n"})


@pytest.mark.parametrize(
    ("output", "said", "hint"),
    [
        (
            "nosuch://b/x",
            "line 2 (run hsdi): no storage plugin serves nosuch:// (installed: abfs, abfss, az, file, ",
            "anystore-doe plugins",
        ),
        ("s33://b/x", "line 2 (run hsdi): no storage plugin serves s33://", "did you mean s3://?"),
        ("gdrive://b/x", "line 2 (run hsdi): gdrive:// needs a library that is not installed", "pip install gdrive-"),
        (
            "s3:/b/x",
            "t.csv:2: column 'output': the URL has one slash after its scheme; write s3://b/x, or ./s3:/b/x",
            "",
        ),
        ("s3:///b/x", "line 2 (run hsdi): s3:///b/x names no bucket: there is a third /", "write s3://b/x"),
        ("s3://b//x", "line 2 (run hsdi): s3://b//x: the path after the host starts with a second /", "write s3://b/x"),
        ("s3://", "t.csv:2: column 'output': the URL names no place", ""),
        ("s3://b/x/../y", "t.csv:2: column 'output': the URL holds a '.' or '..' part", ""),
        (
            "az://b/x",
            "line 2 (run hsdi): az://b/x names no container: 'b' can be the name of none",
            "3 to 63 lower-case",
        ),
        ("file://host/x", "t.csv:2: column 'output': the URL names a host; a file URL has three slashes", ""),
        ("~/x", "t.csv:2: column 'output': the URL starts with '~', which only a shell knows", ""),
        ("out/_anystore/x", "t.csv:2: the output may not lie in a folder _anystore", ""),
    ],
)
def test_a_place_that_nobody_serves_is_refused_with_the_way_out(tmp_path: Path, output: str, said: str, hint: str):
    words = refused(one(tmp_path, output))
    assert said in words.error
    assert hint in words.hint
    assert bool(hint) == bool(words.hint)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("s3://me:geheim123@b/x", "a password"),
        ("https://127.0.0.1:9/x?X-Amz-Signature=geheim123", "a signature"),
        ("https://127.0.0.1:9/x?x=1&X-Goog-Credential=geheim123", "a signature"),
        ("https://acc.blob.core.windows.net/c/x?sv=2024-01-01&sig=geheim123", "a signature"),
        ("abfss://c@acc.dfs.core.windows.net/x?sig=geheim123", "a signature"),
    ],
)
@pytest.mark.parametrize("column", ["input", "output"])
def test_a_secret_in_a_url_is_refused_and_not_shown(tmp_path: Path, url: str, what: str, column: str):
    row = f"{url},out/x" if column == "input" else f"in/a,{url}"
    words = refused(desk_of(tmp_path, {"t.csv": f"input,output\n{row}\n"}), secrets=["geheim123"])
    assert f"t.csv:2: column '{column}': the URL holds {what}, which would end up in records" in words.error


def test_a_question_mark_in_a_key_is_no_signature(tmp_path: Path):
    words = refused(one(tmp_path, "nosuch://b/x?versionId=1"))
    assert "no storage plugin serves nosuch://" in words.error


@pytest.mark.parametrize(("scheme", "plugin"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure"), ("abfss", "azure")])
def test_without_its_plugin_a_cloud_is_refused_with_the_line_that_installs_it(tmp_path: Path, scheme: str, plugin: str):
    desk, blocked = one(tmp_path, f"{scheme}://bucket/out"), f"anystore-doe-{plugin}"
    words = refused(desk, ANYSTORE_DOE_BLOCK_PLUGINS=blocked)
    assert f"line 2 (run hsdi): no storage plugin serves {scheme}:// (installed: " in words.error
    assert f"plugins/{blocked} " in words.hint
    pip, install, *rest = shlex.split(words.hint.partition("   ")[0])
    assert (pip, install, rest[::2]) == ("pip", "install", ["-e", "-e"])
    assert all((ROOT / folder / "pyproject.toml").is_file() for folder in rest[1::2])
    assert f"blocked {plugin} " in " ".join(desk("plugins", ANYSTORE_DOE_BLOCK_PLUGINS=blocked).stdout.split())
    desk.write("t.csv", "rpm,output\n1,out/a\n")
    desk(*RUN, ANYSTORE_DOE_BLOCK_PLUGINS=blocked)


def test_a_scheme_that_two_plugins_claim_is_refused_naming_both_and_the_setting_decides(tmp_path: Path):
    for name in ("one", "two"):
        source = (
            "from anystore_doe.contract import StorageEntry, hookimpl\n"
            "from anystore_doe.testing.memory import MemoryStorage\n"
            "from dataclasses import make_dataclass\n\n"
            "@hookimpl\ndef anystore_doe_storages():\n"
            "    made = lambda url, options, context: MemoryStorage(url)\n"
            "    Options = make_dataclass('Options', [], frozen=True)\n"
            f"    yield StorageEntry(schemes=('acme',), open=made, options=Options, summary='{name}')\n"
        )
        path = str(write_plugin(tmp_path / "site", f"acme-{name}", f"acme_{name}", source=source))
    desk = one(tmp_path, "acme://host/x")
    words = refused(desk, PYTHONPATH=path)
    assert "acme-one 1.0 (acme-one) and acme-two 1.0 (acme-two)" in words.error
    desk.write("sweep.toml", words.hint.partition(": ")[2] + "\n")
    assert "1 to run" in desk("plan", "t.csv", "-t", "run.sh", PYTHONPATH=path).stdout
