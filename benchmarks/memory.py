"""Memory: the engine's peak RSS with a 2 GiB input and a 2 GiB output on each cloud."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import CLI, Figure, measured, publish

from anystore_doe.testing.servers import start_azurite, start_fake_gcs, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZE = 2 * 2**30
BUCKET = "memory"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A server that runs: what it is called, what a row's URLs begin with, and what reaches it."""

    server: str
    root: str
    environ: Mapping[str, str]


@contextlib.contextmanager
def s3() -> Iterator[Cloud]:
    """Yield moto with a bucket."""
    with start_moto() as server:
        server.make_bucket(BUCKET)
        environ = {
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield Cloud(server="moto", root=f"s3://{BUCKET}", environ=environ)


@contextlib.contextmanager
def gcs() -> Iterator[Cloud]:
    """Yield fake-gcs-server with a bucket."""
    with start_fake_gcs() as server:
        server.make_bucket(BUCKET)
        environ = {"STORAGE_EMULATOR_HOST": server.endpoint_url}
        yield Cloud(server="fake-gcs-server", root=f"gs://{BUCKET}", environ=environ)


@contextlib.contextmanager
def azure() -> Iterator[Cloud]:
    """Yield azurite with a container."""
    with start_azurite() as server:
        server.make_container(BUCKET)
        environ = {"AZURE_STORAGE_CONNECTION_STRING": server.connection_string}
        yield Cloud(server="azurite", root=f"az://{BUCKET}", environ=environ)


def write_big(path: Path) -> None:
    """Write a file of :data:`SIZE` bytes that no store can make smaller."""
    block = os.urandom(2**24)
    with path.open("wb") as file:
        for _ in range(SIZE // len(block)):
            file.write(block)


def ran(cloud: Cloud, folder: Path) -> Figure:
    """Run one row whose solver copies the input, and check what was pushed."""
    environ, big = {**os.environ, **cloud.environ}, folder / "big.bin"
    write_big(big)
    measured([*CLI, "cp", str(big), f"{cloud.root}/input/"], env=environ)
    big.unlink()
    (folder / "runs.csv").write_text(f"input,output\n{cloud.root}/input/big.bin,{cloud.root}/output/\n")
    words = ["run", "runs.csv", "--slots", "1", "--", "cp", "big.bin", "out.bin"]
    taken = measured([*CLI, *words], env=environ, cwd=folder)
    back = folder / "back.bin"
    measured([*CLI, "cp", f"{cloud.root}/output/out.bin", str(back)], env=environ)
    if (size := back.stat().st_size) != SIZE:
        sys.exit(f"{size} bytes of {SIZE} were pushed")
    return Figure(
        name=f"peak RSS of the engine, 2 GiB in and 2 GiB out, {cloud.root.partition(':')[0]}://",
        unit="MB",
        ours=[taken.rss_bytes / 2**20],
        demanded=300,
        cpu_s=taken.cpu_s,
        note=f"wall {taken.wall_s:.0f} s, store: {cloud.server}",
    )


def main() -> None:
    """Measure and publish; words of the command line choose among s3, gcs and azure."""
    clouds = {"s3": s3, "gcs": gcs, "azure": azure}
    figures = []
    for name in sys.argv[1:] or clouds:
        with tempfile.TemporaryDirectory() as folder, clouds[name]() as cloud:
            figures.append(ran(cloud, Path(folder)))
    publish("memory", figures)


if __name__ == "__main__":
    main()
