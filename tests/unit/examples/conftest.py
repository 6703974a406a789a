from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import anystore_doe

EXAMPLES = Path(anystore_doe.__file__).parent / "examples"


class Case:
    """A case of the article in a folder of its own, and the stand-in that solves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, name: str, before: str, after: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert before in text
        (self.folder / name).write_text(text.replace(before, after), encoding="utf-8")

    def solve(self, *options: str) -> subprocess.CompletedProcess[str]:
        solver = EXAMPLES / "article" / "solver"
        path = os.pathsep.join([str(solver), str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            ["converge", *options],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder)},
            text=True,
            capture_output=True,
            timeout=60,
        )

    def column(self, name: str, column: str) -> list[float]:
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        names = lines[2].lstrip("#").split()
        at = names.index(column)
        return [float(line.split()[at]) for line in lines if not line.startswith("#")]


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


@pytest.fixture
def case(tmp_path, request):
    name = request.param
    shutil.copytree(EXAMPLES / "article" / "cases" / name, tmp_path / name)
    return Case(tmp_path / name)
