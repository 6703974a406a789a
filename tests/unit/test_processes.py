"""A process is gone when it is known to be: not when it is elsewhere, or when this one may not look."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from anystore_doe.processes import ProcessIdentity, is_gone, start_ticks, this_process

if TYPE_CHECKING:
    from pathlib import Path

NEVER_USED = 2**22 + 1
"""Above the largest number that Linux gives to a process (proc(5), ``pid_max``)."""


@pytest.fixture
def me() -> ProcessIdentity:
    return this_process()


@pytest.fixture
def unreaped():
    """A process that has ended, and that its parent did not wait for."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process
    process.wait()


def test_a_process_is_gone_when_its_number_is_unused_or_reused(me: ProcessIdentity) -> None:
    assert not is_gone(me, me)
    assert is_gone(dataclasses.replace(me, pid_started=me.pid_started + 5), me)
    assert start_ticks(NEVER_USED) is None


def test_a_process_that_is_dead_and_not_reaped_is_gone(me: ProcessIdentity, unreaped: subprocess.Popen[bytes]) -> None:
    assert start_ticks(unreaped.pid) is None
    assert is_gone(dataclasses.replace(me, pid=unreaped.pid), me)


def test_a_start_time_is_found_whatever_the_process_is_called(me: ProcessIdentity, tmp_path: Path) -> None:
    tool = tmp_path / os.fsdecode(b") Z 1 (\xff")
    tool.symlink_to("/bin/sleep")
    with subprocess.Popen(["sleep", "600"], executable=tool) as process:
        started = start_ticks(process.pid)
        process.kill()
    assert started is not None
    assert started >= me.pid_started


@pytest.mark.parametrize("field", ["boot_id", "pid_namespace"])
def test_of_a_process_elsewhere_nobody_knows(me: ProcessIdentity, field: str) -> None:
    assert not is_gone(dataclasses.replace(me, pid=NEVER_USED, **{field: "another"}), me)


def test_without_a_boot_id_nobody_knows(me: ProcessIdentity) -> None:
    nameless = dataclasses.replace(me, boot_id="")
    assert not is_gone(dataclasses.replace(nameless, pid=NEVER_USED), nameless)


def test_a_process_that_may_not_be_looked_at_is_not_gone(me: ProcessIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = dataclasses.replace(me, pid=NEVER_USED)
    assert is_gone(owner, me)

    def hidden(pid: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", hidden)
    assert not is_gone(owner, me)
