"""The supervisor alone, spoken to as the engine speaks to it."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anystore_doe.engine import supervisor
from anystore_doe.processes import start_ticks

SCRIPT = Path(supervisor.__file__)


@pytest.fixture
def start():
    started = []

    def supervise(**more):
        settings = {"engine": os.getpid(), "engine_started": start_ticks(os.getpid()), "cpus": [], "give_up_s": 5}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SCRIPT), json.dumps(settings | more)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        started.append(process)
        return process

    yield supervise
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


def solver(number, *argv, tmp_path, **more):
    fields = {"timeout_s": None, "grace_s": 1.0, "env": {"PATH": os.environ["PATH"]}}
    logs = {"stdout": f"{tmp_path}/out", "stderr": f"{tmp_path}/err", "cwd": str(tmp_path)}
    return {"id": number, "argv": argv} | fields | logs | more


def say(process, *messages):
    process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


def hear(process):
    return json.loads(process.stdout.readline())


def test_it_imports_nothing_but_the_standard_library():
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert "ctypes" in imported
    assert imported <= sys.stdlib_module_names


def test_it_starts_without_what_is_slow_to_import():
    code = (
        "import sys; names = {'__name__': 'loaded'}; exec(open(sys.argv[1]).read(), names); "
        "slow = {'typing', 'subprocess', 'pathlib', 'dataclasses', 'logging', 'argparse', 'inspect', 'socket'}; "
        "print(sorted(slow & set(sys.modules)), len(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(SCRIPT)], check=True, capture_output=True, text=True
    )
    slow, _, count = done.stdout.rpartition(" ")
    assert slow == "[]"
    assert int(count) < 80


@pytest.mark.parametrize("name", ["plain", "with blanks", ") R 1 1 (", "a)b(c", ""])
def test_a_process_may_have_any_name(name):
    fields = " ".join(["S", "17", "18", *["0"] * 16, "4711", "0"])
    stat = supervisor.Stat(f"99 ({name}) {fields}".encode())
    assert (stat.state, stat.parent, stat.group, stat.started) == (b"S", 17, 18, 4711)


def test_it_ends_when_its_requests_end(start):
    process = start()
    process.stdin.close()
    assert process.wait(30) == 0


def test_it_ends_when_its_engine_is_another_process_with_the_same_number(start):
    process = start(engine_started=1)
    assert process.wait(30) == 0


def test_signals_that_everybody_gets_are_not_for_it(start, tmp_path):
    process = start()
    say(process, solver(1, "true", tmp_path=tmp_path))
    assert hear(process)["code"] == 0
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        process.send_signal(number)
    say(process, solver(2, "true", tmp_path=tmp_path))
    assert hear(process)["id"] == 2


def test_messages_may_come_in_pieces(start, tmp_path):
    process = start()
    data = json.dumps(solver(1, "sh", "-c", "exit 5", tmp_path=tmp_path)).encode() + b"\n"
    for piece in (data[:1], data[1:50], data[50:]):
        process.stdin.write(piece)
    assert hear(process)["code"] == 5


def test_a_time_out_may_be_longer_than_poll_can_wait(start, tmp_path):
    process = start()
    say(process, solver(1, "true", tmp_path=tmp_path, timeout_s=1e9))
    assert hear(process)["how"] == "exited"


def test_a_core_that_is_not_there_is_noted_and_costs_no_run(start, tmp_path):
    process = start(cpus=[100_000])
    say(process, solver(1, "true", tmp_path=tmp_path))
    answer = hear(process)
    assert answer["how"] == "exited"
    assert "can not use the cores [100000]" in answer["note"]


@pytest.mark.own_pid_namespace
def test_a_cancel_that_comes_with_its_request_is_heard(start, tmp_path):
    process = start()
    say(process, solver(1, "sleep", "600", tmp_path=tmp_path), {"cancel": 1, "grace_s": 5})
    assert hear(process)["how"] == "cancelled"


@pytest.mark.own_pid_namespace
def test_a_cancel_that_comes_too_late_hits_nobody_else(start, tmp_path):
    process = start()
    say(process, solver(1, "true", tmp_path=tmp_path))
    assert hear(process)["how"] == "exited"
    say(process, {"cancel": 1, "grace_s": 0}, solver(2, "sleep", "0.2", tmp_path=tmp_path), {"cancel": 1, "grace_s": 0})
    assert hear(process)["how"] == "exited"


@pytest.mark.own_pid_namespace
def test_a_shorter_grace_wins(start, tmp_path):
    process = start()
    began = time.monotonic()
    script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    say(process, solver(1, "sh", "-c", script, tmp_path=tmp_path))
    while not ((tmp_path / "out").exists() and (tmp_path / "out").read_text()):
        assert time.monotonic() - began < 20
        time.sleep(0.01)
    say(process, {"cancel": 1, "grace_s": 100})
    say(process, {"cancel": 1, "grace_s": 0.1})
    answer = hear(process)
    assert (answer["how"], answer["signal"]) == ("cancelled", signal.SIGKILL)
    assert time.monotonic() - began < 50


@pytest.mark.own_pid_namespace
def test_solvers_that_fork_without_end_are_ended(start, tmp_path):
    process = start()
    script = "f() { while :; do sleep 0.01 & setsid sleep 5 & sleep 0.02; done; }; f & setsid sh -c 'sleep 300' & f"
    say(process, solver(1, "bash", "-c", f"trap '' TERM; {script}", tmp_path=tmp_path, timeout_s=0.5, grace_s=0.1))
    answer = hear(process)
    assert answer["how"] == "timed-out"
    assert "stuck" not in answer
