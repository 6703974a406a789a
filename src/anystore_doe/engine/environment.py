"""What a solver finds in its environment: the caller's variables without credentials, the row's values, its slot."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import socket
from typing import TYPE_CHECKING

from anystore_doe.engine.cores import usable_cpus
from anystore_doe.engine.leftovers import TOKEN_NAME
from anystore_doe.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anystore_doe.model import Recipe, Run

CLOUD_CREDENTIALS = (
    # Amazon and everything that speaks S3: keys, profiles, roles, container and web identities, and boto 2, whose
    # settings file holds keys (gsutil reads it too).
    "AWS_*",
    "AMAZON_*",
    "BOTO_CONFIG",
    "BOTO_PATH",
    "S3_ACCESS_KEY*",
    "S3_SECRET*",
    "MINIO_*_KEY",
    "MINIO_ROOT_*",
    "MC_HOST_*",
    # Google: key files, tokens, gcloud's whole configuration, and where to ask the metadata server.
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_API_KEY",
    "GCLOUD_KEYFILE_JSON",
    "GCE_METADATA_*",
    "GCS_*",
    "CLOUDSDK_*",
    # Azure: SDK, command line, managed identity. Of ARM_*, only what Terraform reads: to a compiler or a profiler
    # from Arm the prefix means something else.
    "AZURE_*",
    "AZCOPY_*",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "ARM_ACCESS_KEY",
    "ARM_CLIENT_*",
    "ARM_OIDC_*",
    "ARM_SAS_TOKEN",
    "ARM_SUBSCRIPTION_ID",
    "ARM_TENANT_ID",
    # Others that serve object storage, and tools that carry keys of any of them.
    "ALIBABA_CLOUD_*",
    "OSS_ACCESS_KEY*",
    "OSS_SECRET*",
    "B2_APPLICATION_KEY*",
    "OS_PASSWORD",
    "OS_TOKEN",
    "OS_AUTH_TOKEN",
    "OS_APPLICATION_CREDENTIAL_*",
    "ST_KEY",
    "FSSPEC_*",
    "RCLONE_*",
)
"""Names (``fnmatch`` patterns) that no solver gets, whichever plugins are installed; plugins add their own."""

NO_CREDENTIALS = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL*",
    "AWS_CA_BUNDLE",
)
"""Of those, what only says where a store is. A plugin's own patterns are not held back by this."""

NO_CREDENTIALS_ELSEWHERE = {
    # Without these, a cloud's own tools look in the home folder, and then ask the machine they run on.
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "BOTO_CONFIG": "/dev/null",
    "CLOUDSDK_CONFIG": "/dev/null",
    "NO_GCE_CHECK": "true",
    "AZURE_CONFIG_DIR": "/dev/null",
}
"""Set for every solver, so that the clouds' own tools find no credentials; plugins add their own."""

UNBOUND_RANKS = {
    # Open MPI 4 and 5 bind their ranks to the machine's first cores whatever the slot's affinity is: two slots would
    # share them. Left alone, ranks stay on the cores of the slot that started them.
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
"""Set where the user did not say otherwise."""

MAX_ENTRY_BYTES = 131_072
"""``NAME=value`` and the byte that ends it must fit into this (MAX_ARG_STRLEN of execve(2), 4 KiB pages)."""


def common_environment(
    environ: Mapping[str, str], recipe: Recipe, *, credential_env: Sequence[str], blank_env: Mapping[str, str]
) -> dict[str, str]:
    """Return what the solvers of all runs have in common: the caller's environment without credentials.

    Args:
        environ: The caller's environment.
        recipe: Says which credentials are passed on.
        credential_env: Patterns of variables that carry credentials of installed stores.
        blank_env: Variables that keep the tools of installed stores from finding credentials elsewhere.
    """
    env = _without_credentials(environ, recipe, credential_env, blank_env)
    env.pop(TOKEN_NAME, None)  # of an engine that runs this one as its solver
    return env


def solver_environment(
    common: Mapping[str, str],
    *,
    recipe: Recipe,
    run: Run,
    exports: Mapping[str, str],
    attempt: int,
    seat_index: int,
    cpus: Sequence[int],
    cores: int,
    work_dir: Path,
    machinefile: Path,
) -> dict[str, str]:
    """Return the whole environment of one solver.

    Args:
        common: What :func:`common_environment` returned.
        recipe: Says which platform's variables are added.
        run: Whose values these are, for messages.
        exports: What goes in by name: columns, and formatted values of templates.
        attempt: Counted from 1.
        seat_index: The slot, counted from 0; -1 is the measuring seat.
        cpus: The CPUs that the slot is bound to; empty: it is not, and those of this process are named.
        cores: Cores per slot.
        work_dir: The work folder.
        machinefile: A file with :func:`machinefile_text`.

    Raises:
        RunError: a value is too long for an environment, or holds a NUL; the column is named.
    """
    for name, value in exports.items():
        _check(name, value, run)
    env = {**common, **exports}
    ours = {
        "RUN_ID": run.run_id,
        "ATTEMPT": str(attempt),
        "SLOT": str(seat_index),
        "CORES": str(cores),
        "CPUS": ",".join(map(str, cpus or usable_cpus())),
        "WORK_DIR": str(work_dir),
        "MACHINEFILE": str(machinefile),
    }
    env |= {f"ANYSTORE_DOE_{name}": value for name, value in ours.items()}
    for name, value in {"OMP_NUM_THREADS": str(cores), **UNBOUND_RANKS}.items():
        env.setdefault(name, value)
    if recipe.compat == "rescale":
        env |= {"RESCALE_CORES_PER_SLOT": str(cores), "RESCALE_NODES_PER_SLOT": "1"}
        env.setdefault("RESCALE_JOB_ID", run.run_id)
    return env


def machinefile_text(cores: int, *, host: str = "", compact: bool = False) -> str:
    """Return a machine file that gives all ranks to this machine.

    Args:
        cores: Ranks that there is room for.
        host: Name of the machine; ``""``: this one's.
        compact: One line ``host slots=N`` as Open MPI likes it, instead of the name on a line per rank, which every
            MPI reads.
    """
    host = host or socket.gethostname()
    return f"{host} slots={cores}\n" if compact else f"{host}\n" * cores


def _without_credentials(
    environ: Mapping[str, str], recipe: Recipe, credential_env: Sequence[str], blank_env: Mapping[str, str]
) -> dict[str, str]:
    if recipe.share_credentials:
        return dict(environ)
    passed = set(recipe.pass_env)
    env = {
        name: value
        for name, value in environ.items()
        if name in passed or not _carries_credentials(name, credential_env)
    }
    blanks = {**NO_CREDENTIALS_ELSEWHERE, **blank_env}
    return env | {name: value for name, value in blanks.items() if name not in passed}


def _carries_credentials(name: str, credential_env: Sequence[str]) -> bool:
    if _matches(name, credential_env):
        return True
    return _matches(name, CLOUD_CREDENTIALS) and not _matches(name, NO_CREDENTIALS)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return _compiled(tuple(patterns)).match(name) is not None


@functools.cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Make one pattern of many: every variable is looked at for every run."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


def _check(name: str, value: str, run: Run) -> None:
    what = f"column {name!r}" if name in run.values else f"the formatted value {name}"
    if "\0" in value:
        raise RunError(f"run {run.run_id}: {what} holds a NUL, which no environment can hold")
    size = len(os.fsencode(f"{name}={value}")) + 1
    if size > MAX_ENTRY_BYTES:
        raise RunError(
            f"run {run.run_id}: {what} has {size:,} bytes as an environment variable; "
            f"the system takes less than {MAX_ENTRY_BYTES:,}",
            hint="put long data into a file and give it with --input-file or as an input",
        )
