"""Environments that hold nothing but what pip installs from wheels: a dependency that is missing is missing there."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docs_pages import ROOT

from anystore_doe.testing import require

if TYPE_CHECKING:
    from pathlib import Path

HELLO = ROOT / "examples/hello-plugin"
PIP = (sys.executable, "-m", "pip")


@dataclass(frozen=True, slots=True)
class CleanRoom:
    """A virtual environment below ``folder`` that sees neither this checkout nor what is installed beside it."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        ours = ("PYTHON", "VIRTUAL_ENV", "ANYSTORE_DOE_", "HELLO_", "AWS_")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return environ | {"PATH": f"{self.folder}/bin:{environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs."""
        program = str(self.folder / "bin" / words[0])
        env = self.environ | environ
        return subprocess.run([program, *words[1:]], cwd=cwd, env=env, text=True, capture_output=True, check=False)

    def must(self, *words: str, cwd: Path, **environ: str) -> str:
        """Run one of its programs, which ends well, and return what it printed."""
        done = self.run(*words, cwd=cwd, **environ)
        assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def install(self, dist: Path, *requirements: str) -> None:
        """Install from the wheels in ``dist``; whatever else that needs comes from the package registry."""
        self.must("pip", "install", "-q", "--find-links", str(dist), *requirements, cwd=self.folder)


def make_clean_room(folder: Path) -> CleanRoom:
    """Make an environment with pip and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
    return CleanRoom(folder)


def need_registry(folder: Path) -> None:
    """Skip the calling test where pip can not fetch packages; in continuous integration that is an error."""
    words = [*PIP, "download", "-q", "--no-deps", "-d", str(folder), "hatchling"]
    done = subprocess.run(words, text=True, capture_output=True, check=False)
    if done.returncode:
        require(f"pip can not fetch packages here: {done.stderr.strip().splitlines()[-1]}")


def our_wheel(base: Path) -> Path:
    """Return a folder with the wheel of this checkout, built once below ``base``."""
    dist = base / "dist"
    if not list(dist.glob("anystore_doe-*.whl")):
        build_wheels(dist, ROOT)
    return dist


def build_wheels(dist: Path, *projects: Path) -> None:
    """Build the wheel of each project folder into ``dist``."""
    for project in projects:
        words = [*PIP, "wheel", "-q", "--no-deps", "-w", str(dist), str(project)]
        done = subprocess.run(words, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
