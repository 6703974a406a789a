"""Proves a suite: things with one bug each, and the test that must fail on it.

::

    BUGS = Bugs(globals(), Seeded)  # Seeded: the suite, with a class attribute `subject` for what is tried


    @BUGS.caught_by("test_fetch_refuses_another_version_than_the_pinned_one")
    class IgnoresPin(MemoryStorage): ...

The tests that must fail are run in a child pytest, by node id; the classes are not called ``Test...``, so that
nothing else collects them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T", bound=type)

TIMEOUT_S = 110.0


class Bugs:
    """The bugs of one test module.

    Attributes:
        caught: Name of the suite's subclass for each bug, to the name of the test that catches it.
    """

    def __init__(self, namespace: dict[str, Any], suite: type) -> None:
        """Put a subclass of ``suite`` for each bug into ``namespace``, the module's own."""
        self._namespace = namespace
        self._suite = suite
        self.caught: dict[str, str] = {}

    def caught_by(self, test: str, **attributes: object) -> Callable[[T], T]:
        """Register the decorated class as one whose bug ``test`` (a name, or ``name[parameter]``) must notice.

        ``attributes`` are set on the suite's subclass.
        """

        def register(subject: T) -> T:
            name = f"Seeded{subject.__name__}"
            body = {"subject": subject, "__module__": self._namespace["__name__"], **attributes}
            self._namespace[name] = type(name, (self._suite,), body)
            self.caught[name] = test
            return subject

        return register

    def outcomes(self, file: Path, folder: Path) -> dict[str, set[str]]:
        """Run all in a child pytest; return ``passed``, ``failure``, ``error`` or ``skipped`` by class name.

        The suite itself is among them: what it says of a subject without a bug, in the same child, on the same tests.
        """
        report = folder / "report.xml"
        nodes = [f"{file}::{name}::{test}" for name, test in self.caught.items()]
        nodes += [f"{file}::{self._suite.__name__}::{test}" for test in sorted(set(self.caught.values()))]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
        command += ["-o", "python_classes=Seeded", "-c", os.devnull, "--rootdir", str(file.parent)]
        command += ["--assert=plain"]  # that they fail is all that is asked, and what pytest says of it costs most
        child = subprocess.run(
            [*command, f"--junitxml={report}", *nodes], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if child.returncode not in {0, 1}:
            msg = f"the child pytest ended with {child.returncode}:\n{child.stdout[-3000:]}{child.stderr[-3000:]}"
            raise RuntimeError(msg)
        found: dict[str, set[str]] = {}
        for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  our own child's report
            kinds = {element.tag for element in case} & {"failure", "error", "skipped"}
            found.setdefault(case.get("classname", "").rpartition(".")[2], set()).update(kinds or {"passed"})
        return found
