"""Things that happen at once: rounds of a race, threads that take turns often, an act in the middle of a transfer."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from anystore_doe.contract import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 2.0
"""How long a transfer's report waits for what a test does meanwhile; a provider may need that very thread for it."""
REST_S = 0.001


def rounds(*, least: int = 2, most: int = 60, for_s: float = 0.5) -> Iterator[int]:
    """Number the rounds of a race: ``least`` of them, and up to ``most`` while there is time."""
    until_s = time.monotonic() + for_s
    for number in range(most):
        if number >= least and time.monotonic() > until_s:
            return
        yield number


@contextlib.contextmanager
def stumbling(seed: str) -> Iterator[None]:
    """Let this thread rest for a moment after each call of the system, and after some others, as on a busy machine.

    Between a look at a file and the step that relies on it, others get their turn.
    """
    chance = random.Random(seed)  # noqa: S311  no secret

    def rest(_frame: object, event: str, called: object) -> None:
        if event not in {"c_return", "c_exception"}:
            return
        if getattr(called, "__module__", "") == os.stat.__module__ or chance.random() < 0.1:
            time.sleep(chance.random() * REST_S)

    before = sys.getprofile()
    sys.setprofile(rest)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    """Let threads take turns as often as they can, so that a gap between two steps is hit."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)


@contextlib.contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[Watch]:
    """Yield a watch; when its transfer reports its first bytes, ``act`` happens in another thread."""
    begun, done = threading.Event(), threading.Event()

    def advanced(_: int) -> None:
        if not begun.is_set():
            begun.set()
            done.wait(PATIENCE_S)

    def go() -> None:
        begun.wait()
        try:
            act()
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(go)
        try:
            yield Watch(advanced)
        finally:
            begun.set()
        future.result()
