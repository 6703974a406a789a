"""Shell templates: checked, and not edited but for formatted placeholders.

Every column is in the environment of the script under its own name, so ``${rpm}`` in it is the shell's own
variable. ``${x:.3f}`` and ``${x?string("0.0#")}`` become a variable that holds the formatted text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anystore_doe.definition.columns import RUN_ID
from anystore_doe.definition.findings import did_you_mean, position, shown, within_one
from anystore_doe.definition.formats import PATTERN_MARK, BadFormatError, check_format
from anystore_doe.definition.render import STRING, is_identifier
from anystore_doe.definition.shell import FORMATTED, Expansion, expansions
from anystore_doe.model import Template

if TYPE_CHECKING:
    from collections.abc import Collection

    from anystore_doe.definition.findings import Findings

_OPERATED = re.compile(r"[!#]?([A-Za-z_][A-Za-z0-9_]*)(.*)", re.ASCII | re.DOTALL)
_DEFAULTED = re.compile(r":?[-=+]")
_SET_BY_US = re.compile(r"ANYSTORE_DOE_\w+|RESCALE_\w+|OMP_\w+|OMPI_\w+|SLURM_\w+|PBS_\w+|LSB_\w+|BASH\w*")
_SET_BY_SHELL = re.compile(
    r"(?:"
    r"HOME|PATH|PWD|OLDPWD|USER|LOGNAME|SHELL|SHLVL|TERM|TMPDIR|LANG|HOSTNAME|HOSTTYPE|MACHTYPE|"
    r"OSTYPE|UID|EUID|PPID|GROUPS|RANDOM|SRANDOM|SECONDS|LINENO|FUNCNAME|PIPESTATUS|OPTARG|OPTIND|OPTERR|"
    r"REPLY|IFS|DIRSTACK|COLUMNS|LINES|COPROC|MAPFILE|EPOCHSECONDS|EPOCHREALTIME|PS1|PS2|PS3|PS4|ENV|CDPATH|HISTFILE|TIMEFORMAT|RLM_LICENSE|status|argv"
    r")"
)


@dataclass(slots=True)
class ShellTemplates:
    """Reads the shell templates of one sweep.

    Attributes:
        columns: Names of the columns.
        environ: The environment that the scripts will see, as far as it is known.
        findings: What is wrong is noted here.
        names: ``(column, format)`` to the variable that holds it; grows, one name per pair in the whole sweep.
        used: ``(column, format, file:line:column)`` of every formatted placeholder.
    """

    columns: Collection[str]
    environ: Collection[str]
    findings: Findings
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    used: list[tuple[str, str, str]] = field(default_factory=list)

    def read(self, name: str, text: str, source: str) -> Template:
        """Check a script, rewrite its formatted placeholders, and return the template."""
        if "\r\n" in text:
            self.findings.add(
                "this shell script has Windows line ends, and no shell can run it",
                where=f"{source}:{position(text, text.index(chr(13)))}",
                hint=f"sed -i 's/\\r$//' {source}",
            )
            text = text.replace("\r\n", "\n")
        pieces: list[str] = []
        exports: dict[str, tuple[str, str]] = {}
        at = 0
        for found in expansions(text, where=source):
            where = f"{source}:{position(text, found.start)}"
            formatted = _formatted(text, found)
            if formatted is None:
                self._plain(found, text, where, source)
            elif variable := self._format(found, formatted, text, where, source):
                exports[variable] = formatted
                pieces += [text[at : found.start], f"${{{variable}}}"]
                at = found.end
        edited = "".join(pieces) + text[at:]
        return Template(  # noqa: S604  shell is a field of ours, not a way to start a process
            name=name, text=edited, source=source, shell=True, exports=exports
        )

    def _format(self, found: Expansion, formatted: tuple[str, str], text: str, where: str, source: str) -> str:
        """Return the variable for a formatted placeholder, or ``""`` after noting what is wrong."""
        column, fmt = formatted
        if column not in self.columns:
            hint = did_you_mean(column, self.columns)
            self.findings.add(f"{_written(found)} names no column", where=where, hint=hint)
            return ""
        try:
            check_format(fmt)
        except BadFormatError as error:
            self.findings.add(f"{_written(found)}: {error}", where=where)
            return ""
        if found.hidden:
            self._hidden(found, text, where, source)
            return ""
        self.used.append((column, fmt, where))
        plain = re.sub(r"[^A-Za-z0-9_]", "_", column)
        return self.names.setdefault((column, fmt), f"ANYSTORE_DOE_F{len(self.names) + 1}_{plain}")

    def _plain(self, found: Expansion, text: str, where: str, source: str) -> None:
        match = _OPERATED.match(found.body)
        name = match[1] if match else found.body
        if name in self.columns and is_identifier(name):
            if found.hidden and found.braced:
                self._hidden(found, text, where, source)
        elif found.braced and found.body.strip() in self.columns:
            self.findings.add(
                f"the column {shown(found.body.strip())} is no name that a shell can have",
                where=where,
                hint="rename the column (letters, digits, _), or use it in a text template",
            )
        elif match and not found.hidden and not _DEFAULTED.match(match[2]):
            self._unknown(found, name, text, where)

    def _hidden(self, found: Expansion, text: str, where: str, source: str) -> None:
        opened = position(text, found.opened).partition(":")[0]
        if "here-document" in found.hidden:
            hint = f"leave out the quotes around the word after << on line {opened}"
        else:
            hint = f"use double quotes, or end the quotes of {source}:{opened} before it: '…'\"{_written(found)}\"'…'"
        self.findings.add(
            f"the shell does not expand {_written(found)} here: it stands {found.hidden}",
            where=where,
            hint=f"{hint}; if it is meant for another program, write it without braces",
        )

    def _unknown(self, found: Expansion, name: str, text: str, where: str) -> None:
        """Note a name that is nearly a column's, and that nothing in sight sets."""
        if name == RUN_ID and name not in self.environ and not _is_set(name, text):
            hint = "write $ANYSTORE_DOE_RUN_ID, or add a run_id column"
            self.findings.add(f"{_written(found)} names no column, and nothing sets it", where=where, hint=hint)
            return
        if len(name) < 3 or name in self.environ or _SET_BY_SHELL.fullmatch(name) or _SET_BY_US.fullmatch(name):
            return
        near = next((c for c in self.columns if within_one(name, c)), None)
        if near is None or _is_set(name, text):
            return
        written = f"${{{name}}}" if found.braced else f"${name}"
        self.findings.add(
            f"{written} names no column, and nothing sets it",
            where=where,
            hint=f"did you mean {shown(near)}? (if it may be unset: ${{{name}:-}})",
        )


def _written(found: Expansion) -> str:
    return f"${{{found.body}}}" if found.braced else f"${found.body}"


def _formatted(text: str, found: Expansion) -> tuple[str, str] | None:
    """Return column and format of a formatted placeholder, or ``None`` for the shell's own expansions."""
    if not found.braced:
        return None
    if string := STRING.fullmatch(text, found.start, found.end):
        return string[1].strip(), PATTERN_MARK + (string[2] if string[2] is not None else string[3])
    if spec := FORMATTED.fullmatch(text, found.start, found.end):
        return spec[1].strip(), spec[2]
    return None


def _is_set(name: str, script: str) -> bool:
    """Tell whether a script assigns, reads, declares or loops over a name, or may; comments count too."""
    word = rf"(?<![\w$]){name}(?!\w)"
    builtins = (
        r"\b(?:read|for|select|declare|local|export|typeset|readonly|mapfile|readarray|getopts|printf|unset|let|set)\b"
    )
    patterns = (
        rf"{word}(?:\[[^\]\n]*\])?\+?=",
        rf"{builtins}[^\n;|&]*{word}",
        rf"\(\([^\n]*{word}",
    )
    return any(re.search(pattern, script) for pattern in patterns)
