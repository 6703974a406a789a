"""What the tests of bad input share: calls that must change nothing, and their messages taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeping import Desk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sweeping import Bucket

SCRIPT = 'echo "rpm is ${rpm}" > x.out\n'
"""A shell template that leaves one output."""

RUN = ("run", "t.csv", "-t", "run.sh")


@dataclass(frozen=True)
class Refused:
    """What a refused call said."""

    error: str
    hint: str
    stderr: str

    @property
    def option(self) -> str:
        """The option that the hint names first."""
        found = re.search(r"--[a-z][a-z-]+", self.hint)
        assert found, self.hint
        return found[0]

    @property
    def meant(self) -> str:
        """What a ``did you mean`` hint means."""
        found = re.search(r"did you mean '?([^'? ]+)", self.hint)
        assert found, self.hint
        return found[1]


def desk_of(folder: Path, files: Mapping[str, str | bytes] = {}, environ: Mapping[str, str] = {}) -> Desk:
    """Return a desk in ``folder/desk`` with these files and a script ``run.sh``."""
    desk = Desk(folder / "desk", environ)
    for name, text in {"run.sh": SCRIPT, **files}.items():
        file = desk.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return desk


def refused(
    desk: Desk, *words: str, code: int = 3, buckets: Sequence[Bucket] = (), secrets: Sequence[str] = (), **environ: str
) -> Refused:
    """Give a command that is refused with ``code``; whoever looks afterwards must find everything as it was."""
    before = [everything(desk), *(bucket.paths() for bucket in buckets)]
    done = desk(*(words or RUN), exit_code=code, **environ)
    assert [everything(desk), *(bucket.paths() for bucket in buckets)] == before
    assert done.stdout == ""
    assert not [secret for secret in secrets if secret in done.stderr]
    error, _, hint = done.stderr.partition("Hint:  ")
    assert error.startswith("Error: "), done.stderr
    return Refused(error=error.removeprefix("Error: ").rstrip(), hint=hint.strip(), stderr=done.stderr)


def everything(desk: Desk) -> dict[str, bytes]:
    """Return every file below the desk with its content."""
    return {str(f.relative_to(desk.folder)): f.read_bytes() for f in desk.folder.rglob("*") if f.is_file()}
