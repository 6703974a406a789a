"""Call pip's install with the given arguments, quietly, and say what it fetched: packages, versions, size on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
import time
from importlib.metadata import distribution
from pathlib import Path


def installed_bytes(name: str) -> int:
    """Return what a distribution takes on disk, in bytes."""
    files = distribution(name).files or []
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())


def main(arguments: list[str]) -> int:
    """Install, then print a summary; return pip's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        print("pip install", *arguments, flush=True)
        started = time.monotonic()
        pip = [sys.executable, "-m", "pip", "install", "-q", "--report", str(report), *arguments]
        if code := subprocess.call(pip):
            return code
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    fetched = [item["metadata"] for item in installed if not item["download_info"].get("dir_info")]
    sizes = {meta["name"]: installed_bytes(meta["name"]) for meta in fetched}
    took = time.monotonic() - started
    if not fetched:
        print(f"pip fetched nothing: everything was there ({took:.0f} s)")
        return 0
    print(f"pip fetched {len(fetched)} packages ({sum(sizes.values()) / 1e6:.0f} MB on disk) in {took:.0f} s:")
    names = sorted((f"{meta['name']} {meta['version']}" for meta in fetched), key=str.lower)
    print(
        textwrap.fill(", ".join(names), width=110, break_on_hyphens=False, initial_indent="  ", subsequent_indent="  ")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
