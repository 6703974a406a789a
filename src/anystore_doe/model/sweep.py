"""What is to be run: the sweep as table, settings file and command line say it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  resolved at run time when JSON is decoded
from dataclasses import dataclass, field
from typing import Literal

Plain = str | int | float | bool | None
"""A value that TOML and JSON both know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that is put into the work folder as ``name``.

    A shell template is not edited but for formatted placeholders: ``exports`` maps the name of an
    environment variable to ``(column, format)`` whose formatted text it holds.
    """

    name: str
    text: str
    source: str
    shell: bool
    exports: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A small file given with ``--input-file`` that every run gets; its content travels in the order."""

    name: str
    content_b64: str
    executable: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of the run table: what the user wants, nothing about how far it is.

    Attributes:
        run_id: The label; a safe file name, unique in the sweep.
        row: 1-based data row.
        line: 1-based line of the table file, for messages.
        values: Column to text, in table order, URL columns included.
        inputs: URLs, in column order.
        output: The output URL without trailing ``/``: the run's identity.
    """

    run_id: str
    row: int
    line: int
    values: Mapping[str, str]
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is done with every run, the part of a sweep that a worker needs.

    All of it but ``timeout_s``, ``pass_env``, ``share_credentials``, ``push_failed`` and ``durable`` is part of
    the fingerprint.

    Attributes:
        command: Words; ``${column}`` in them is rendered as text; started without a shell.
        templates: Put into the work folder after the inputs.
        render: Globs of text files that came with the input and are rendered.
        input_files: Small files that every run gets.
        outputs: Globs of what is pushed; empty: everything new or changed.
        push_inputs: Push unchanged inputs too.
        push_failed: Push the outputs of a failed run too.
        metrics: Words of the metrics command, or empty.
        require: Globs that must match at least one file after the solver.
        chdir: Sub-folder the solver is started in; ``auto``: the only top folder; ``""``: the work folder.
        unpack: Whether inputs with an archive suffix are unpacked (``auto``), all are, or none is.
        timeout_s: Wall-clock limit of the solver, and of the metrics command.
        pass_env: Names of variables that are given to the solver although they are credentials.
        share_credentials: Give the solver all credentials of the caller.
        compat: ``"rescale"`` adds that platform's variables; ``""`` adds none.
        durable: Outputs and commit survive a power cut (``durability`` in sweep.toml).
    """

    command: tuple[str, ...]
    templates: tuple[Template, ...] = ()
    render: tuple[str, ...] = ()
    input_files: tuple[InputFile, ...] = ()
    outputs: tuple[str, ...] = ()
    push_inputs: bool = False
    push_failed: bool = False
    metrics: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    chdir: str = ""
    unpack: Literal["auto", "always", "never"] = "auto"
    timeout_s: float | None = None
    pass_env: tuple[str, ...] = ()
    share_credentials: bool = False
    compat: Literal["", "rescale"] = ""
    durable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Settings of one URL prefix in sweep.toml: option names of the storage's plugin to plain values.

    ``plugin`` names the distribution that shall serve the prefix where two offer its scheme.
    """

    prefix: str
    options: Mapping[str, Plain] = field(default_factory=dict)
    plugin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One design of experiments, as the table, the settings file and the command line say it.

    Attributes:
        name: Default: the table's stem.
        table: Path or URL of the run table, for messages.
        runs: In table order, never empty, ids unique; all rows, selected or not.
        recipe: What is done with every run.
        ignore_columns: Columns that are not part of the fingerprint.
        slots: Solvers at once on one machine; ``None``: usable cores // cores_per_slot, at least 1.
        cores_per_slot: At least 1.
        lookahead: Work folders beyond the slots; ``None``: 2 × slots.
        executor: Name of the executor.
        executor_options: Its options.
        stores: Settings per URL prefix.
    """

    name: str
    table: str
    runs: tuple[Run, ...]
    recipe: Recipe
    ignore_columns: tuple[str, ...] = ()
    slots: int | None = None
    cores_per_slot: int = 1
    lookahead: int | None = None
    executor: str = "local"
    executor_options: Mapping[str, Plain] = field(default_factory=dict)
    stores: tuple[StoreSettings, ...] = ()
