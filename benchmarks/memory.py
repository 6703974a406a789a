"""Memory: the engine's peak RSS with a 2 GiB input and a 2 GiB output on S3."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from measuring import CLI, Figure, measured, publish

from anystore_doe.testing.servers import start_moto

SIZE = 2 * 2**30


def main() -> None:
    """Measure and publish."""
    with tempfile.TemporaryDirectory() as name, start_moto() as server:
        folder, bucket = Path(name), server.make_bucket("memory")
        environ = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with (folder / "big.bin").open("wb") as file:
            block = os.urandom(2**24)
            for _ in range(SIZE // len(block)):
                file.write(block)
        measured([*CLI, "cp", str(folder / "big.bin"), f"s3://{bucket}/input/"], env=environ)
        (folder / "big.bin").unlink()
        (folder / "runs.csv").write_text(f"input,output\ns3://{bucket}/input/big.bin,s3://{bucket}/output/\n")
        taken = measured(
            [*CLI, "run", "runs.csv", "--slots", "1", "--", "cp", "big.bin", "out.bin"], env=environ, cwd=folder
        )
        with server.client() as s3:
            size = s3.head_object(Bucket=bucket, Key="output/out.bin")["ContentLength"]
        if size != SIZE:
            sys.exit(f"{size} bytes of {SIZE} were pushed")
    publish(
        "memory",
        [
            Figure(
                name="peak RSS of the engine, 2 GiB in and 2 GiB out",
                unit="MB",
                ours=[taken.rss_bytes / 2**20],
                demanded=300,
                cpu_s=taken.cpu_s,
                note=f"wall {taken.wall_s:.0f} s, store: moto",
            )
        ],
    )


if __name__ == "__main__":
    main()
