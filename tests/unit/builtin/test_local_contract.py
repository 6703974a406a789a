"""``local`` passes the executor suite."""

from anystore_doe.builtin.local.executor import LocalExecutor
from anystore_doe.testing.executor_contract import ExecutorContract


class TestLocalExecutor(ExecutorContract):
    def open(self, context):
        return LocalExecutor(context)
