"""What all runs of one worker share: its order, what it was handed, its gates, and how it is stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anystore_doe.contract.storage import Watch
from anystore_doe.errors import InternalError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anystore_doe.contract.storage import Place
    from anystore_doe.engine.slots import SlotPool
    from anystore_doe.engine.staging import Archives
    from anystore_doe.model import RunEvent, WorkOrder
    from anystore_doe.processes import ProcessIdentity

TRANSFERS_IN = 2
"""Runs that stage in at once. Ungated, all runs ahead share the link and arrive late together (measured:
1.34 times the bound of the makespan ungated, 1.13 times gated)."""

TRANSFERS_OUT = 2
"""Runs that stage out at once."""


class Stopper:
    """Hands out watches, and cancels all of them at once when the worker is to stop."""

    def __init__(self) -> None:
        """Start running."""
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped

    def watch(self, advanced: Callable[[int], None]) -> Watch:
        """Return a watch that is cancelled by :meth:`stop`; give it back with :meth:`forget`."""
        watch = Watch(advanced)
        with self._lock:
            self._watches.add(watch)
            if self._stopped:
                watch.cancel()
        return watch

    def forget(self, watch: Watch) -> None:
        """Take a watch back."""
        with self._lock:
            self._watches.discard(watch)

    def stop(self) -> None:
        """Cancel every transfer, now and from now on."""
        with self._lock:
            self._stopped = True
            for watch in self._watches:
                watch.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the engine is handed by its caller, and never looks for itself.

    Attributes:
        open_storage: URL to place; thread-safe.
        archives: The installed archive formats.
        environ: The environment that solvers' environments are made from.
        credential_env: Patterns of variables that no solver gets.
        blank_env: Variables that every solver gets so that its tools find no credentials elsewhere.
        notify: Told every event, from any thread; returns soon, raises nothing.
        logger: For remarks; never for secrets.
        versions: Names and versions that a commit says it was made by.
        bug_of: Returns the error that names the plugin whose code raised what nobody should; ``None``: it was ours.
    """

    open_storage: Callable[[str], Place]
    archives: Archives
    environ: Mapping[str, str]
    credential_env: tuple[str, ...]
    blank_env: Mapping[str, str]
    notify: Callable[[RunEvent], None]
    logger: logging.Logger
    versions: Mapping[str, str] = field(default_factory=dict)
    bug_of: Callable[[BaseException], InternalError | None] = lambda _error: None

    def bug(self, error: BaseException, hint: str = "") -> InternalError:
        """Return the error to raise for one that no part of ours, and no plugin, should have raised."""
        whose = self.bug_of(error) or InternalError(f"a bug of ours: {type(error).__name__}: {error}")
        whose.hint = hint or whose.hint
        return whose


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What all runs of one worker share.

    Attributes:
        runs_folder: Where work folders are made; exists.
        machinefile: Names this machine once per core of a slot, for MPI; read by every solver.
        common_env: What the environments of all solvers have in common.
        me: This process, as claims name it.
    """

    order: WorkOrder
    around: Surroundings
    slots: SlotPool
    runs_folder: Path
    machinefile: Path
    common_env: Mapping[str, str]
    me: ProcessIdentity
    stopper: Stopper = field(default_factory=Stopper)
    gate_in: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(TRANSFERS_IN))
    gate_out: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(TRANSFERS_OUT))
