"""Run the kit on every store, keep what it says in ``docs/kit-results.json``, and write the README's support table.

python .ci/support_table.py          run the kits, then write; every server must be installed, Ceph too
python .ci/support_table.py --write  write the table from what was kept
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "kit-results.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- kit results: begin -->", "<!-- kit results: end -->"

STORES = {
    "`file://` and paths": ("local disk (ext4)", ["tests/unit/builtin/test_file_contract.py"]),
    "`s3://`": (
        "moto",
        ["plugins/anystore-doe-s3/tests/test_s3_contract.py"],
    ),
    "`s3://` with `endpoint_url`": (
        "Ceph RADOS gateway 16.2",
        ["plugins/anystore-doe-s3/tests/test_s3_on_ceph.py"],
    ),
    "`gs://`": ("fake-gcs-server", ["plugins/anystore-doe-gcs/tests/test_gcs_contract.py"]),
    "`az://`, `abfs(s)://`, `https://…blob.core.windows.net`": (
        "azurite",
        ["plugins/anystore-doe-azure/tests/test_azure_contract.py"],
    ),
    "`sftp://`": ("OpenSSH", ["tests/unit/fsspec_storage/test_fsspec_sftp.py"]),
    "`memory://`": ("this process", ["tests/unit/fsspec_storage/test_fsspec_memory.py"]),
}
"""What is written in a row, to the server it was tried on and the files that hold its suites."""

SERVERS = {"ANYSTORE_DOE_S3_SERVER": "rgw", "ANYSTORE_DOE_REQUIRE_SERVERS": "1"}
"""A server that is missing is an error here, not a row of skipped tests; Ceph is used where a suite is about it."""


def run_kits() -> dict[str, dict[str, object]]:
    """Run the suites of every store; return counts and known deviations by store."""
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for store, (server, files) in STORES.items():
            report = Path(folder, "report.xml")
            words = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *files]
            subprocess.run(words, cwd=ROOT, check=True, env={**os.environ, **SERVERS})
            found[store] = {"server": server, **_counts(report)}
    return found


def _counts(report: Path) -> dict[str, object]:
    passed, off, deviations = 0, 0, []
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  our own report
        skipped = case.find("skipped")
        if skipped is None:
            passed += 1
        elif skipped.get("type") == "pytest.xfail":
            deviations.append(f"{case.get('name')}: {skipped.get('message')}")
        else:
            off += 1
    return {"passed": passed, "off": off, "deviations": deviations}


def table(found: dict[str, dict[str, object]]) -> str:
    """Return the table in Markdown."""
    rows = [
        "| store | proven on | tests of the kit passed | not for this store | known deviations |",
        "|---|---|---|---|---|",
    ]
    for store, one in found.items():
        deviations = "; ".join(f"`{text.partition(':')[0]}`" for text in one["deviations"]) or "none"
        rows.append(f"| {store} | {one['server']} | {one['passed']} | {one['off']} | {deviations} |")
    return "\n".join(rows)


def write(found: dict[str, dict[str, object]]) -> None:
    """Put the table between the README's marks."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run the kits unless told to write only."""
    if "--write" not in sys.argv[1:]:
        KEPT.write_text(json.dumps(run_kits(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write(json.loads(KEPT.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
