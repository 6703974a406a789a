"""A signal ends solvers and driver, and the same command goes on; one driver per work root."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from calling import PROGRAM, call, outputs


def wait_for(found, running):
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)


def heard(number):
    """Start a program that hears a signal which whoever started the tests may have ignored."""
    return lambda: signal.signal(number, signal.SIG_DFL)


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(folder):
    (folder / "run.sh").write_text('echo here > "$MARK"; while ! test -e "$GO"; do sleep 0.05; done; echo 1 > x.out\n')
    environ = {**os.environ, "MARK": str(folder / "mark"), "GO": str(folder / "go")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "--select", "1"]
    ignored = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731  short, and used once
    running = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, preexec_fn=ignored)
    wait_for((folder / "mark").exists, running)
    running.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    assert (running.wait(40), set(outputs(folder))) == (0, {"a/x.out"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_solvers_and_the_same_command_goes_on(folder, number):
    (folder / "run.sh").write_text('test -e "$GO" || { echo here > "$MARK.${rpm}"; sleep 60; }\necho ${rpm} > x.out\n')
    environ = {**os.environ, "MARK": str(folder / "mark"), "GO": str(folder / "go")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "-j1"]
    running = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard(number)
    )
    wait_for(lambda: list(folder.glob("mark.*")), running)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=40)
    assert (running.returncode, "2 not finished" in stdout) == (128 + number, True), stderr
    (folder / "go").touch()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, outputs(folder)) == (0, {"a/x.out": "1500\n", "b/x.out": "1600\n"}), done.stderr


def test_a_second_engine_in_the_same_work_root_is_refused(folder):
    (folder / "run.sh").write_text('echo here > "$MARK"; sleep 60\n')
    environ = {**os.environ, "MARK": str(folder / "mark")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "-j1"]
    running = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for((folder / "mark").exists, running)
        second = call("run", "t.csv", "-t", "run.sh")
        assert (second.exit_code, f"process {running.pid}" in second.stderr) == (7, True), second.output
    finally:
        running.terminate()
        running.wait(40)
