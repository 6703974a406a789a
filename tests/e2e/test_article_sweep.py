"""The article's sweep, with a solver of one line: two zipped cases, two slots, outputs back where they belong."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec
import pytest
from sweeping import commit_of, record_of, zipped

from anystore_doe.model import Claim
from anystore_doe.processes import this_process

if TYPE_CHECKING:
    from sweeping import Bucket, Desk

RUN_SH = """\
#!/usr/bin/env bash
set -e
echo "solving ${s3_input} in slot $ANYSTORE_DOE_SLOT"
tr a-z A-Z < inputs.in > thermo.out
mkdir -p output
printf '\\0\\1\\2' > output/post.h5
echo ran >> "$LEDGER"
"""


@pytest.fixture
def article(anywhere: Desk, bucket: Bucket) -> Desk:
    """The table, the template and the two cases of the article."""
    for name in ("hsdi", "pintle"):
        bucket.put(f"input/{name}.zip", zipped({"inputs.in": f"case {name}\n", "surface.dat": "0 1 2\n"}))
    rows = [f"{bucket.url}/input/{name}.zip,{bucket.url}/output/{name}/" for name in ("hsdi", "pintle")]
    anywhere.write("inputs.csv", "\n".join(["s3_input,s3_output", *rows, ""]))
    anywhere.write("run.sh", RUN_SH.replace("$LEDGER", str(anywhere.folder / "ledger")))
    return anywhere


def test_outputs_of_both_cases_lie_in_the_bucket(article: Desk, bucket: Bucket) -> None:
    done = article("run", "inputs.csv", "-t", "run.sh", "--slots", "2", "--", "bash", "run.sh")
    assert "2 committed" in done.stderr + done.stdout
    for name in ("hsdi", "pintle"):
        assert bucket.get(f"output/{name}/thermo.out").decode() == f"CASE {name.upper()}\n"
        assert bucket.get(f"output/{name}/output/post.h5") == b"\0\1\2"
        assert bucket.paths(f"output/{name}/") == [
            f"output/{name}/_anystore/attempts/1.json",
            f"output/{name}/_anystore/claim.json",
            f"output/{name}/_anystore/commit.json",
            f"output/{name}/output/post.h5",
            f"output/{name}/thermo.out",
        ]
    assert commit_of(bucket, "output/hsdi")["files"] == 2
    assert record_of(bucket, "output/hsdi")["scripts"]["run.sh"].startswith("#!/usr/bin/env bash")
    assert "solving" in record_of(bucket, "output/pintle")["stdout_tail"]
    assert list((article.folder / ".anystore-doe/inputs/runs").iterdir()) == []


def test_a_second_run_skips_what_is_committed(article: Desk) -> None:
    words = ("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    article(*words)
    done = article(*words)
    assert "2 done before" in done.stderr + done.stdout
    assert (article.folder / "ledger").read_text() == "ran\nran\n"


def test_another_template_is_refused_until_told_to_overwrite(article: Desk, bucket: Bucket) -> None:
    words = ("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    article(*words)
    template = article.folder / "run.sh"
    template.write_text(template.read_text().replace("tr a-z A-Z <", "cat").replace("post.h5", "other.h5"))
    refused = article(*words, exit_code=3)
    assert "--overwrite" in refused.stdout + refused.stderr
    assert bucket.get("output/hsdi/thermo.out") == b"CASE HSDI\n"
    article(*words, "--overwrite")
    assert bucket.get("output/hsdi/thermo.out") == b"case hsdi\n"
    assert "output/hsdi/output/post.h5" not in bucket.paths("output/hsdi/")
    assert commit_of(bucket, "output/hsdi")["attempt"] == 2


def test_the_same_bytes_uploaded_again_are_not_a_change_and_others_are(article: Desk, bucket: Bucket) -> None:
    words = ("run", "inputs.csv", "-t", "run.sh")
    article(*words)
    body = bucket.get("input/hsdi.zip")
    bucket.delete("input/hsdi.zip")
    bucket.put("input/hsdi.zip", body)
    article(*words)
    assert (article.folder / "ledger").read_text() == "ran\nran\n"
    bucket.put("input/hsdi.zip", zipped({"inputs.in": "another case\n"}))
    refused = article(*words, exit_code=3)
    assert "input/hsdi.zip has changed" in refused.stdout + refused.stderr


def test_what_could_not_be_replaced_is_not_taken_for_replaced(article: Desk, bucket: Bucket) -> None:
    words = ("run", "inputs.csv", "-t", "run.sh", "--slots", "2")
    article(*words)
    article.write("run.sh", RUN_SH.replace('"$LEDGER"', "ran"))
    here = asdict(this_process())  # alive for as long as the test
    claim = Claim(nonce="another", state="held", since_at=time.time(), **here)
    bucket.put("output/hsdi/_anystore/claim.json", msgspec.json.encode(claim))
    done = article(*words, "--overwrite", exit_code=7)
    assert "1 committed, 1 failed" in done.stdout
    assert f"process {here['pid']}" in done.stdout + done.stderr


def test_a_failed_run_keeps_its_work_folder_and_is_tried_again(article: Desk, bucket: Bucket) -> None:
    template = article.folder / "run.sh"
    good = template.read_text()
    template.write_text(
        good
        + "[ $s3_input != *hsdi* ] || { echo no licence >&2; exit 3; }\n".replace("[ $", "[[ $").replace("* ]", "* ]]")
    )
    failed = article("run", "inputs.csv", "-t", "run.sh", exit_code=1)
    assert "exit code 3" in failed.stdout + failed.stderr
    assert "no licence" in failed.stdout + failed.stderr
    assert record_of(bucket, "output/hsdi")["stderr_tail"] == "no licence\n"
    assert "output/hsdi/thermo.out" not in bucket.paths("output/hsdi")
    assert (article.folder / ".anystore-doe/inputs/runs/0001.1/work/thermo.out").exists()
    template.write_text(good)
    article("run", "inputs.csv", "-t", "run.sh", "--select", "1")
    assert commit_of(bucket, "output/hsdi")["attempt"] == 2


def test_status_results_and_logs_are_read_from_the_store(article: Desk) -> None:
    article("run", "inputs.csv", "-t", "run.sh")
    (article.folder / ".anystore-doe").rename(article.folder / "gone")
    assert article("status", "inputs.csv").stdout.count("committed") >= 2
    rows = article.results("inputs.csv")
    assert [(row["run_id"], row["state"], row["exit_code"], row["attempts"]) for row in rows] == [
        ("0001", "committed", "0", "1"),
        ("0002", "committed", "0", "1"),
    ]
    assert "solving" in article("logs", "0001", "inputs.csv").stdout
