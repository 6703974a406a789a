"""The aws command line, in a virtual environment of its own: its botocore must not meet ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2] / ".awscli-venv"


def aws_folder() -> Path:
    """Return the folder that holds ``aws``, installing it on the first call.

    Raises:
        OSError: pip could not install it.
    """
    command = HOME / "bin" / "aws"
    if not command.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True, capture_output=True)
            subprocess.run([HOME / "bin/pip", "install", "-q", "awscli"], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise OSError(error.stderr.decode(errors="replace")[-1000:]) from error
    return command.parent
