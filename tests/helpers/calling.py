"""Sweeps of plain files, called as a user calls them."""

from __future__ import annotations

import sys

from click.testing import CliRunner

from anystore_doe.cli.main import main

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")

TABLE = "rpm,input,output\n1500,in/a.txt,out/a\n1600,in/b.txt,out/b\n"

SCRIPT = "#!/bin/bash\necho rpm ${rpm}\ncat *.txt > result.out\n"


def call(*arguments):
    return CliRunner().invoke(main, [str(word) for word in arguments])


def outputs(folder):
    return {
        str(p.relative_to(folder / "out")): p.read_text()
        for p in (folder / "out").rglob("*")
        if p.is_file() and "_anystore" not in p.parts
    }
