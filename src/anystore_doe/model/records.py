"""What happened: how a solver ended, what is written under an output URL, what observers are told."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  resolved at run time when JSON is decoded
from dataclasses import dataclass, field
from typing import Literal

from anystore_doe.model.order import SCHEMA

OUR_FOLDER = "_anystore"
"""The folder under each output URL that holds claim, attempt records and commit."""

CLAIM_PATH = f"{OUR_FOLDER}/claim.json"
"""Path of the claim under the output URL; replaced at every beat."""

ATTEMPTS_PATH = f"{OUR_FOLDER}/attempts"
"""Path of the folder of attempt records under the output URL; a record is written twice, each long log once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """What a slot's supervisor starts: no shell, own session, stdout and stderr into files.

    Attributes:
        argv: Words of the command.
        cwd: Absolute path, exists.
        env: The whole environment of the solver.
        stdout: Absolute path of the log file, made anew.
        stderr: The same for stderr.
        timeout_s: Wall-clock limit, or ``None``.
        grace_s: From the polite to the final signal when it must end.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    stdout: str
    stderr: str
    timeout_s: float | None = None
    grace_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How a solver (or metrics command) ended.

    Attributes:
        how: ``exited`` (see ``code``), ``signalled`` (see ``signal``), ``timed-out``, ``cancelled``,
            ``not-started`` (see ``detail``: command not found ...), ``lost`` (its supervisor died).
        wall_s: From start to the end of the whole process tree.
        cpu_s: User and system time of the tree, as far as it was reaped.
        max_rss_bytes: Of the largest process of the tree.
        strays: Processes of the tree that were still alive after the solver ended, and were ended.
    """

    how: Literal["exited", "signalled", "timed-out", "cancelled", "not-started", "lost"]
    code: int | None = None
    signal: int | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    strays: int = 0
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.how == "exited" and self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One pushed output: its path below the output URL, size in bytes and checksum ``algorithm:hex``."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputIdentity:
    """What one input was: its pin, and what tells its content; for a tree, digests over those of its objects."""

    url: str
    pin: str | None
    size: int
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """``claim.json``: who is at a run. ``beat`` counts, ``beat_s`` is the promised interval in seconds."""

    nonce: str
    state: Literal["held", "released"]
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    pid_started: int
    since_at: float
    beat_s: float = 30.0
    beat: int = 0
    stage: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """``attempts/<n>.json``: one try at a run, failed ones too.

    ``state`` is ``pushing`` from before the first push, then ``done`` or ``failed``. ``error_class`` is the
    exit code that the failure belongs to, 0 when there is none.
    """

    run_id: str
    attempt: int
    nonce: str
    state: Literal["pushing", "done", "failed"]
    host: str
    started_at: float
    step: str = ""
    reason: str = ""
    hint: str = ""
    error_class: int = 0
    exit: ExitRecord | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)
    stdout_tail: str = ""
    stderr_tail: str = ""
    files: tuple[FileRecord, ...] = ()
    links: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """``commit.json``: written last; a run is done when, and only when, it is there.

    ``fingerprint`` is the digest of the definition; together with ``inputs`` it tells whether the same run
    would be done again. ``strays`` are left over from earlier attempts, where deleting is not allowed.
    ``timings`` are seconds per step, ``versions`` names what made it.
    """

    run_id: str
    nonce: str
    attempt: int
    fingerprint: str
    values: Mapping[str, str]
    inputs: tuple[InputIdentity, ...]
    record_digest: str
    files: int
    bytes_in: int
    bytes_out: int
    exit_code: int
    committed_at: float
    strays: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """``solved.json`` beside a work folder: a solver's end, written before its outputs are pushed.

    It lets an engine that comes later push what is there instead of solving it again.

    Attributes:
        fingerprint: Digest of the definition that was solved.
        pinned: The inputs as they were planned: the same pins are the same inputs.
        inputs: The inputs as the commit will keep them.
        bytes_in: What was fetched.
        files: What is to be pushed, with the digests of the files as the solver left them.
    """

    run_id: str
    fingerprint: str
    pinned: tuple[InputIdentity, ...]
    inputs: tuple[InputIdentity, ...]
    bytes_in: int
    exit: ExitRecord
    started_at: float
    scripts: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileRecord, ...] = ()
    links: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    schema: int = SCHEMA


Step = Literal["claim", "fetch", "unpack", "render", "solve", "measure", "push", "commit", "clean"]
"""The steps of a run's life after plan, in their order."""

STEPS: tuple[Step, ...] = (
    "claim",
    "fetch",
    "unpack",
    "render",
    "solve",
    "measure",
    "push",
    "commit",
    "clean",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """What observers are told: ``step`` of a run began, or its state changed.

    Attributes:
        state: ``started`` (a step began), ``progress`` (``bytes`` more moved), ``committed``, ``failed``,
            ``skipped`` and ``stopped`` (``message`` says why); the last four end a run's life.
        slot: Index of the slot while solving, else ``None``.
        bytes: Moved since the last event of this step.
        message: Why, for ``failed`` and ``skipped``; a remark otherwise.
        error_class: For ``failed``: the exit code that the failure belongs to.
    """

    sweep: str
    run_id: str
    attempt: int
    step: Step
    state: Literal["started", "progress", "committed", "failed", "skipped", "stopped"]
    at: float
    slot: int | None = None
    bytes: int = 0
    message: str = ""
    error_class: int = 0
