"""Relative paths and globs that stay inside the work folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.definition.findings import shown
from anystore_doe.model import OUR_FOLDER

if TYPE_CHECKING:
    from anystore_doe.definition.findings import Findings


def unsafe(path: str) -> str:
    """Return why a path or glob could leave the work folder or confuse a program, in words, or ``""``."""
    parts = path.split("/")
    if not path:
        return "which is empty"
    if path.startswith("/"):
        return "which is not relative"
    if ".." in parts or "." in parts:
        return "which holds a '.' or '..' part"
    if "" in parts:
        return "which holds an empty part"
    if not path.isprintable() or "\\" in path:
        return "which holds a control character or a backslash"
    if parts[0] == OUR_FOLDER:
        return "which is a folder of our own"
    if path.startswith("-"):
        return "which a program would take for an option"
    return ""


def check_path(path: str, what: str, findings: Findings) -> None:
    """Note a path that is not safe; ``what`` comes before it in the message."""
    if wrong := unsafe(path):
        findings.add(f"{what} {shown(path)}, {wrong}", hint="use a path below the work folder, such as case/engine.in")


def check_glob(glob: str, key: str, findings: Findings) -> None:
    """Note a glob that is not safe; a trailing ``/`` is none."""
    if wrong := unsafe(glob):
        findings.add(f"{key} holds {shown(glob)}, {wrong}", where=key, hint="use a glob such as **/*.out")
