"""A sweep that asks for all that a sweep can ask for, and what lies just beside it; the same on every cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeping import Bucket, Desk, zipped

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "rights"
WORDS = ("inputs.csv", "-t", "run.sh", "--slots", "2")
RUN_SH = """\
#!/usr/bin/env bash
set -e
cat *.in > thermo.out
head -c 17000000 /dev/zero > big.h5
[[ $s3_output != */pintle* || -e $HOME/mended ]]
"""
GONE = tuple(f"output/{name}/{path}" for name in ("hsdi", "pintle") for path in ("_anystore/commit.json", "big.h5"))
"""What ``--overwrite`` deletes, below the prefix."""

INPUT, OUTPUT = f"{PREFIX}/input/hsdi.zip", f"{PREFIX}/output/hsdi"
UNREADABLE = (
    "secret", f"{PREFIX}/input/other.zip", f"{INPUT}.bak", f"{INPUT}/x", f"{PREFIX}/input/", f"{PREFIX}/mesh",
    f"{PREFIX}/mesh2/a.dat", f"{PREFIX}/mech v.dat", f"{OUTPUT}2/thermo.out", OUTPUT, f"{PREFIX}/output/other/x",
    f"other/{INPUT}", f"{PREFIX}/INPUT/hsdi.zip",
)  # fmt: skip
UNWRITABLE = (
    INPUT, f"{PREFIX}/mesh/a.dat", f"{PREFIX}/mech [v1].dat", f"{PREFIX}/output/x", OUTPUT, f"{OUTPUT}2/x", "x",
)  # fmt: skip
UNLISTABLE = (
    "", PREFIX, f"{PREFIX}/", f"{PREFIX}/input/", f"{PREFIX}/mesh", f"{PREFIX}/output/", OUTPUT, f"{OUTPUT}2/",
)  # fmt: skip


def desk_for(bucket: Bucket, folder: Path) -> Desk:
    """Put the inputs of two rows below ``bucket``, an archive each, a tree and a file; return the desk to run from."""
    for name in ("hsdi", "pintle"):
        bucket.put(f"input/{name}.zip", zipped({f"{name}.in": f"case {name}\n"}))
    for path in ("mesh/a.dat", "mesh/sub/b.dat", "mech [v1].dat"):
        bucket.put(path, b"0 1 2\n")
    desk, url = Desk(folder, bucket.environ), bucket.url
    rows = [f"{url}/input/{name}.zip,{url}/mesh/,{url}/output/{name}/" for name in ("hsdi", "pintle")]
    text = "\n".join(["s3_input,mesh_input,s3_output", *rows, ""])
    desk.write("inputs.csv", text.replace("/mesh/,", "/mech [v1].dat,", 1))
    desk.write("run.sh", RUN_SH)
    return desk


def run(desk: Desk) -> None:
    """Run once; one of two runs fails."""
    desk("run", *WORDS, exit_code=1)


def go_on(desk: Desk) -> None:
    """Run until all is done, and look at it in every way."""
    (desk.folder / "mended").touch()
    desk("run", *WORDS)
    desk("run", *WORDS)
    for command in ("status", "results"):
        desk(command, "inputs.csv")
    desk("logs", "0001", "inputs.csv")


def replace(desk: Desk) -> None:
    """Run something else over what is there."""
    desk.write("run.sh", RUN_SH.replace("big.h5", "small.h5").replace("17000000", "17"))
    desk("run", *WORDS, "--overwrite")


def printed(desk: Desk, *words: str) -> str:
    """Return what ``policy`` prints."""
    return desk("policy", *WORDS[:3], *words).stdout
