"""Slots: seats for solvers, handed out in order of arrival, each with cores and a supervisor of its own."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.engine.cores import pin_slots
from anystore_doe.engine.supervised import SupervisorProcess
from anystore_doe.errors import AnystoreDoeError, RunError
from anystore_doe.model import ExitRecord

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from anystore_doe.engine.supervised import Ended
    from anystore_doe.model import SolveRequest

MEASURING = -1
"""The index of the seat for metrics commands."""
GIVE_UP_S = 60.0
"""How long a process tree that does not die is sent KILL before its slot is given up."""


class SlotsClosedError(AnystoreDoeError):
    """There is no seat to be had any more: the slots were cancelled or closed."""


class Seat:
    """A seat for one solver at a time, and the supervisor that serves it. :class:`SlotPool` makes and lends it.

    Attributes:
        index: 0-based; -1 for the measuring seat.
        cpus: The CPUs that its solvers are bound to, ascending; empty when they are not.
        given_up: A process tree on this seat could not be ended; it is not lent any more.
    """

    def __init__(self, index: int, cpus: tuple[int, ...], *, give_up_s: float, logger: logging.Logger) -> None:
        """Make the seat; its supervisor is started when it is needed."""
        self.index = index
        self.cpus = cpus
        self.given_up = False
        self._give_up_s = give_up_s
        self._logger = logger
        self._supervisor: SupervisorProcess | None = None
        self._noted = ""
        self._busy = threading.Lock()  # held by the thread that solves
        self._lock = threading.Lock()  # guards _supervisor, _grace_s and _closed
        self._grace_s: float | None = None
        self._closed = False

    def solve(self, request: SolveRequest) -> ExitRecord:
        """Run a solver and wait for the end of its whole process tree.

        Blocks; called by the thread that holds the seat. The environment gets one more variable, the mark by which
        what is left of a tree is found when its supervisor dies. Once the pool is cancelled, nothing is started.

        Raises:
            LocalResourceError: this machine has no room for another process.
        """
        with self._busy:
            with self._lock:
                if self.given_up:
                    return ExitRecord(how="lost", detail="this slot is given up: on it is a process that does not die")
                if self._grace_s is not None or self._closed:
                    return ExitRecord(how="cancelled", detail="the slots were closed before it was started")
                supervisor = self._living()
                if not supervisor.send(request):  # it died just now, with nothing to do
                    supervisor = self._living()
                    supervisor.send(request)
            try:
                ended = supervisor.answer(request)
            except BaseException:  # Ctrl-C: the next solver must not meet this one
                self._drop(supervisor)
                raise
            self._settle(supervisor, ended)
            return ended.record

    def start(self) -> None:
        """Start the supervisor, so that the first solver need not wait for it.

        Raises:
            LocalResourceError: this machine has no room for another process.
        """
        with self._lock:
            if not self._closed and not self.given_up:
                self._living()

    def cancel(self, grace_s: float) -> None:
        """End the running solver, and start none any more."""
        with self._lock:
            self._grace_s = grace_s
            if self._supervisor is not None:
                self._supervisor.cancel(grace_s)

    def hang_up(self) -> None:
        """Tell the supervisor to end; return at once."""
        with self._lock:
            self._closed = True
            if self._supervisor is not None:
                self._supervisor.hang_up()

    def close(self) -> None:
        """Wait for the end of the supervisor, and of all that it had to end."""
        self.hang_up()
        with self._lock:
            supervisor = self._supervisor
        if supervisor is not None:
            supervisor.end()
            with self._busy:  # whoever solves has its answer now
                self._drop(supervisor)

    def _living(self) -> SupervisorProcess:
        if self._supervisor is not None and not self._supervisor.alive:
            self._logger.warning("slot %d: its supervisor (process %d) died", self.index, self._supervisor.pid)
            self._close(self._supervisor)
            self._supervisor = None
        if self._supervisor is None:
            self._supervisor = SupervisorProcess(self.cpus, give_up_s=self._give_up_s)
        return self._supervisor

    def _settle(self, supervisor: SupervisorProcess, ended: Ended) -> None:
        if ended.note and ended.note != self._noted:
            self._noted = ended.note
            self._logger.warning("slot %d: %s", self.index, ended.note)
        if ended.stuck:
            self.given_up = True
            self._logger.error("slot %d is not used any more: the solver %s", self.index, ended.record.detail)
        if ended.stuck or ended.record.how == "lost":
            self._drop(supervisor)

    def _drop(self, supervisor: SupervisorProcess) -> None:
        with self._lock:
            mine = self._supervisor is supervisor
            if mine:
                self._supervisor = None
        if mine:
            self._close(supervisor)

    def _close(self, supervisor: SupervisorProcess) -> None:
        left = supervisor.close()
        if left.ended:
            self._logger.warning("slot %d: ended what its supervisor left: %s", self.index, sorted(left.ended))
        if left.alive:
            self._logger.error("slot %d: these processes did not die: %s", self.index, sorted(left.alive))


class _Ticket:
    """One who waits for a seat."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.seat: Seat | None = None
        self.refusal: AnystoreDoeError


class _Line:
    """Seats, and those who wait for one, in order of arrival."""

    def __init__(self, seats: list[Seat]) -> None:
        self.seats = seats
        self._free = list(seats)
        self._waiting: deque[_Ticket] = deque()
        self._lock = threading.Lock()
        self._closed: AnystoreDoeError | None = None

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        ticket = _Ticket()
        with self._lock:
            self._waiting.append(ticket)
            self._serve()
        try:
            ticket.called.wait()
            if ticket.seat is None:
                raise ticket.refusal
            yield ticket.seat
        finally:
            self._give_back(ticket)

    def close(self, why: str) -> None:
        with self._lock:
            self._closed = self._closed or SlotsClosedError(why)
            self._serve()

    def _give_back(self, ticket: _Ticket) -> None:
        with self._lock:
            if ticket in self._waiting:  # interrupted while it waited
                self._waiting.remove(ticket)
            if ticket.seat is not None and not ticket.seat.given_up:
                self._free.append(ticket.seat)
            if all(seat.given_up for seat in self.seats):
                self._closed = self._closed or RunError("no slot is left: on each is a process that does not die")
            self._serve()

    def _serve(self) -> None:
        """Call whoever can be served: the first in line gets the free seat with the lowest index."""
        while self._waiting and (self._closed or self._free):
            ticket = self._waiting.popleft()
            if self._closed:
                ticket.refusal = type(self._closed)(self._closed.message)  # an exception belongs to one thread
            else:
                ticket.seat = min(self._free, key=lambda seat: seat.index)
                self._free.remove(ticket.seat)
            ticket.called.set()


class SlotPool:
    """The slots of one worker. Safe to use from many threads; :meth:`close` it, or use it as a context manager.

    Attributes:
        pins: Whether each slot has cores of its own.
        why_not_pinned: Why not, for a warning; ``""`` when it pins.
    """

    def __init__(
        self, *, count: int, cores_per_slot: int, logger: logging.Logger, give_up_s: float = GIVE_UP_S
    ) -> None:
        """Make ``count`` slots of ``cores_per_slot`` cores; no process is started yet.

        Args:
            count: Solvers at once.
            cores_per_slot: CPUs that each slot has for itself, where the machine has enough.
            logger: Told about supervisors that died and processes that did not.
            give_up_s: How long KILL is tried on a process tree before its slot is given up.
        """
        pinning = pin_slots(count, cores_per_slot)
        self.pins = not pinning.why_not
        self.why_not_pinned = pinning.why_not
        self._slots = _Line(
            [Seat(index, cpus, give_up_s=give_up_s, logger=logger) for index, cpus in enumerate(pinning.cpus)]
        )
        self._measuring = _Line([Seat(MEASURING, (), give_up_s=give_up_s, logger=logger)])

    def __enter__(self) -> SlotPool:
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def start(self) -> None:
        """Start the supervisors of all slots and return at once: they get ready while inputs are fetched.

        Raises:
            LocalResourceError: this machine has no room for that many processes.
        """
        for seat in self._slots.seats:
            seat.start()

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """Wait for a slot, in order of arrival, and lend it.

        Raises:
            SlotsClosedError: the slots were cancelled or closed.
            RunError: all of them are given up.
        """
        with self._slots.seat() as seat:
            yield seat

    @contextmanager
    def measuring(self) -> Iterator[Seat]:
        """Wait for the seat for metrics commands, in order of arrival, and lend it; it is bound to no cores.

        Raises:
            SlotsClosedError: the slots were closed.
            RunError: the seat is given up.
        """
        with self._measuring.seat() as seat:
            yield seat

    def cancel(self, grace_s: float = 30.0) -> None:
        """End all running solvers as ``cancelled``, and let nobody have a slot any more; return at once.

        The seat for metrics commands stays: what is solved is measured and pushed. Call it again with a smaller
        ``grace_s`` to hurry: it is the time from TERM to KILL.
        """
        self._slots.close("the slots were cancelled")
        for seat in self._slots.seats:
            seat.cancel(grace_s)

    def close(self) -> None:
        """End whatever still runs, soon, and all supervisors; wait for them. Calling it twice is no error."""
        lines = (self._slots, self._measuring)
        for line in lines:
            line.close("the slots were closed")
        seats = [seat for line in lines for seat in line.seats]
        for seat in seats:
            seat.hang_up()
        for seat in seats:
            seat.close()
