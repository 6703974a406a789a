"""Leftovers are ended by their mark: exactly those, and nobody else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anystore_doe.engine.leftovers import TOKEN_NAME, end_leftovers, new_token
from anystore_doe.processes import start_ticks

pytestmark = pytest.mark.own_pid_namespace


@pytest.fixture
def start():
    started = []

    def sleeper(command=("sleep", "600"), **env):
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]} | env)
        started.append(process)
        return process

    yield sleeper
    for process in started:
        process.kill()
        process.wait()


def wait_a_tick(process):
    """Wait until a process started now has a later start time than ``process``."""
    now = start_ticks(process.pid)
    while True:
        with subprocess.Popen(["sleep", "600"]) as probe:
            later = start_ticks(probe.pid)
            probe.kill()
        if later > now:
            return
        time.sleep(0.005)


def test_marked_processes_are_ended_and_nobody_else(start):
    token = new_token()
    older = start(**{TOKEN_NAME: token})
    wait_a_tick(older)
    marked = start(**{TOKEN_NAME: token, "OTHER": "x"})
    others = [
        older,
        start(),
        start(**{TOKEN_NAME: new_token()}),
        start(**{TOKEN_NAME: token + "0"}),
        start(**{TOKEN_NAME: token[:-1]}),
        start(**{"X" + TOKEN_NAME: token}),
        start(**{TOKEN_NAME + "X": token}),
        start(NOTE=f"{TOKEN_NAME}={token}"),
        start(("sh", "-c", f"sleep 600; : {TOKEN_NAME}={token}")),
    ]
    left = end_leftovers(token, since_ticks=start_ticks(marked.pid))
    assert (left.ended, left.alive) == ({marked.pid}, frozenset())
    assert marked.wait(10) == -9
    assert [process.poll() for process in others] == [None] * len(others)


def test_descendants_carry_the_mark_whatever_their_session(start):
    token = new_token()
    parent = start(("sh", "-c", "setsid sleep 600 & echo; wait"), **{TOKEN_NAME: token})
    since = start_ticks(parent.pid)
    deadline = time.monotonic() + 20
    while (
        len(marked := [path.name for path in Path("/proc").iterdir() if path.name.isdecimal() and has(path, token)]) < 2
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    left = end_leftovers(token, since_ticks=since)
    assert left.ended == {int(pid) for pid in marked}


def has(process, token):
    try:
        return f"{TOKEN_NAME}={token}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_another_users_process_is_not_touched(start):
    if os.getuid() != 0:
        pytest.skip("only root can start a process of another user")
    token = new_token()
    mine = start(**{TOKEN_NAME: token})
    another = start(("setpriv", "--reuid", "65534", "--clear-groups", "sleep", "600"), **{TOKEN_NAME: token})
    deadline = time.monotonic() + 20
    while Path(f"/proc/{another.pid}").stat().st_uid != 65534:
        if another.poll() is not None:
            pytest.skip("no process of another user can be started here")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert end_leftovers(token, since_ticks=start_ticks(mine.pid)).ended == {mine.pid}
    assert another.poll() is None


def test_the_process_that_looks_is_never_its_own_prey(start):
    token = new_token()
    code = (
        "import os; from anystore_doe.engine.leftovers import end_leftovers; "
        "from anystore_doe.processes import start_ticks; "
        f"left = end_leftovers({token!r}, since_ticks=start_ticks(os.getpid()), patience_s=1); "
        "raise SystemExit(0 if not left.ended and not left.alive else 1)"
    )
    assert start((sys.executable, "-c", code), **{TOKEN_NAME: token}).wait(30) == 0


@pytest.mark.parametrize("token", ["", "x", "0" * 31, "0" * 33, "G" * 32, "*" * 32, "0" * 32 + "\n"])
def test_what_is_no_token_ends_nothing(start, token):
    empty = start(**{TOKEN_NAME: token})
    with pytest.raises(ValueError, match="no token"):
        end_leftovers(token, since_ticks=1)
    assert empty.poll() is None


def test_without_a_start_time_nothing_is_ended(start):
    token = new_token()
    marked = start(**{TOKEN_NAME: token})
    with pytest.raises(ValueError, match="no token"):
        end_leftovers(token, since_ticks=0)
    assert marked.poll() is None
