"""One table over many stores: each row takes its inputs from two of them and writes to a third."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from clouds import AzureBucket, GcsBucket, SftpBucket
from sweeping import BUCKET, Bucket, Desk, FileBucket, S3Bucket, commit_of, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.testing.servers import AzuriteServer, FakeGcsServer, OpenSshServer, S3Server

CASE = {"engine.in": "rpm 1500\n", "sub/map.dat": "1 2 3\n"}


@pytest.fixture
def buckets(
    desk: Desk,
    s3: S3Server,
    fake_gcs: FakeGcsServer,
    azurite: AzuriteServer,
    sshd: OpenSshServer,
    tmp_path: Path,
) -> dict[str, Bucket]:
    prefix = uuid4().hex
    return {
        "s3": S3Bucket(s3, prefix),
        "gcs": GcsBucket(fake_gcs, BUCKET, prefix),
        "azure": AzureBucket(azurite, BUCKET, prefix),
        "sftp": SftpBucket(tmp_path / "sftp", server=sshd, home=desk.folder),
        "file": FileBucket(tmp_path / "files"),
    }


@pytest.fixture
def mixed(desk: Desk, buckets: dict[str, Bucket]) -> Desk:
    """A row per store: its archive from that store, its mesh (a tree) from the next, its output on the one after."""
    desk.environ = {name: value for bucket in buckets.values() for name, value in bucket.environ.items()}
    names = list(buckets)
    rows = ["run_id,case_input,mesh_input,output"]
    for number, name in enumerate(names):
        mesh, out = (names[(number + step) % len(names)] for step in (1, 2))
        case = buckets[name].put("in/case.zip", zipped(CASE))
        buckets[mesh].put("mesh/surface.dat", f"mesh of {mesh}\n".encode())
        buckets[mesh].put("mesh/deep/cells.dat", b"0" * 1000)
        rows.append(f"from-{name},{case},{buckets[mesh].url}/mesh/,{buckets[out].url}/out/from-{name}/")
    desk.write("mixed.csv", "\n".join(rows) + "\n")
    desk.write("run.sh", "cat engine.in sub/map.dat surface.dat > seen.out; wc -c < deep/cells.dat >> seen.out\n")
    settings = [getattr(bucket, "settings", "") for bucket in buckets.values()]
    if desk.executor == "worker-process":  # its workers start without a home folder, where known_hosts is
        settings.append(f'[executor]\nname = "{desk.executor}"\npass_env = "HOME"\n')
    desk.write("sweep.toml", "".join(settings))
    return desk


def test_one_table_mixes_stores(mixed: Desk, buckets: dict[str, Bucket]) -> None:
    names = list(buckets)
    mixed("run", "mixed.csv", "-c", "sweep.toml", "-t", "run.sh")
    for number, name in enumerate(names):
        mesh, out = (names[(number + step) % len(names)] for step in (1, 2))
        said = buckets[out].get(f"out/from-{name}/seen.out").decode()
        assert said == f"rpm 1500\n1 2 3\nmesh of {mesh}\n1000\n"
        assert commit_of(buckets[out], f"out/from-{name}")["files"] == 1
    again = mixed("run", "mixed.csv", "-c", "sweep.toml", "-t", "run.sh")
    assert f"{len(names)} done" in again.stdout + again.stderr


def test_plan_sums_up_per_store_and_says_once_what_one_can_not_do(mixed: Desk, buckets: dict[str, Bucket]) -> None:
    done = mixed("plan", "mixed.csv", "-c", "sweep.toml", "-t", "run.sh")
    case, mesh = len(zipped(CASE)), len("mesh of s3\n") + 1000
    sums = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(sums) == len(buckets)
    assert f"  s3://my-simulation-data (us-east-1): {(case + mesh) / 1000:.1f} kB in" in sums
    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith("Warning: sftp://127.0.0.1:")
    assert "has no create-only writes: run this sweep from one machine at a time" in warnings[0]
