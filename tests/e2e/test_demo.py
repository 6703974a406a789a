"""The demo: it shows what it promises, and leaves nothing running."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from anystore_doe.cli import demo as demo_module
from anystore_doe.cli.main import main
from anystore_doe.testing import require

CLI = [sys.executable, "-m", "anystore_doe.cli"]
TOKEN = "DEMO_TOKEN"


class Demo:
    """A started demo, whose every descendant carries a token in its environment."""

    def __init__(self, tmp_path: Path, *options: str, **environ: str) -> None:
        self.token = uuid4().hex
        self.process = subprocess.Popen(
            [*CLI, "demo", *options],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path), TOKEN: self.token, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=100)
        return self.process.returncode, out, err

    def left(self) -> list[Path]:
        """Return the processes that carry the token, after a grace for those that are just ending."""
        deadline = time.monotonic() + 10
        while (found := [path for path in Path("/proc").glob("[0-9]*") if self._carries(path)]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
        return found

    def _carries(self, process: Path) -> bool:
        try:
            return f"{TOKEN}={self.token}".encode() in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            return False


@pytest.fixture(autouse=True)
def _cantera() -> None:
    try:
        import cantera  # noqa: F401
    except ImportError:
        require("cantera is not installed")


def tables(out: str) -> list[list[dict[str, str]]]:
    """Return the results tables that were printed."""
    found = re.findall(r"^run_id,.*\n(?:\d{4},.*\n)+", out, flags=re.MULTILINE)
    return [list(csv.DictReader(table.splitlines())) for table in found]


def test_both_examples_run_on_a_server_that_ends_with_the_demo(tmp_path):
    demo = Demo(tmp_path)
    code, out, err = demo.ended()
    assert code == 0, out + err
    article, values = tables(out)
    assert [row["state"] for row in article] == ["committed"] * 2
    assert [row["state"] for row in values] == ["committed"] * 6
    peaks = {(row["cr"], row["soi"]): float(row["peak_pressure_bar"]) for row in values}
    assert peaks["14", "-15"] < peaks["16", "-15"] < peaks["18", "-15"]
    assert all(peaks[cr, "-10"] < peaks[cr, "-15"] for cr in ("14", "16", "18"))
    assert "thermo.out" in out
    assert "arning" not in err
    port = int(re.search(r"AWS_ENDPOINT_URL=http://127\.0\.0\.1:(\d+)", out)[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert demo.left() == []
    (folder,) = tmp_path.glob("anystore-doe-demo-*")
    assert (folder / "article" / "inputs.csv").exists()
    assert [path for path in tmp_path.iterdir() if path != folder] == []


def test_a_store_of_plain_files_is_kept_and_resumed(tmp_path):
    code, out, err = Demo(tmp_path, "--store", "kept").ended()
    assert code == 0, out + err
    outputs = {path.parent.name for path in (tmp_path / "kept" / "output").rglob("thermo.out")}
    assert outputs == {"hsdi", "pintle", *(f"{i:04d}" for i in range(1, 7))}
    solved = [(tmp_path / "kept" / "output" / name / "thermo.out").stat().st_mtime_ns for name in ("hsdi", "pintle")]
    code, again, err = Demo(tmp_path, "--store", "kept").ended()
    assert code == 0, again + err
    assert [[row["solve_s"] for row in table] for table in tables(again)] == [
        [row["solve_s"] for row in table] for table in tables(out)
    ]
    assert solved == [
        (tmp_path / "kept" / "output" / name / "thermo.out").stat().st_mtime_ns for name in ("hsdi", "pintle")
    ]


def test_a_terminated_demo_takes_its_server_and_solvers_along(tmp_path):
    demo = Demo(tmp_path)
    for line in demo.process.stdout:
        if line.startswith("$ anystore-doe run"):
            break
    demo.process.send_signal(signal.SIGTERM)
    code, _, err = demo.ended()
    assert code == 128 + signal.SIGTERM, err
    assert demo.left() == []


def test_without_the_s3_plugin_it_says_what_to_install(tmp_path):
    code, out, err = Demo(tmp_path, ANYSTORE_DOE_BLOCK_PLUGINS="s3").ended()
    assert code == 3
    assert out == ""
    assert "anystore-doe-s3" in err
    assert "pip install" in err


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(demo_module, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["demo"])
    assert ended.value.code == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "cantera, moto, flask, flask_cors" in said.err
    assert "pip install -e '.[demo]'" in said.err


def test_a_store_whose_path_no_table_can_hold_is_refused(tmp_path):
    code, _, err = Demo(tmp_path, "--store", "a,b").ended()
    assert code == 2
    assert "a,b" in err
    assert list(tmp_path.iterdir()) == []
