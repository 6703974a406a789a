"""The executor ``hello`` keeps the contract of an executor."""

from anystore_doe.testing import ExecutorContract

from anystore_doe_hello import HelloExecutorOptions, open_hello_executor


class TestHelloExecutor(ExecutorContract):
    def open(self, context):
        return open_hello_executor(HelloExecutorOptions(workers=2), context)
