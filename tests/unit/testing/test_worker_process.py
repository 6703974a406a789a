"""``worker-process`` goes through the executor suite, and gives its workers next to nothing."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anystore_doe.errors import ExecutorError
from anystore_doe.testing.executor_bench import until
from anystore_doe.testing.executor_contract import ExecutorContract
from anystore_doe.testing.worker_process import WorkerProcessOptions, anystore_doe_executors
from anystore_doe.testing.worker_process.executor import WorkerProcessExecutor


class TestWorkerProcessExecutor(ExecutorContract):
    def open(self, context):
        return WorkerProcessExecutor(WorkerProcessOptions(), context)

    def test_a_worker_gets_path_and_credentials_and_what_is_named(self, context, bench):
        given = {"PATH": "/bin", "AWS_ACCESS_KEY_ID": "id", "HOME": "/root", "SECRET_PLAN": "x", "A_1": "1", "B": "2"}
        executor = self.open(dataclasses.replace(context, worker_env=given))
        executor._pass_env = ("A_*",)
        order = bench.order("quick")
        order = dataclasses.replace(order, recipe=dataclasses.replace(order.recipe, pass_env=("B",)))
        assert executor._environment(order) == {"PATH": "/bin", "AWS_ACCESS_KEY_ID": "id", "A_1": "1", "B": "2"}
        code = "import os, sys, json; json.dump(dict(os.environ), open('env', 'w'))"
        executor.submit(dataclasses.replace(order, argv=(sys.executable, "-I", "-c", code)))
        assert [end.how for end in self.ends(executor, 1)] == ["ended"]
        assert "SECRET_PLAN" not in json.loads((bench.root / "env").read_text())

    def test_a_deaf_worker_is_killed_after_its_grace(self, context, bench):
        executor = WorkerProcessExecutor(WorkerProcessOptions(grace_s=0.3), context)
        order = bench.order("deaf")
        executor.submit(order)
        for _ in until(20):
            if list(bench.root.glob("*.deaf.*[0-9]")):
                break
        began = time.monotonic()
        executor.cancel([order.order_id])
        ends = executor.completed(20)
        assert [(end.how, end.detail) for end in ends] == [("cancelled", "exit code -9")]
        assert 0.3 <= time.monotonic() - began < 10

    def test_a_killed_worker_is_lost_and_the_signal_named(self, executor, bench):
        order = bench.order("long")
        executor.submit(order)
        self.wait_until_begun(bench, order)
        pid = int(bench.began(order)[0].name.split(".")[-2])
        os.kill(pid, signal.SIGKILL)
        (end,) = self.ends(executor, 1)
        assert (end.how, end.detail.partition(";")[0]) == ("lost", "killed by signal 9")

    def test_an_order_is_not_waited_for_by_a_worker_that_does_not_read_it(self, executor, bench):
        order = dataclasses.replace(bench.order("quick", runs=5000), argv=("true",))
        executor.submit(order)
        assert [end.how for end in self.ends(executor, 1)] == ["ended"]

    @pytest.mark.parametrize("argv", [(), ("/no/such/worker",)])
    def test_a_worker_that_can_not_start_is_refused(self, executor, bench, argv):
        with pytest.raises(ExecutorError, match="can not be started"):
            executor.submit(dataclasses.replace(bench.order("quick"), argv=argv))
        assert executor.completed(0.05) == []

    def test_an_order_id_never_leads_out_of_the_log_folder(self, executor, bench):
        order = dataclasses.replace(bench.order("broken"), order_id="../../evil/..", argv=("false",))
        executor.submit(order)
        self.ends(executor, 1)
        assert [path.parent for path in bench.root.rglob("*.log")] == [bench.root / "workers"]


class TestSeveralWorkerProcesses(ExecutorContract):
    def open(self, context):
        return WorkerProcessExecutor(WorkerProcessOptions(workers=3, grace_s=5), context)


def test_less_than_one_worker_is_refused():
    with pytest.raises(ExecutorError, match="at least 1"):
        WorkerProcessExecutor(WorkerProcessOptions(workers=0), None)


def test_the_hook_offers_it_by_name():
    assert [(entry.name, entry.options) for entry in anystore_doe_executors()] == [
        ("worker-process", WorkerProcessOptions)
    ]


def test_it_is_found_without_importing_pytest():
    code = "import anystore_doe.testing.worker_process.executor, sys; print('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


DRIVER = """
import logging, os, sys, time
from pathlib import Path
from anystore_doe.contract import ExecutorContext
from anystore_doe.testing.executor_bench import Bench
from anystore_doe.testing.worker_process import WorkerProcessOptions
from anystore_doe.testing.worker_process.executor import WorkerProcessExecutor
bench = Bench(Path(sys.argv[1]))
context = ExecutorContext(live=bench.live, work_root=bench.root, worker_env=os.environ, logger=logging.getLogger())
executor = WorkerProcessExecutor(WorkerProcessOptions(), context)
executor.submit(bench.order("long"))
executor.completed(60)
"""


def test_a_worker_ends_when_the_engine_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)]) as driver:
        for _ in until(30):
            if found := list(tmp_path.glob("*.began.*[0-9]")):
                break
        driver.kill()
    pid = int(found[0].name.split(".")[-2])
    for _ in until(20):
        if not Path(f"/proc/{pid}").exists():
            break
    assert not Path(f"/proc/{pid}").exists()
    assert list(tmp_path.glob("*.over.*[0-9]"))
