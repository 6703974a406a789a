"""The settings of ``worker-process``."""

from __future__ import annotations

from dataclasses import dataclass

from anystore_doe.contract import option


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcessOptions:
    """Settings of the executor ``worker-process``."""

    workers: int = option("Worker processes; the runs are shared out among them.", default=1)
    pass_env: str = option("Further variables a worker is given: names or patterns, with commas between.", default="")
    grace_s: float = option("Seconds that a cancelled worker has before it is killed.", default=45.0)
