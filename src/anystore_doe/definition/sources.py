"""What the caller read and hands over: templates and input files, and whether they hold keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anystore_doe.definition.settings import TemplateSpec

SHELLS = frozenset(["sh", "bash", "dash", "ksh", "ksh93", "mksh", "ash", "zsh", "csh", "tcsh"])
"""Interpreters whose scripts find columns in the environment, and whose arithmetic may run what a value holds."""

_SHELL_SUFFIXES = (".sh", ".bash", ".ksh", ".zsh", ".csh")
_PROGRAM_SUFFIXES = (".py", ".pl", ".rb", ".r", ".jl", ".js", ".lua", ".tcl", ".m", ".php", ".awk")
_SHEBANG = re.compile(r"\ufeff?#!\s*(\S+)((?:[ \t]+\S+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """A template as the caller read it.

    Attributes:
        name: Where it goes in the work folder.
        text: Its text; bytes are taken as UTF-8.
        source: Path or URL it came from, for messages.
    """

    name: str
    text: str | bytes
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFileSource:
    """A file given with ``--input-file`` as the caller read it; ``source`` is for messages (default: ``name``)."""

    name: str
    content: bytes
    executable: bool = False
    source: str = ""


def interpreter(text: str) -> str:
    """Return the base name of the program that a ``#!`` line asks for, or ``""``; ``env`` is looked through."""
    match = _SHEBANG.match(text)
    if match is None:
        return ""
    words: list[str] = [match[1], *match[2].split()]
    if words[0].rpartition("/")[2] == "env":
        words = [w for w in words[1:] if not w.startswith("-") and "=" not in w] or [""]
    return words[0].rpartition("/")[2]


def is_shell(name: str, text: str) -> bool:
    """Tell whether a file is a shell script: by its suffix, or by its ``#!`` line."""
    return name.lower().endswith(_SHELL_SUFFIXES) or interpreter(text) in SHELLS


def is_program(name: str, text: str) -> bool:
    """Tell whether a file is a program of another language, in which pasted text becomes code."""
    return name.lower().endswith(_PROGRAM_SUFFIXES) or bool(interpreter(text))


def template_spec(text: str) -> TemplateSpec:
    """Split ``FILE[:NAME]`` at the last ``:`` that no ``/`` follows; ``name`` is filled in either way."""
    from anystore_doe.definition.settings import TemplateSpec

    head, colon, tail = text.rpartition(":")
    if not colon or not head or not tail or "/" in tail:
        return TemplateSpec(file=text, name=default_name(text))
    return TemplateSpec(file=head, name=tail)


def default_name(file: str) -> str:
    """Return a template's own name less a trailing ``.template``."""
    return file.rstrip("/").rpartition("/")[2].removesuffix(".template")


_KEY = r"[\"']?\s*[=:]\s*[\"']?"
_KEYS = (
    (re.compile(rf"(?i)(?:aws_)?secret_?access_?key{_KEY}[A-Za-z0-9/+]{{8}}"), "an AWS secret access key"),
    (re.compile(rf"(?i)(?:aws_)?session_?token{_KEY}[A-Za-z0-9/+]{{16}}"), "an AWS session token"),
    (re.compile(r"(?i)account_?key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{8}"), "an Azure account key"),
    (re.compile(r"(?i)SharedAccessSignature\s*=|[?&]sig=[A-Za-z0-9%/+]{20}"), "an Azure access signature"),
    (re.compile(r"\"private_key\"\s*:|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\"refresh_token\"\s*:\s*\""), "a refresh token"),
    (
        re.compile(r"(?s)\bA[KS]IA[0-9A-Z]{16}\b.*(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
        "an AWS access key and its secret",
    ),
)


def held_key(text: str) -> str:
    """Return what kind of credential ``text`` looks like it holds, in words, or ``""``; never the key itself."""
    return next((what for pattern, what in _KEYS if pattern.search(text)), "")
