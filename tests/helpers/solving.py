"""What tests of slots share: threads with results, polling with a deadline, and solvers that sleep."""

import logging
import threading
import time
from pathlib import Path

from anystore_doe.errors import AnystoreDoeError

LOGGER = logging.getLogger("anystore_doe.test")


def until(condition, what, timeout_s=20.0):
    """Poll until ``condition()`` is true, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)
    return found


def in_thread(function):
    """Run ``function`` in a thread; return a function that waits for its result."""
    results = []

    def body():
        try:
            results.append(function())
        except AnystoreDoeError as error:
            results.append(error)

    thread = threading.Thread(target=body)
    thread.start()

    def result():
        thread.join(30)
        assert results, "the thread did not end"
        return results[0]

    return result


def sleepers(*seconds):
    """Return the living processes ``sleep N``, zombies not counted."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == b"sleep" and words[1].decode() in map(str, seconds):
                found.append(int(process.name))
    return found
