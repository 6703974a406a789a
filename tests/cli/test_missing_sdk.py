"""A plugin that is installed without its cloud's SDK: one line that says so and one that helps, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")
SDKS = [
    ("anystore_doe_s3", "s3fs", "s3://bucket/x"),
    ("anystore_doe_s3", "aiobotocore", "s3://bucket/x"),
    ("anystore_doe_gcs", "gcsfs", "gs://bucket/x"),
    ("anystore_doe_gcs", "google", "gs://bucket/x"),
    ("anystore_doe_azure", "azure", "az://container/x"),
]


def call(folder: Path, missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where ``missing`` can not be imported: one of that name comes first, and is none."""
    stub = folder / "site" / missing
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text(f"raise ModuleNotFoundError(\"No module named '{missing}'\", name={missing!r})\n")
    environ = {**os.environ, "PYTHONPATH": str(stub.parent)}
    command = [*PROGRAM, *arguments]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("plugin", "missing", "url"), SDKS, ids=[missing for _, missing, _ in SDKS])
def test_what_is_missing_is_named_with_the_line_that_installs_it(tmp_path, plugin, missing, url):
    pytest.importorskip(plugin)
    done = call(tmp_path, missing, "ls", url)
    error, hint = done.stderr.splitlines()
    distribution = plugin.replace("_", "-")
    assert error.startswith(f"Error: {url.partition(':')[0]}:// can not be opened: {distribution} ")
    assert f"lacks a library (No module named '{missing}')" in error
    assert hint.startswith(f"Hint:  pip install -e . -e plugins/{distribution} ")
    assert done.returncode == 3


def test_a_plan_names_every_row_and_starts_nothing(tmp_path):
    pytest.importorskip("anystore_doe_s3")
    (tmp_path / "t.csv").write_text("input,output\ns3://b/1,out/1\ns3://b/2,out/2\n")
    done = call(tmp_path, "s3fs", "run", "t.csv", "--", "true")
    assert done.returncode == 3
    assert "lacks a library" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_listing_plugins_needs_no_sdk(tmp_path):
    pytest.importorskip("anystore_doe_s3")
    done = call(tmp_path, "s3fs", "plugins")
    assert (done.returncode, "anystore-doe-s3" in done.stdout, "broken" in done.stdout) == (0, True, False)
