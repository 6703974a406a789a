"""What the columns of a run table are for, and which names a column may not have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import Findings, did_you_mean, shown
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.definition.settings import Settings
    from anystore_doe.definition.table import Table

RUN_ID = "run_id"
MISSPELT = 2
"""So many wrong letters away from ``input`` or ``output``, a column of URLs is taken for misspelt."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STEERING = _words(
    "_ PATH CDPATH FPATH MANPATH ENV IFS SHELLOPTS PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 HOME USER LOGNAME UID EUID "
    "GID EGID PPID SECONDS RANDOM SRANDOM LINENO EPOCHSECONDS EPOCHREALTIME PWD OLDPWD SHELL SHLVL TMPDIR TMP "
    "TEMP TERM TERMINFO TERMCAP TZ TZDIR LANG LANGUAGE HOSTNAME HOSTTYPE MACHTYPE OSTYPE HOSTFILE OPTARG OPTIND "
    "OPTERR POSIXLY_CORRECT GLOBIGNORE EXECIGNORE FIGNORE TIMEFORMAT TMOUT REPLY DIRSTACK FUNCNAME FUNCNEST "
    "GROUPS PIPESTATUS COPROC MAPFILE CHILD_MAX INPUTRC EDITOR VISUAL PAGER LESSOPEN LESSCLOSE NULLCMD "
    "READNULLCMD ZDOTDIR GCONV_PATH GETCONF_DIR LOCPATH NLSPATH RES_OPTIONS HOSTALIASES LOCALDOMAIN "
    "RESOLV_HOST_CONF GLIBC_TUNABLES NODE_OPTIONS NODE_PATH CLASSPATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS "
    "JDK_JAVA_OPTIONS R_HOME R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER R_LIBS R_LIBS_USER TCLLIBPATH "
    "MAKEFLAGS MFLAGS KUBECONFIG SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF REQUESTS_CA_BUNDLE CURL_CA_BUNDLE "
    "CURL_HOME KRB5_CONFIG KRB5CCNAME"
)
_STEERING_STARTS = _words(
    "LD_ DYLD_ BASH HIST LC_ MALLOC_ PYTHON PERL RUBY LUA_ JULIA_ PHP_ GIT_ SSH_ DOCKER_ XDG_ OMPI_ OPAL_ PRTE_ "
    "PMIX_ MPICH_ I_MPI_ HYDRA_ UCX_ SLURM_ PBS_ LSB_ FLUX_"
)
_OURS_OR_KEYS = re.compile(
    r"AWS_.*|AMAZON_.*|BOTO_.*|AZURE_.*|AZCOPY_.*|ARM_.*|MSI_.*|IDENTITY_.*|IMDS_.*|GOOGLE_.*|CLOUDSDK_.*|GCLOUD_.*"
    r"|GCE_.*|GCS_.*|NO_GCE_CHECK|STORAGE_EMULATOR_HOST|OSS_.*|ALIBABA_.*|FSSPEC_.*|RCLONE_.*|MINIO_.*|MC_HOST_.*"
    r"|S3_(ACCESS_KEY|SECRET).*|B2_APPLICATION_KEY.*|OS_(PASSWORD|TOKEN|AUTH_TOKEN|APPLICATION_CREDENTIAL_.*)|ST_KEY"
    r"|(?i:ANYSTORE_DOE_.*|RESCALE_.*|.*_PROXY|.*SECRET_ACCESS_KEY|AWS_ACCESS_KEY.*|.*SESSION_TOKEN|.*ACCOUNT_KEY)"
)


_BARE_NAME = re.compile(r"[^/\s]+\.[A-Za-z][A-Za-z0-9]{0,4}")
"""What looks like the name of a file: a word with a suffix that starts with a letter."""


def steers(name: str) -> bool:
    """Tell whether a variable of this name would steer the shell, a program, or a cloud's SDK.

    Our own names, proxies and keys count in any case of letters; the others as they are, for ``path``, ``seconds``
    or ``gcs_input`` are harmless columns.
    """
    return name in _STEERING or name.startswith(_STEERING_STARTS) or _OURS_OR_KEYS.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Indexes into the header: inputs in table order, the output, the run_id (``None``: no such column)."""

    inputs: tuple[int, ...]
    output: int | None
    run_id: int | None


def find_roles(table: Table, settings: Settings) -> Roles:
    """Tell which columns are staged and which are values.

    A column named ``input``/``output``, or ending in ``_input``/``_output`` (in any case of letters), holds URLs
    when one of its cells holds a ``/``; else it is a value. ``input_columns`` and ``output_column`` replace that
    guess.

    Raises:
        DefinitionError: a column is refused or does not exist, or there are several outputs.
    """
    findings = Findings()
    where = f"{table.source}:{table.header_line}"
    for name in table.header:
        if steers(name):
            findings.add(
                f"a column may not be named {shown(name)}: a variable of that name would steer the run itself",
                where=where,
                hint=f"rename it, for example to {shown('case_' + name.lower())}",
            )
    for key, names in _named(settings):
        for name in names:
            if name not in table.header:
                hint = did_you_mean(name, table.header)
                findings.add(f"{key} names {shown(name)}, and there is no such column", where=where, hint=hint)
    _refuse_misspelt(table, settings, findings, where)
    _refuse_bare_names(table, settings, findings, where)
    findings.stop()
    outputs = _staged(table, "output")
    if settings.output_column is not None:
        outputs = [table.header.index(settings.output_column)]
    if len(outputs) > 1:
        listed = ", ".join(shown(table.header[i]) for i in outputs)
        raise DefinitionError(
            f"several columns look like outputs: {listed}", where=where, hint="say which one: --output-column NAME"
        )
    inputs = [i for i in _staged(table, "input") if i not in outputs]
    if settings.input_columns is not None:
        inputs = sorted({table.header.index(name) for name in settings.input_columns})
    if both := set(inputs) & set(outputs):
        name = shown(table.header[both.pop()])
        raise DefinitionError(f"the column {name} is said to be both input and output", where=where)
    run_id = table.header.index(RUN_ID) if RUN_ID in table.header else None
    return Roles(inputs=tuple(inputs), output=outputs[0] if outputs else None, run_id=run_id)


def _refuse_misspelt(table: Table, settings: Settings, findings: Findings, where: str) -> None:
    """Refuse columns of URLs and paths that nothing stages, and whose names nearly end in ``input`` or ``output``."""
    words = ["input"] if settings.input_columns is None else []
    words += ["output"] if settings.output_column is None else []
    said = {name for _, names in _named(settings) for name in names}
    common = [settings.input] if isinstance(settings.input, str) else settings.input or []
    used = " ".join((*common, settings.output or ""))
    for index, name in enumerate(table.header):
        if name in said or f"${{{name}" in used or any(looks_staged(name, word) for word in ("input", "output")):
            continue
        before, dash, last = name.rpartition("_")
        meant = next((word for word in words if _edits(last.lower(), word) <= MISSPELT), None)
        cells = [cell for row in table.rows if (cell := row.cells[index].strip())]
        if meant and cells and all("/" in cell for cell in cells):
            findings.add(
                f"the column {shown(name)} holds places, but its name does not end in _input or _output",
                where=where,
                hint=f"did you mean {shown(before + dash + meant)}? if not: "
                f"--{meant}-column {quote(name)} stages it, --ignore-column {quote(name)} keeps it a value",
            )


def _refuse_bare_names(table: Table, settings: Settings, findings: Findings, where: str) -> None:
    """Refuse an input column of bare file names: it would be taken for values, and the runs would miss their inputs."""
    said = {name for _, names in _named(settings) for name in names}
    for index, name in enumerate(table.header):
        if settings.input_columns is not None or name in said or not looks_staged(name, "input"):
            continue
        cells = [cell for row in table.rows if (cell := row.cells[index].strip())]
        if cells and all(_BARE_NAME.fullmatch(cell) for cell in cells):
            findings.add(
                f"the column {shown(name)} holds file names without a folder, such as {shown(cells[0])}",
                where=where,
                hint=f"write ./{cells[0]} to stage them; --ignore-column {quote(name)} keeps them values",
            )


def _edits(one: str, other: str) -> int:
    """Return how many letters have to be inserted, deleted or replaced (Levenshtein's distance)."""
    above = list(range(len(other) + 1))
    for row, a in enumerate(one, 1):
        here = [row]
        for column, b in enumerate(other, 1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (a != b)))
        above = here
    return above[-1]


def _named(settings: Settings) -> Iterator[tuple[str, list[str]]]:
    yield "--input-column", settings.input_columns or []
    yield "--output-column", [settings.output_column] if settings.output_column is not None else []
    yield "--ignore-column", settings.ignore_columns or []


def looks_staged(name: str, word: str) -> bool:
    """Tell whether a column is called ``word``, or something that ends in ``_`` and ``word``, in any case."""
    return name.lower() == word or name.lower().endswith(f"_{word}")


def _staged(table: Table, word: str) -> list[int]:
    return [
        index
        for index, name in enumerate(table.header)
        if looks_staged(name, word) and any("/" in row.cells[index] for row in table.rows)
    ]
