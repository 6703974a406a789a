"""The settings file ``sweep.toml``: typed values, and the command line's options laid over them."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from anystore_doe.definition.findings import Findings, did_you_mean, shown
from anystore_doe.definition.table import decode_utf8
from anystore_doe.definition.toml_lines import line_of
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PlainValue = str | int | float | bool


class TemplateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template as settings name it: ``file`` (path or URL), and ``name`` in the work folder (``""``: its own)."""

    file: str
    name: str = ""


class SlotSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[slots]``: how many solvers at once, the cores of each, and how many work folders beyond them."""

    count: int | None = None
    cores: int | None = None
    lookahead: int | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a settings file can say; ``None`` is "not said". Paths are as written, relative to the file.

    Attributes:
        table: Path or URL of the run table.
        name: Name of the sweep; default: the table's stem.
        templates: ``FILE[:NAME]``, or ``{file, name}``.
        render: Globs of text files that came with the input and are rendered.
        command: Words, or one text that is split as a shell would.
        input: URL that serves every row without an input cell; may hold ``${column}`` and ``${run_id}``.
        output: The same for outputs; without a placeholder ``/${run_id}/`` is added.
        input_columns: Columns that hold inputs, instead of those whose names say so.
        output_column: The column that holds the output.
        ignore_columns: Columns that are not part of the fingerprint.
        input_files: Small files that every run gets.
        outputs: Globs of what is pushed.
        push_inputs: Push unchanged inputs too.
        push_failed: Push the outputs of failed runs too.
        metrics: Command whose ``name<TAB>value`` lines become results.
        require: Globs that must match at least one file after the solver.
        chdir: Sub-folder the solver starts in, or ``auto``.
        unpack: Whether archives are unpacked.
        timeout: Wall-clock limit of the solver: ``12h``, or seconds.
        pass_env: Variables given to the solver although they are credentials.
        share_credentials: Give the solver all credentials.
        compat: ``rescale`` adds that platform's variables.
        fail_fast: Take no further run after one failed.
        scratch: Folder for work folders.
        durability: ``full``: outputs and commit survive a power cut; ``none`` is for scratch.
        slots: Slots, their cores, lookahead.
        executor: ``name`` and the executor's own options.
        storage: URL prefix to options of the store's plugin; ``plugin`` names a distribution.
    """

    table: str | None = None
    name: str | None = None
    templates: list[str | TemplateSpec] | None = None
    render: list[str] | None = None
    command: str | list[str] | None = None
    input: str | list[str] | None = None
    output: str | None = None
    input_columns: list[str] | None = None
    output_column: str | None = None
    ignore_columns: list[str] | None = None
    input_files: list[str] | None = None
    outputs: list[str] | None = None
    push_inputs: bool | None = None
    push_failed: bool | None = None
    metrics: str | list[str] | None = None
    require: list[str] | None = None
    chdir: str | None = None
    unpack: Literal["auto", "always", "never"] | None = None
    timeout: str | int | float | None = None
    pass_env: list[str] | None = None
    share_credentials: bool | None = None
    compat: Literal["", "rescale"] | None = None
    fail_fast: bool | None = None
    scratch: str | None = None
    durability: Literal["full", "none"] | None = None
    slots: SlotSettings | None = None
    executor: dict[str, PlainValue] | None = None
    storage: dict[str, dict[str, PlainValue]] | None = None


_NOT_BUILT = (
    *("retries", "retry_on", "keep", "state", "success_pattern", "verify"),
    *("disk_budget", "bandwidth", "memory", "gpus", "walltime"),
)
_OPTIONS_ONLY = {
    "work_dir": "--work-dir",
    "select": "--select",
    "overwrite": "--overwrite",
    "allow_foreign": "--allow-foreign",
    "skip_bad_rows": "--skip-bad-rows",
    "keep_going": "--keep-going",
    "dry_run": "--dry-run",
}
_WORDS = {
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table",
    "null": "nothing",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}


def read_settings(text: str | bytes, *, where: str) -> Settings:
    """Read a settings file; ``where`` is its path or URL, for messages.

    Raises:
        DefinitionError: it is not TOML; a key is unknown, not built yet, or of the wrong type. Names file, line
            and key, never a value.
    """
    decoded = decode_utf8(text, where)
    try:
        data = tomllib.loads(decoded)
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
        place = f"{where}:{match[2]}:{match[3]}" if match else f"{where}:{decoded.count(chr(10)) + 1}"
        raise DefinitionError(f"this is not TOML: {match[1] if match else error}", where=place) from error
    findings = Findings()
    for path, message, hint in (*_unknown_keys(data), *_not_plain(data)):
        findings.add(message, where=_place(decoded, where, path), hint=hint)
    findings.stop()
    try:
        return msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error), decoded, where) from error


def _place(text: str, where: str, path: tuple[str, ...]) -> str:
    line = line_of(text, path)
    return f"{where}:{line}" if line else where


def _unknown_keys(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    tables: list[tuple[tuple[str, ...], Any, type[msgspec.Struct]]] = [
        ((), data, Settings),
        (("slots",), data.get("slots"), SlotSettings),
    ]
    listed = data.get("templates")
    for template in listed if isinstance(listed, list) else []:
        tables.append((("templates",), template, TemplateSpec))
    for path, table, kind in tables:
        known = kind.__struct_fields__
        for key in table if isinstance(table, dict) else ():
            if key in known:
                continue
            name = ".".join((*path, key))
            if key in _NOT_BUILT:
                yield (*path, key), f"the key {shown(name)} is not built yet", "leave it out"
            elif key in _OPTIONS_ONLY and not path:
                option = _OPTIONS_ONLY[key]
                yield (*path, key), f"{shown(name)} is an option of one call, not a setting", f"use {option}"
            else:
                yield (*path, key), f"there is no key {shown(name)}", did_you_mean(key, known)


def _not_plain(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield what is no plain value among the options of stores and the executor, whose names are the plugins' own."""
    storage = data.get("storage")
    tables = {("storage", prefix): table for prefix, table in storage.items()} if isinstance(storage, dict) else {}
    for path, table in [*tables.items(), (("executor",), data.get("executor"))]:
        for key, value in table.items() if isinstance(table, dict) else ():
            if not isinstance(value, str | int | float | bool):
                yield (*path, key), f"{key} must be text, a number, true or false", ""


def _wrong_type(message: str, text: str, where: str) -> DefinitionError:
    """Turn msgspec's ``Expected `int`, got `str` - at `$.slots.count``` into a sentence with a line."""
    said, _, at = message.partition(" - at ")
    path = tuple(re.findall(r"\.([A-Za-z_]\w*)", at))
    match = re.fullmatch(r"Expected `([^`]*)`, got `([^`]*)`", said)
    if match:
        wanted = " or ".join(_WORDS.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")
        said = f"must be {wanted}, and is {_WORDS.get(match[2], match[2])}"
    elif path and path[-1] in {"unpack", "compat", "durability"}:
        choices = {"unpack": "auto, always or never", "compat": "rescale", "durability": "full or none"}[path[-1]]
        said = f"must be {choices}"
    else:
        said = said[:1].lower() + said[1:]
    key = ".".join(path) or "the file"
    return DefinitionError(f"{key} {said}", where=_place(text, where, path))


def merge(file: Settings, options: Settings) -> Settings:
    """Return ``file`` with everything that ``options`` says laid over it.

    A list replaces the file's list. ``slots``, ``storage`` (per prefix) and the options of the same executor are
    laid over key by key; another executor's name drops the options that belonged to the file's.
    """
    said = {key: value for key in Settings.__struct_fields__ if (value := getattr(options, key)) is not None}
    if file.slots is not None and options.slots is not None:
        slots = {key: getattr(options.slots, key) for key in SlotSettings.__struct_fields__}
        said["slots"] = msgspec.structs.replace(file.slots, **{k: v for k, v in slots.items() if v is not None})
    if file.executor is not None and options.executor is not None:
        same = options.executor.get("name", file.executor.get("name")) == file.executor.get("name")
        said["executor"] = {**file.executor, **options.executor} if same else options.executor
    if file.storage is not None and options.storage is not None:
        prefixes = {**file.storage, **options.storage}
        said["storage"] = {p: {**file.storage.get(p, {}), **options.storage.get(p, {})} for p in prefixes}
    return msgspec.structs.replace(file, **said)
