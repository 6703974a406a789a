"""The engine's end of one supervisor: starts it, talks to it, notices its death, and cleans up after it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anystore_doe.engine.leftovers import TOKEN_NAME, Leftovers, end_leftovers, new_token
from anystore_doe.engine.unstarted import why_not_started
from anystore_doe.errors import LocalResourceError
from anystore_doe.model import ExitRecord
from anystore_doe.processes import start_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from anystore_doe.model import SolveRequest

SCRIPT = Path(__file__).with_name("supervisor.py")
# What an interpreter may need to start at all. Everything else is kept from it: a solver can read its parent's.
PASSED_ON = ("LD_LIBRARY_PATH",)
CLOSING_S = 10.0
"""How long a supervisor gets to end its tree when it is closed; then it is killed, and its leftovers with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a request ended; ``stuck``: its tree could not be ended, the supervisor is of no use any more."""

    record: ExitRecord
    stuck: bool = False
    note: str = ""


class SupervisorProcess:
    """One running supervisor. One thread at a time solves; any thread may cancel, one closes.

    Attributes:
        pid: Of the supervisor.
    """

    def __init__(self, cpus: Sequence[int], *, give_up_s: float) -> None:
        """Start it, and don't wait until it is ready: requests wait in the pipe.

        Raises:
            LocalResourceError: this machine has no room for another process.
        """
        settings = {
            "engine": os.getpid(),
            "engine_started": start_ticks(os.getpid()),
            "cpus": list(cpus),
            "give_up_s": give_up_s,
        }
        self._token = new_token()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise LocalResourceError(f"can not start a supervisor for solvers: {error}") from error
        self.pid = self._process.pid
        self._started = start_ticks(self.pid) or 0
        self._lock = threading.Lock()  # held while something is written or closed
        self._running: int | None = None
        self._requests = 0
        self._answers = _Answers(self._process)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, request: SolveRequest) -> bool:
        """Send a request; ``False``: the supervisor is dead, and nothing was started."""
        with self._lock:
            self._requests += 1
            try:
                self._write(_encoded(request, self._requests, self._token))
            except BrokenPipeError:
                return False
            self._running = self._requests
            return True

    def answer(self, request: SolveRequest) -> Ended:
        """Wait for the answer to the request that was sent last; ``lost`` when the supervisor dies over it."""
        line = self._answers.next()
        with self._lock:
            self._running = None
        return self._lost() if line is None else _decoded(json.loads(line), request)

    def cancel(self, grace_s: float) -> None:
        """End the solver that runs now, if any: TERM, and KILL after ``grace_s``."""
        with self._lock:
            if self._running is not None:
                try:
                    self._write(json.dumps({"cancel": self._running, "grace_s": grace_s}).encode() + b"\n")
                except BrokenPipeError:  # answer() notices
                    pass

    def hang_up(self) -> None:
        """Tell it to end its tree, and itself; return at once."""
        with self._lock:
            assert self._process.stdin is not None  # noqa: S101  it is a pipe
            self._process.stdin.close()

    def end(self) -> None:
        """Wait for the end after :meth:`hang_up`; a supervisor that does not end is killed."""
        try:
            self._process.wait(CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> Leftovers:
        """End it, and what it left if it did not end by itself; nobody may be in :meth:`answer`."""
        self.hang_up()
        self.end()
        left = self._clean_up() if self._process.returncode else Leftovers(ended=frozenset(), alive=frozenset())
        self._answers.close()
        self._errors.close()
        return left

    def _write(self, data: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  it is a pipe
        if pipe.closed:
            raise BrokenPipeError
        while data:
            data = data[pipe.write(data) or 0 :]

    def _clean_up(self) -> Leftovers:
        if not self._started:  # it was dead before it could start anything
            return Leftovers(ended=frozenset(), alive=frozenset())
        return end_leftovers(self._token, since_ticks=self._started)

    def _lost(self) -> Ended:
        code = self._process.wait()
        left = self._clean_up()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        detail = f"the supervisor of this slot (process {self.pid}) ended with {end}"
        detail += f" ({words})" if words else ""
        detail += f"; {len(left.ended)} processes that it left were ended" if left.ended else ""
        if left.alive:
            detail += f"; these did not die: {', '.join(map(str, sorted(left.alive)))}"
        return Ended(record=ExitRecord(how="lost", detail=detail), stuck=bool(left.alive))


class _Answers:
    """The lines that a supervisor writes. A child of the engine may hold the pipe open: its death is watched too."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        self._process = process
        self._pipe = process.stdout
        self._fd = self._pipe.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        try:
            self._death = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # an old kernel: look every second
            self._death = -1
        else:
            self._poll.register(self._death, select.POLLIN)

    def next(self) -> bytes | None:
        """Wait for the next line; ``None``: it died first."""
        line = b""
        while not line.endswith(b"\n"):
            ready = {fd for fd, _ in self._poll.poll(None if self._death >= 0 else 1000)}
            if self._fd in ready:
                data = os.read(self._fd, 1 << 16)
                if not data:
                    return None
                line += data
            elif self._death in ready or self._process.poll() is not None:
                return None
        return line

    def close(self) -> None:
        self._pipe.close()
        if self._death >= 0:
            os.close(self._death)
            self._death = -1


def _raw(text: str) -> str:
    """Write the bytes that the system knows a text by as Latin-1."""
    return text if text.isascii() else os.fsencode(text).decode("latin-1")


def _encoded(request: SolveRequest, number: int, token: str) -> bytes:
    message = {
        "id": number,
        "argv": [_raw(word) for word in request.argv],
        "cwd": _raw(request.cwd),
        "env": {_raw(name): _raw(value) for name, value in request.env.items()} | {TOKEN_NAME: token},
        "stdout": _raw(request.stdout),
        "stderr": _raw(request.stderr),
        "timeout_s": request.timeout_s,
        "grace_s": request.grace_s,
    }
    return json.dumps(message).encode() + b"\n"


def _decoded(answer: dict[str, Any], request: SolveRequest) -> Ended:
    detail = answer.get("detail", "")
    if answer.get("failure"):
        detail = why_not_started(request, answer["failure"], detail)
    record = ExitRecord(
        how=answer["how"],
        code=answer.get("code"),
        signal=answer.get("signal"),
        wall_s=answer.get("wall_s", 0.0),
        cpu_s=answer.get("cpu_s", 0.0),
        max_rss_bytes=answer.get("max_rss_bytes", 0),
        strays=answer.get("strays", 0),
        detail=detail,
    )
    return Ended(record=record, stuck=answer.get("stuck", False), note=answer["note"])
