"""kill -9 at the worst moments, then the same command: every row is committed, none that was is solved again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sweeping import commit_of, zipped

from anystore_doe.testing.barriers import read_events, write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sweeping import Bucket, Desk

DEADLINE_S = 40
RUN_SH = """\
echo "$ANYSTORE_DOE_RUN_ID $$" >> LEDGER
touch "LEDGER.$n"
tr a-z A-Z < inputs.in > a.out
while [ "$n" = 2 ] && [ ! -e GO ]; do sleep 0.05; done
echo end > b.out
"""


def until(true: Callable[[], object], what: str) -> None:
    """Poll with a deadline."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@dataclass
class Held:
    """A sweep of three rows on one slot, through a store with barriers, and its files."""

    desk: Desk
    bucket: Bucket
    hold: str = ""

    @property
    def scheme(self) -> str:
        return "barrier+s3" if self.bucket.url.startswith("s3") else "barrier"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket.url.partition('://')[2]}"

    @property
    def events(self) -> Path:
        return self.desk.folder / "events.jsonl"

    @property
    def ledger(self) -> list[str]:
        """The runs that solved, in their order."""
        file = self.desk.folder / "ledger"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def solver_pids(self) -> list[int]:
        return [int(line.split()[1]) for line in (self.desk.folder / "ledger").read_text().splitlines()]

    @property
    def environ(self) -> dict[str, str]:
        plugins = str(self.desk.folder / "plugins")
        return {
            "PYTHONPATH": plugins,
            "ANYSTORE_DOE_BARRIER_EVENTS": str(self.events),
            "ANYSTORE_DOE_BARRIER_HOLD": self.hold,
        }

    def write(self) -> None:
        write_plugin(self.desk.folder / "plugins", "barriers", "anystore_doe.testing.barriers")
        for n in (1, 2, 3):
            self.bucket.put(f"in/{n}.zip", zipped({"inputs.in": f"case {n}\n"}))
        rows = "".join(f"{n},{self.url}/in/{n}.zip,{self.url}/out/{n}\n" for n in (1, 2, 3))
        self.desk.write("table.csv", f"n,s3_input,s3_output\n{rows}")
        script = RUN_SH.replace("LEDGER", str(self.desk.folder / "ledger")).replace("GO", str(self.go))
        self.desk.write("run.sh", script)
        options = 'pass_env = "PYTHONPATH,ANYSTORE_DOE_*"\n' if self.desk.executor != "local" else ""
        self.desk.write(
            "sweep.toml",
            'table = "table.csv"\ntemplates = ["run.sh"]\n[slots]\ncount = 1\nlookahead = 1\n'
            f'[executor]\nname = "{self.desk.executor}"\n{options}',
        )

    @property
    def go(self) -> Path:
        return self.desk.folder / "go"

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.desk.folder / "log").open("wb")
        with log:
            return subprocess.Popen(
                [*self.desk.command("run")[:3], "run"],
                cwd=self.desk.folder,
                env=self.desk.env(**self.environ),
                stdout=log,
                stderr=log,
            )

    def saw(self, verb: str, key: str, edge: str) -> bool:
        return bool(read_events(self.events, verb, f"*{key}", edge))


@pytest.fixture
def held(anywhere: Desk, bucket: Bucket) -> Held:
    """A run is fetched once the one before solves; run 2 solves until ``go`` is there."""
    made = Held(anywhere, bucket)
    ledger = made.desk.folder / "ledger"
    made.hold = f"fetch *in/2.zip = {ledger}.1; fetch *in/3.zip = {ledger}.2"
    made.write()
    return made


@pytest.fixture
def ending() -> Iterator[list[subprocess.Popen[bytes]]]:
    """End what a failed test left."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


MOMENTS = {
    "after the fetch of run 3, while run 2 solves": ("", ("fetch", "in/3.zip", "end")),
    "in the middle of the push of run 1": ("push *out/1/b.out = {go}", ("push", "out/1/b.out", "begin")),
    "before the commit of run 1": (
        "push *out/1/_anystore/commit.json = {go}",
        ("push", "1/_anystore/commit.json", "begin"),
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_command_goes_on_after_kill_9(held: Held, ending: list[subprocess.Popen[bytes]], moment: str) -> None:
    hold, event = MOMENTS[moment]
    held.hold += "; " + hold.format(go=held.go)
    engine = held.start()
    ending.append(engine)
    until(lambda: held.ledger == ["0001", "0002"], "run 2 solves")
    until(lambda: held.saw(*event), moment)
    if not hold:
        until(lambda: "out/1/_anystore/commit.json" in held.bucket.paths(), "run 1 is committed")
    solver = held.solver_pids[1]
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    until(lambda: not alive(solver), "the solver of run 2 ends with its engine")
    held.go.touch()
    done = held.desk("run", **held.environ)
    if hold and held.desk.executor == "local":  # a worker process lives long enough to bring home what it solved
        assert "solved before, and uploaded now" in done.stdout + done.stderr
    assert [commit_of(held.bucket, f"out/{n}")["run_id"] for n in (1, 2, 3)] == ["0001", "0002", "0003"]
    assert sorted(held.ledger[2:]) == ["0002", "0003"]  # run 1 was solved, and is only pushed and committed
    for n in (1, 2, 3):
        assert held.bucket.get(f"out/{n}/a.out").decode() == f"CASE {n}\n"
        assert held.bucket.get(f"out/{n}/b.out") == b"end\n"
    held.desk("run", **held.environ)
    assert len(held.ledger) == 4


@pytest.mark.parametrize("anywhere", ["worker-process"], indirect=True)
def test_a_killed_worker_process_loses_nothing(held: Held, ending: list[subprocess.Popen[bytes]]) -> None:
    engine = held.start()
    ending.append(engine)
    until(lambda: held.ledger == ["0001", "0002"], "run 2 solves")
    until(lambda: "out/1/_anystore/commit.json" in held.bucket.paths(), "run 1 is committed")
    worker = next(e.pid for e in read_events(held.events, "push") if e.pid != engine.pid)
    os.kill(worker, signal.SIGKILL)
    assert engine.wait(DEADLINE_S) == 1
    assert "killed by signal 9" in (held.desk.folder / "log").read_text()
    held.go.touch()
    held.desk("run", **held.environ)
    assert sorted(held.ledger) == ["0001", "0002", "0002", "0003"]


def test_a_second_engine_in_the_work_root_ends_at_once_with_7(
    held: Held, ending: list[subprocess.Popen[bytes]]
) -> None:
    engine = held.start()
    ending.append(engine)
    until(lambda: "0002" in held.ledger, "run 2 solves")
    refused = held.desk("run", exit_code=7, **held.environ)
    assert f"process {engine.pid} on " in refused.stderr
    held.go.touch()
    assert engine.wait(DEADLINE_S) == 0


def test_ctrl_c_leaves_a_state_that_goes_on(held: Held, ending: list[subprocess.Popen[bytes]]) -> None:
    engine = held.start()
    ending.append(engine)
    until(lambda: held.ledger == ["0001", "0002"], "run 2 solves")
    os.kill(engine.pid, signal.SIGINT)
    assert engine.wait(DEADLINE_S) == 128 + signal.SIGINT, (held.desk.folder / "log").read_text()
    assert not alive(held.solver_pids[1])
    held.go.touch()
    held.desk("run", **held.environ)
    assert held.ledger.count("0003") == 1
