"""Staging overlaps solving: while one run is in the only slot, the next is fetched and the one before is pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sweeping import commit_of

from anystore_doe.testing.barriers import read_events, write_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Bucket, Desk

# Whoever solves second goes on until run 3 was fetched and whoever solved first was pushed, both of which wait until
# it solves: only an overlap ends it.
RUN_SH = """\
echo solved > r.out
mkdir "FIRST" 2> /dev/null && exit 0
[ "$ANYSTORE_DOE_RUN_ID" != 0003 ] || exit 0
touch "SOLVING"
for _ in $(seq 600); do
    if grep -q '"fetch", "key": "[^"]*/in/3.dat", "edge": "end"' "EVENTS" &&
       grep -q '"push", "key": "[^"]*/out/000[12]/r.out", "edge": "end"' "EVENTS"; then exit 0; fi
    sleep 0.05
done
echo "it solved alone" >&2; exit 1
"""

SETTINGS = """\
[storage."{prefix}"]
events = "{events}"
hold = "fetch */in/3.dat = {solving}; push */r.out = {solving}"
deadline_s = 40.0
"""


@pytest.fixture
def watched(anywhere: Desk, bucket: Bucket, tmp_path: Path) -> Desk:
    """Three runs whose store has barriers."""
    events, solving = tmp_path / "events", tmp_path / "solving"
    url = bucket.url.replace("s3://", "barrier+s3://").replace("file://", "barrier://")
    rows = []
    for number in (1, 2, 3):
        bucket.put(f"in/{number}.dat", b"data")
        rows.append(f"{url}/in/{number}.dat,{url}/out/000{number}")
    anywhere.write("runs.csv", "\n".join(["case_input,case_output", *rows, ""]))
    script = RUN_SH.replace("EVENTS", str(events)).replace("SOLVING", str(solving))
    anywhere.write("run.sh", script.replace("FIRST", str(tmp_path / "first")))
    settings = SETTINGS.format(prefix=url, events=events, solving=solving)
    if anywhere.executor != "local":
        settings += f'[executor]\nname = "{anywhere.executor}"\npass_env = "PYTHONPATH"\n'
    anywhere.write("sweep.toml", settings)
    write_plugin(tmp_path / "plugins", "anystore-doe-barrier", "anystore_doe.testing.barriers")
    return anywhere


def test_the_next_run_is_fetched_and_the_one_before_pushed_while_one_solves(
    watched: Desk, bucket: Bucket, tmp_path: Path
) -> None:
    words = ("run", "runs.csv", "-t", "run.sh", "--slots", "1", "--lookahead", "2")
    watched(*words, PYTHONPATH=str(tmp_path / "plugins"))
    assert [commit_of(bucket, f"out/000{number}")["exit_code"] for number in (1, 2, 3)] == [0, 0, 0]
    assert [event.edge for event in read_events(tmp_path / "events", "fetch", "*/in/3.dat")] == ["begin", "end"]
    assert len(read_events(tmp_path / "events", "push", "*/r.out", "end")) == 3


def test_without_lookahead_nothing_overlaps_and_the_barriers_say_so(watched: Desk, tmp_path: Path) -> None:
    watched.write("sweep.toml", (watched.folder / "sweep.toml").read_text().replace("40.0", "1.0"))
    watched.write("run.sh", (watched.folder / "run.sh").read_text().replace("seq 600", "seq 40"))
    words = ("run", "runs.csv", "-t", "run.sh", "--slots", "1", "--lookahead", "0")
    failed = watched(*words, PYTHONPATH=str(tmp_path / "plugins"), exit_code=1)
    assert "held for 1.0 s" in failed.stdout + failed.stderr
