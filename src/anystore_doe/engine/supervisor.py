"""The tiny process that owns one slot's solver: ``python -I -S supervisor.py SETTINGS``.

It is started by its path and imports nothing but the standard library: it must start in some tens of milliseconds,
stay small, and be understood in one reading. One thread, one solver at a time.

* ``SETTINGS`` is JSON: ``engine`` (pid), ``engine_started`` (clock ticks after boot), ``cpus``, ``give_up_s``.
* stdin brings JSON lines: a SolveRequest with an ``id``, or ``{"cancel": id, "grace_s": ...}``. Texts are bytes
  written as Latin-1, so that any file name survives whatever the locale is.
* stdout answers each request with one JSON line: the fields of an ExitRecord, ``id``, ``note``, ``stuck`` (the tree
  could not be ended) and ``failure`` (``step:errno``: why nothing was started; ``detail`` is the file meant).

The solver lives in a session of its own. As a child subreaper (prctl(2)) this process inherits every orphan of the
solver's tree, so the tree is over when ``wait4(-1)`` says ECHILD, and only then. When the engine ends (its pidfd
says so, or stdin does) the tree is ended, and so is this process.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # importing typing costs a third of the start-up
if TYPE_CHECKING:
    from typing import Any, NoReturn

LIBC = ctypes.CDLL(None)
LIBC.prctl.argtypes = [ctypes.c_long] * 5
LIBC.sigprocmask.argtypes = [ctypes.c_long] * 3
LINGER_S = 0.5
"""How long descendants may go on after the solver ended by itself: a ``tee`` at its end of a pipe needs a moment."""
SHORT_GRACE_S = 1.0
"""From TERM to KILL for strays, and for everything when the engine is gone."""
ROUND_S = 0.05
"""Between two rounds of KILL."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
# Only the engine decides: what a terminal or a batch system sends to everybody is not for this process. Blocked, not
# ignored: a blocked signal waits for the solver between fork and exec, an ignored one would be lost. With SIGPIPE
# blocked, writing to an engine that is gone is an error, as it should be.
DEAF_TO = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "PIPE", "TSTP", "TTIN", "TTOU", "XFSZ")
EMPTY_SET = ctypes.create_string_buffer(128)  # a sigset_t
NO_SIGNALS = ctypes.addressof(EMPTY_SET)


class Stat:
    """A process as ``/proc/PID/stat`` shows it (proc_pid_stat(5)); ``started`` is in clock ticks after boot."""

    __slots__ = ("group", "parent", "started", "state")

    def __init__(self, line: bytes) -> None:
        """Read the line of the file; the name, its second field, may hold blanks and brackets."""
        fields = line.rpartition(b")")[2].split()
        self.state = fields[0]
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.started = int(fields[19])


def stat_of(pid: int | str) -> Stat | None:
    """Return what ``/proc`` says about a process, or ``None`` when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  importing pathlib costs a third of the start-up
            return Stat(file.read())
    except OSError:
        return None


def descendants() -> dict[int, Stat]:
    """Return every living descendant of this process, as one pass over ``/proc`` sees them."""
    seen = {int(name): stat for name in os.listdir("/proc") if name.isdecimal() and (stat := stat_of(name))}  # noqa: PTH208
    children: dict[int, list[int]] = {}
    for pid, stat in seen.items():
        children.setdefault(stat.parent, []).append(pid)
    found: dict[int, Stat] = {}
    ahead = [os.getpid()]
    while ahead:
        below = children.pop(ahead.pop(), [])
        ahead += below
        found.update((pid, seen[pid]) for pid in below if seen[pid].state not in {b"Z", b"X"})
    return found


def tell(pid: int, number: int, family: dict[int, Stat]) -> bool:
    """Send a signal to a descendant, and to nobody who got its number meanwhile; tell whether it was sent."""
    try:
        if family[pid].parent == os.getpid():
            os.kill(pid, number)  # only this process can reap it: until then the number is its own
            return True
        fd = os.pidfd_open(pid)
        try:
            now = stat_of(pid)
            if now is not None and now.started == family[pid].started:
                signal.pidfd_send_signal(fd, number)
                return True
        finally:
            os.close(fd)
    except (AttributeError, OSError):  # gone; or no pidfd here: it is reached once its parents are dead
        pass
    return False


class Wires:
    """What this process listens to: messages on stdin, the end of the engine, the end of children."""

    def __init__(self, engine: int, engine_started: int) -> None:
        """Listen to stdin, to the process ``engine`` and to SIGCHLD."""
        self.engine = engine
        self.messages: list[dict[str, Any]] = []
        self._rest = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._woken, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._woken, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._longest_s = 3600.0
        try:
            self._poll.register(os.pidfd_open(engine), select.POLLIN)
        except (AttributeError, OSError):  # gone, or an old kernel: look at the parent every second instead
            self._longest_s = 1.0
        stat = stat_of(engine)
        self.engine_gone = stat is None or stat.started != engine_started

    def wait(self, timeout_s: float | None) -> None:
        """Return when something happened, or after ``timeout_s``; what came is in :attr:`messages`."""
        timeout_s = self._longest_s if timeout_s is None else max(0.0, min(timeout_s, self._longest_s))
        for fd, _ in self._poll.poll(int(timeout_s * 1000) + 1):
            if fd == 0:
                self._receive()
            elif fd == self._woken:
                os.read(fd, 4096)
            else:
                self._poll.unregister(fd)
                self.engine_gone = True
        if os.getppid() != self.engine:
            self.engine_gone = True

    def _receive(self) -> None:
        data = os.read(0, 1 << 20)
        if not data:
            self._poll.unregister(0)
            self.engine_gone = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.messages += [json.loads(line) for line in lines]

    def cancelled(self, request_id: int) -> float | None:
        """Take the messages that cancel a request; return the shortest grace they give in seconds."""
        graces = [m["grace_s"] for m in self.messages if m.get("cancel") == request_id]
        self.messages = [m for m in self.messages if "cancel" not in m]
        return min(graces, default=None)


class Tree:
    """One solver and everything that descends from it."""

    def __init__(self, main: int, failure: int) -> None:
        """Take over the child ``main``; on the pipe ``failure`` it says ``step:errno`` if it could not start."""
        self.main = main
        self.status: int | None = None
        self.over = False
        self.cpu_s = 0.0
        self.max_rss_bytes = 0
        self.strays: set[int] = set()
        self.failure = failure

    def reap(self) -> None:
        """Take every child that ended, adopted ones too; note when there is none left at all."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.over = True
                return
            if pid == 0:
                return
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.max_rss_bytes = max(self.max_rss_bytes, usage.ru_maxrss * 1024)
            if pid == self.main:
                self.status = status

    def end(self, number: int) -> None:
        """Send a signal to every process of the tree, once: a second TERM means "at once" to an mpirun."""
        family = descendants()
        grouped = self.status is None
        if grouped:
            try:
                os.killpg(self.main, number)  # all at once: a group can not fork away from this
            except OSError:  # it has not called setsid yet
                grouped = False
        for pid, stat in family.items():
            in_group = grouped and stat.group == self.main
            if not in_group and tell(pid, number, family) and self.status is not None:
                self.strays.add(pid)


def execute(request: dict[str, Any]) -> None:
    """Become the command, looked for as execvp(3) does, in the PATH of its own environment.

    Raises:
        OSError: it can not be started; the first reason that is not "there is no such file".
    """
    name = request["argv"][0]
    folders = [b""] if b"/" in name else request["env"].get(b"PATH", os.defpath.encode()).split(b":")
    reason = OSError(errno.ENOENT, "")
    for folder in folders:
        try:
            os.execve(folder + b"/" + name if folder else name, request["argv"], request["env"])  # noqa: S606  no shell on purpose
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                reason = reason if reason.errno != errno.ENOENT else error
    raise reason


def become(request: dict[str, Any], opened: list[int], parent: int) -> NoReturn:
    """Turn this forked child into the solver; ``opened``: stdin, stdout, stderr, the pipe for what failed."""
    # Every object that is touched here costs a copied page: no signal module, no loops, numbers for addresses.
    step = "start"
    try:
        os.setsid()
        LIBC.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
        if os.getppid() != parent:  # it died before the signal was asked for
            os._exit(127)
        os.dup2(opened[0], 0)
        os.dup2(opened[1], 1)
        os.dup2(opened[2], 2)
        step = "cwd"
        os.chdir(request["cwd"])
        step = "exec"
        LIBC.sigprocmask(2, NO_SIGNALS, 0)  # SIG_SETMASK
        execute(request)
    except OSError as error:
        os.write(opened[3], f"{step}:{error.errno}".encode())
    except BaseException:  # noqa: BLE001  a fork of the supervisor must never go on as a second supervisor
        os.write(opened[3], f"{step}:{errno.EINVAL}".encode())
    os._exit(127)


def start(request: dict[str, Any]) -> Tree:
    """Start the solver of a request.

    Raises:
        OSError: a log can not be made, or this machine has no room for another process.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW  # it may be a solver's link
    opened: list[int] = []
    parent = os.getpid()
    try:
        opened.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        opened.append(os.open(request["stdout"], flags, 0o666))
        same = request["stdout"] == request["stderr"]
        opened.append(os.dup(opened[1]) if same else os.open(request["stderr"], flags, 0o666))
        told, failure = os.pipe2(os.O_CLOEXEC)
        opened.append(failure)
        pid = os.fork()
        if pid == 0:
            become(request, opened, parent)
        return Tree(pid, told)
    finally:
        for fd in opened:
            os.close(fd)


class Watchman:
    """Looks after one tree until it is over, or until it can not be ended.

    Phases: ``solving`` - the solver lives; ``linger`` - it ended, descendants are left; ``asked`` - all were sent
    TERM; ``killing`` - all are sent KILL, again and again. ``until`` is when the phase ends at the latest.
    """

    def __init__(self, request: dict[str, Any], tree: Tree, wires: Wires, give_up_s: float) -> None:
        """Begin the phase ``solving``; ``give_up_s`` is how long KILL is tried."""
        self.request, self.tree, self.wires, self.give_up_s = request, tree, wires, give_up_s
        self.how = ""
        self.give_up_at = 0.0
        self.stuck = False
        self.phase = "solving"
        self.until: float | None = None
        if request["timeout_s"] is not None:
            self.until = time.monotonic() + request["timeout_s"]

    def watch(self) -> None:
        """Return when the tree is over; or, with ``stuck`` set, when KILL did not help for ``give_up_s``."""
        while not self.stuck:
            self._heed_the_engine()
            self.wires.wait(None if self.until is None else self.until - time.monotonic())
            self.tree.reap()
            if self.tree.over:
                return
            if self.phase == "solving" and self.tree.status is not None:
                self._begin("linger", LINGER_S)
            elif self.until is not None and time.monotonic() >= self.until:
                self._step_on()

    def _heed_the_engine(self) -> None:
        grace_s = self.wires.cancelled(self.request["id"])
        if self.wires.engine_gone:
            grace_s = min(self.request["grace_s"], SHORT_GRACE_S)
        if grace_s is None or self.phase == "killing":
            return
        if self.phase == "asked":
            self.until = min(self.until or 0.0, time.monotonic() + grace_s)
        else:
            self._ask("cancelled" if self.tree.status is None else "", grace_s)

    def _step_on(self) -> None:
        if self.phase == "solving":
            self._ask("timed-out", self.request["grace_s"])
        elif self.phase == "linger":
            self._ask("", SHORT_GRACE_S)
        else:
            if self.phase == "asked":
                self.give_up_at = time.monotonic() + self.give_up_s
            self.stuck = time.monotonic() >= self.give_up_at
            self._begin("killing", ROUND_S)
            self.tree.end(signal.SIGKILL)

    def _ask(self, how: str, grace_s: float) -> None:
        self.how = how
        self._begin("asked", grace_s)
        self.tree.end(signal.SIGTERM)

    def _begin(self, phase: str, length_s: float) -> None:
        self.phase = phase
        self.until = time.monotonic() + length_s


def solve(request: dict[str, Any], wires: Wires, give_up_s: float) -> dict[str, Any]:
    """Run one solver to the end of its whole tree; return the answer."""
    began = time.monotonic()
    answer: dict[str, Any] = {"id": request["id"], "how": "not-started"}
    try:
        tree = start(request)
    except OSError as error:
        return {**answer, "failure": f"start:{error.errno}", "detail": os.fsdecode(error.filename or "")}
    man = Watchman(request, tree, wires, give_up_s)
    man.watch()
    answer |= {"wall_s": time.monotonic() - began, "cpu_s": tree.cpu_s, "max_rss_bytes": tree.max_rss_bytes}
    answer["strays"] = len(tree.strays)
    if man.stuck:
        left = ", ".join(map(str, sorted(descendants()))) or str(tree.main)
        answer["stuck"] = True
        answer["detail"] = f"did not die within {give_up_s:g} s of KILL: process {left}"
    if tree.status is None:
        answer["how"] = man.how
    elif failure := os.read(tree.failure, 64):
        answer["failure"] = failure.decode()
    elif os.WIFSIGNALED(tree.status):
        answer |= {"how": man.how or "signalled", "signal": os.WTERMSIG(tree.status)}
    else:
        answer |= {"how": man.how or "exited", "code": os.WEXITSTATUS(tree.status)}
    os.close(tree.failure)
    return answer


def as_bytes(request: dict[str, Any]) -> dict[str, Any]:
    """Turn the texts of a request back into the bytes that they stand for."""
    texts = {name: request[name].encode("latin-1") for name in ("cwd", "stdout", "stderr")}
    argv = [word.encode("latin-1") for word in request["argv"]]
    env = {name.encode("latin-1"): value.encode("latin-1") for name, value in request["env"].items()}
    return {**request, **texts, "argv": argv, "env": env}


def main(settings: dict[str, Any]) -> None:
    """Serve requests until the engine is gone, or a tree can not be ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.Signals["SIG" + name] for name in DEAF_TO])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)  # what is ignored here would be ignored by the solver too
    wires = Wires(settings["engine"], settings["engine_started"])
    note = ""
    try:
        if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            note = "this system has no child subreapers: what a solver leaves running in the background is not ended"
        os.sched_setaffinity(0, settings["cpus"] or os.sched_getaffinity(0))
    except OSError as error:
        note = f"can not use the cores {settings['cpus']}: {error.strerror}"
    gc.freeze()  # what is never written after a fork needs not be copied
    while not wires.engine_gone:
        wires.wait(None)
        requests = [m for m in wires.messages if "argv" in m]
        wires.messages = [m for m in wires.messages if "argv" not in m]
        for request in requests:
            answer = solve(as_bytes(request), wires, settings["give_up_s"])
            answer["note"] = note
            os.write(1, json.dumps(answer).encode() + b"\n")
            if answer.get("stuck"):
                return


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except BrokenPipeError:  # the engine is gone
        sys.exit(0)
