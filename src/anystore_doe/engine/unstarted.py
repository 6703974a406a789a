"""Puts into words why a solver could not be started."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore_doe.model import SolveRequest


def why_not_started(request: SolveRequest, failure: str, file: str = "") -> str:
    """Say what failed.

    Args:
        request: What was to be started.
        failure: ``step:errno`` as the supervisor says it; steps are ``start`` (the logs, the new process), ``cwd``
            (entering the folder) and ``exec`` (becoming the command).
        file: The file that ``start`` failed on, where there is one.
    """
    step, _, number = failure.partition(":")
    code = int(number)
    reason = os.strerror(code)
    if step == "start":
        return f"can not start the solver: {file}: {reason}" if file else f"can not start the solver: {reason}"
    if step == "cwd":
        return f"can not enter the folder {request.cwd}: {reason}"
    name = request.argv[0]
    if code == errno.ENOENT:
        return _not_found(request, name)
    words = {
        errno.EACCES: f"{name} is not executable: {reason}",
        errno.ENOEXEC: f"{name} is no program for this machine (a script needs a first line such as #!/bin/bash)",
        errno.E2BIG: f"the command and the environment of {name} together are longer than this system allows",
        errno.EINVAL: f"can not start {name}: a word of the command or of the environment holds a NUL",
    }
    return words.get(code, f"can not start {name}: {reason}")


def _not_found(request: SolveRequest, name: str) -> str:
    if "/" not in name:
        return f"command not found: {name} (in the PATH that solvers get)"
    if Path(request.cwd, name).exists():
        return f"{name} is there, but the interpreter that its first line names is not"
    return f"command not found: {name}"
