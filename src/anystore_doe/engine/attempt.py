"""One attempt at a run: its claim, its number, its folder beside the work folder, and what is written about it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anystore_doe.contract.storage import Watch
from anystore_doe.engine import claim, history, records
from anystore_doe.engine.logs import tail_of
from anystore_doe.errors import AnystoreDoeError, BusyError, CancelledTransferError
from anystore_doe.model import AttemptRecord, Commit, ExitRecord, FileRecord, RunEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anystore_doe.contract.storage import Place
    from anystore_doe.engine.crew import Crew
    from anystore_doe.engine.outputs import Stamp
    from anystore_doe.model import InputIdentity, OrderedRun, Step


LAST_WORD_S = 10.0
"""How long a worker that was stopped tries to release a claim."""


class AlreadyCommittedError(BusyError):
    """The run was committed between plan and claim: there is nothing to do."""


class Attempt:
    """One try at a run, from its claim on. Used by one thread.

    Attributes:
        number: From 1, unique under the output URL.
        folder: Holds ``work/``, the logs and what else must survive a script that ends with ``rm -rf *``; exists
            from :meth:`make_folder` on.
        work: The work folder, in which the solver lives.
        watch: Sees this attempt's transfers; cancelled when the worker stops.
        place: The output URL; opened when the run is claimed.
        strays: Paths of earlier attempts that may not be deleted.
        foreign: Paths under the output URL that are not ours, as they were found after the claim.
        before: The work folder as it was when the solver was started.
        recorded: Whether the store has a record of this attempt.
        adopted: Whether an earlier attempt solved it, and this one only brings it home.
        commit_sent: Whether the store may have the commit: from then on the record stays as the commit knows it.
    """

    place: Place

    def __init__(self, ordered: OrderedRun, crew: Crew) -> None:
        """Begin the step ``claim``; :meth:`end` must follow."""
        self.ordered, self.run, self.crew = ordered, ordered.run, crew
        self.watch = crew.stopper.watch(self._advanced)
        self._is_number(1)
        self.strays: tuple[str, ...] = ()
        self.foreign: frozenset[str] = frozenset()
        self.timings: dict[str, float] = {}
        self.started_at = time.time()
        self.exit: ExitRecord | None = None
        self.scripts: Mapping[str, str] = {}
        self.metrics: Mapping[str, str] = {}
        self.files: tuple[FileRecord, ...] = ()
        self.links: tuple[str, ...] = ()
        self.before: Mapping[str, Stamp] = {}
        self.nonce = ""
        self.recorded = False
        self.adopted = False
        self.commit_sent = False
        self._step: Step = "claim"
        self._since: float | None = None
        self.step("claim")

    def _is_number(self, number: int) -> None:
        self.number = number
        self.folder = self.crew.runs_folder / f"{self.run.run_id}.{number}"
        self.work = self.folder / "work"

    @property
    def current_step(self) -> Step:
        """The step that was begun last."""
        return self._step

    # ── telling ──────────────────────────────────────────────────────────────────────────────────

    def step(self, step: Step, *, slot: int | None = None) -> None:
        """Begin a step: end the one before, tell the observers."""
        self.pause()
        self._step, self._since = step, time.monotonic()
        self.tell("started", slot=slot)

    def pause(self) -> None:
        """End the step that is under way, without beginning another: what follows is waiting."""
        if self._since is not None:
            self.timings[self._step] = self.timings.get(self._step, 0.0) + time.monotonic() - self._since
            self._since = None

    def tell(self, state: Any, **more: Any) -> None:
        """Tell the observers that the run's state changed."""
        self.crew.around.notify(
            RunEvent(
                sweep=self.crew.order.sweep,
                run_id=self.run.run_id,
                attempt=self.number,
                step=self._step,
                state=state,
                at=time.time(),
                **more,
            )
        )

    def end(self, state: Any, error: AnystoreDoeError | None = None, message: str = "") -> None:
        """End the attempt and tell how: ``committed``, ``failed``, ``skipped`` or ``stopped``."""
        self.pause()
        self.crew.stopper.forget(self.watch)
        if error is not None:
            message = f"{error.message}\nHint: {error.hint}" if error.hint else error.message
        self.tell(state, message=message, error_class=error.exit_code if error and state == "failed" else 0)

    def _advanced(self, n: int) -> None:
        self.tell("progress", bytes=n)

    # ── the local folder ─────────────────────────────────────────────────────────────────────────

    def make_folder(self) -> None:
        """Make the work folder, empty; one that a killed engine left under this number is removed."""
        try:
            self.folder.mkdir()
        except FileExistsError:
            self.clean()
            self.folder.mkdir()
        self.work.mkdir()

    def clean(self) -> None:
        """Remove the attempt's folder. Links in it are removed, never followed; what can not be removed is noted."""
        self._clean(self.folder)

    def _clean(self, folder: Path) -> None:
        try:
            _remove(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self.crew.around.logger.warning("run %s: its folder could not be removed: %s", self.run.run_id, error)

    def clean_earlier(self) -> None:
        """Remove the folders of earlier attempts: the newest is the one to look at."""
        for number in range(1, self.number):
            self._clean(self.crew.runs_folder / f"{self.run.run_id}.{number}")

    def is_solved(self) -> None:
        """Let this attempt be finished even when the worker is told to stop: hours of solving are not thrown away."""
        self.crew.stopper.forget(self.watch)

    # ── the store ────────────────────────────────────────────────────────────────────────────────

    def look_back(self, *, claim_is_new: bool) -> None:
        """Number this attempt, and clear the output URL of what earlier ones left there.

        Raises:
            AlreadyCommittedError: the run was committed meanwhile.
            BusyError: it was committed meanwhile with another definition.
        """
        if claim_is_new and not (self.ordered.earlier or self.ordered.replace):
            return
        commit = history.read_commit(self.place)
        # --overwrite is about the commit that plan saw: an order that is started twice must not undo its own work
        may_replace = self.ordered.attempts if self.ordered.replace else 0
        if commit is not None and commit.attempt > may_replace:
            if commit.fingerprint == self.ordered.definition_digest:
                raise AlreadyCommittedError(f"run {self.run.run_id} was committed by another worker")
            raise BusyError(
                f"run {self.run.run_id} was committed meanwhile, with another definition", hint="anystore-doe plan"
            )
        past = history.read_history(self.place)
        self._is_number(max(past.attempts, self.ordered.attempts) + 1)
        self.foreign = frozenset(past.foreign)
        if commit is not None:
            self.place.storage.delete([self.place.at(records.COMMIT)])
        self.strays = history.remove(self.place, past.leftovers)

    def record(self, state: Any, error: AnystoreDoeError | None = None) -> bytes:
        """Write this attempt's record; return its bytes."""
        record = AttemptRecord(
            run_id=self.run.run_id,
            attempt=self.number,
            nonce=self.nonce,
            state=state,
            host=self.crew.me.host,
            started_at=self.started_at,
            step=self._step,
            reason=str(error) if error else "",
            hint=error.hint if error else "",
            error_class=error.exit_code if error else 0,
            exit=self.exit,
            scripts=self.scripts,
            stdout_tail=tail_of(self.folder / "stdout.log"),
            stderr_tail=tail_of(self.folder / "stderr.log"),
            files=self.files,
            links=self.links,
            metrics=self.metrics,
            timings=self.timings,
        )
        history.write_attempt(self.place, record, first=not self.recorded)
        self.recorded = True
        return records.encode(record)

    def commit(self, inputs: tuple[InputIdentity, ...], bytes_in: int) -> None:
        """Complete the record, then write the commit: the run is done."""
        self.pause()
        body = self.record("done")
        exit_code = self.exit.code if self.exit and self.exit.code is not None else 0
        commit = Commit(
            run_id=self.run.run_id,
            nonce=self.nonce,
            attempt=self.number,
            fingerprint=self.ordered.definition_digest,
            values=self.run.values,
            inputs=inputs,
            record_digest=hashlib.sha256(body).hexdigest(),
            files=len(self.files),
            bytes_in=bytes_in,
            bytes_out=sum(f.size for f in self.files),
            exit_code=exit_code,
            committed_at=time.time(),
            strays=self.strays,
            metrics=self.metrics,
            timings={**self.timings, "solve": self.exit.wall_s if self.exit else 0.0},
            versions=self.crew.around.versions,
        )
        self.commit_sent = True
        history.write_commit(self.place, commit, durable=self.crew.order.recipe.durable)


def _make_writable(folder: Path) -> None:
    """Let the owner change every folder below ``folder``: a solver may have taken that right away."""
    for parent, names, _ in os.walk(folder):  # links are listed, not entered
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118  as os.walk gives it
            if not os.path.islink(path):  # noqa: PTH114
                os.chmod(path, 0o700)  # noqa: PTH101


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except PermissionError:
        _make_writable(folder)
        shutil.rmtree(folder)
    except (RecursionError, OSError) as error:
        if not isinstance(error, RecursionError) and error.errno != errno.ENAMETOOLONG:
            raise
        _remove_deep(folder)


def _remove_deep(folder: Path) -> None:
    """Remove folders that lie deeper in each other than Python's own function goes."""
    done = subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(errno.EIO, done.stderr.strip().partition("\n")[0], str(folder))


@contextmanager
def claimed(attempt: Attempt) -> Iterator[None]:
    """Claim the attempt's run and number the attempt; release the claim at the end, whatever happens.

    Raises:
        BusyError: somebody else is at it, or has just committed it.
    """
    attempt.place = attempt.crew.around.open_storage(attempt.run.output)
    held = claim.take(attempt.place, attempt.run, attempt.crew.me)
    try:
        attempt.nonce = held.claim.nonce
        attempt.look_back(claim_is_new=held.new)
        yield
    finally:
        _release(held, attempt.crew)


def _release(held: claim.HeldClaim, crew: Crew) -> None:
    """Release a claim; one that can not be released is taken over later, and is no failure of the run.

    A worker that was stopped does not wait for long for a store that does not answer.
    """
    watch = crew.stopper.watch(lambda _n: None)
    try:
        claim.release(held, watch)
    except CancelledTransferError:
        _release_within(LAST_WORD_S, held, crew)
    except AnystoreDoeError as error:
        crew.around.logger.warning("the claim could not be released: %s", error)
    finally:
        crew.stopper.forget(watch)


def _release_within(limit_s: float, held: claim.HeldClaim, crew: Crew) -> None:
    watch = Watch()
    timer = threading.Timer(limit_s, watch.cancel)
    timer.daemon = True
    timer.start()
    try:
        claim.release(held, watch)
    except AnystoreDoeError as error:
        crew.around.logger.warning("the claim could not be released: %s", error)
    finally:
        timer.cancel()
