"""The article's sweep on Google Cloud and Azure, with nothing changed but the URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sweeping import Bucket, Desk, commit_of, zipped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def article(tmp_path: Path, cloud: Bucket) -> Desk:
    """The article's table; the far side of these stores is proven by the mixed sweep."""
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, cloud.environ)
    rows = []
    for name in ("hsdi", "pintle"):
        (folder / f"{name}.zip").write_bytes(zipped({"inputs.in": f"case {name}\n", "engine.in": "rpm 1500\n"}))
        rows.append(f"{cloud.url}/input/{name}.zip,{cloud.url}/output/{name}/")
    desk.write("inputs.csv", "\n".join(["s3_input,s3_output", *rows, ""]))
    desk.write("run.sh", "cat inputs.in > thermo.out\necho solved\n")
    return desk


def test_the_articles_sweep_runs_with_other_urls(article: Desk, cloud: Bucket) -> None:
    article("cp", "hsdi.zip", "pintle.zip", f"{cloud.url}/input/")
    assert cloud.paths("input/") == ["input/hsdi.zip", "input/pintle.zip"]
    article("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    for name in ("hsdi", "pintle"):
        assert cloud.get(f"output/{name}/thermo.out") == f"case {name}\n".encode()
        assert commit_of(cloud, f"output/{name}")["files"] == 1
    again = article("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    assert "2 done" in again.stdout + again.stderr
    assert [row["state"] for row in article.results("inputs.csv")] == ["committed", "committed"]
    assert "solved" in article("logs", "0001", "inputs.csv").stdout
    listed = article("ls", f"{cloud.url}/output/hsdi/").stdout
    assert "thermo.out" in listed
    assert "_anystore/commit.json" in listed


def test_a_replaced_input_is_a_change_and_is_run_again_when_told(article: Desk, cloud: Bucket) -> None:
    words = ("run", "inputs.csv", "-t", "run.sh")
    for name in ("hsdi", "pintle"):
        cloud.put(f"input/{name}.zip", zipped({"inputs.in": "first\n"}))
    article(*words)
    cloud.put("input/hsdi.zip", zipped({"inputs.in": "second\n"}))
    refused = article(*words, exit_code=3)
    assert "line 2 (run 0001): it was committed (attempt 1), and since then" in refused.stderr
    article(*words, "--overwrite")
    assert cloud.get("output/hsdi/thermo.out") == b"second\n"
    assert cloud.get("output/pintle/thermo.out") == b"first\n"


def test_a_bucket_that_is_not_there_is_never_made(article: Desk, cloud: Bucket) -> None:
    table = (article.folder / "inputs.csv").read_text().replace("my-simulation-data", "no-such-bucket")
    article.write("inputs.csv", table)
    refused = article("run", "inputs.csv", "-t", "run.sh", exit_code=3)
    assert "no-such-bucket" in refused.stderr
    assert "no-such-bucket" in article("ls", f"{cloud.url.split('://')[0]}://no-such-bucket/x/", exit_code=3).stderr
