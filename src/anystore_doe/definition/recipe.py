"""The recipe of a sweep: what is done with every run, checked against the columns."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from anystore_doe.definition.command import command_fields, default_command, split_words, starts_shell
from anystore_doe.definition.durations import parse_duration
from anystore_doe.definition.findings import Findings, position, shown
from anystore_doe.definition.paths import check_glob, check_path
from anystore_doe.definition.render import fields as fields_of
from anystore_doe.definition.render import is_identifier, parse
from anystore_doe.definition.shell_template import ShellTemplates
from anystore_doe.definition.sources import held_key, is_program, is_shell
from anystore_doe.definition.table import decode_utf8
from anystore_doe.definition.values import Uses
from anystore_doe.errors import DefinitionError
from anystore_doe.model import InputFile, Recipe, Template

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from anystore_doe.definition.settings import Settings
    from anystore_doe.definition.sources import InputFileSource, TemplateSource


def read_recipe(
    settings: Settings,
    templates: Sequence[TemplateSource],
    input_files: Sequence[InputFileSource],
    *,
    columns: Collection[str],
    environ: Mapping[str, str],
) -> tuple[Recipe, Uses]:
    """Return the recipe, and which columns are used where, for the check of their values.

    Raises:
        DefinitionError: a template, the command, a path, a glob, a duration or an input file is refused.
    """
    findings = Findings()
    uses = Uses()
    made = _templates(templates, columns, environ, findings, uses)
    files = _input_files(input_files, share=bool(settings.share_credentials), findings=findings)
    _check_names(made, files, findings)
    command = split_words(settings.command, key="command") or default_command(made)
    metrics = split_words(settings.metrics, key="metrics")
    for words, key in ((command, "command"), (metrics, "metrics")):
        for used, leading in command_fields(words, columns, key=key, findings=findings):
            uses.formatted += [(used.column, used.format, key)] if used.format else []
            uses.leading += [(used.column, key)] if leading else []
        uses.shell = uses.shell or starts_shell(words)
    uses.shell = uses.shell or any(t.shell for t in made) or any(is_shell(f.name, _head(f)) for f in input_files)
    _check_settings(settings, findings)
    findings.stop()
    recipe = Recipe(
        command=command,
        templates=made,
        render=tuple(settings.render or ()),
        input_files=files,
        outputs=tuple(settings.outputs or ()),
        push_inputs=bool(settings.push_inputs),
        push_failed=bool(settings.push_failed),
        metrics=metrics,
        require=tuple(settings.require or ()),
        chdir=settings.chdir or "",
        unpack=settings.unpack or "auto",
        timeout_s=None if settings.timeout is None else parse_duration(settings.timeout, where="timeout"),
        pass_env=tuple(settings.pass_env or ()),
        share_credentials=bool(settings.share_credentials),
        compat=settings.compat or "",
        durable=settings.durability != "none",
    )
    return recipe, uses


def _templates(
    sources: Sequence[TemplateSource],
    columns: Collection[str],
    environ: Mapping[str, str],
    findings: Findings,
    uses: Uses,
) -> tuple[Template, ...]:
    shell = ShellTemplates(columns=columns, environ=environ, findings=findings)
    made = []
    for source in sources:
        text = decode_utf8(source.text, source.source)
        if kind := held_key(text):
            findings.add(f"the template looks like it holds {kind}", where=source.source, hint=_KEYS_HINT)
        if is_shell(source.name, text) or is_shell(source.source.removesuffix(".template"), text):
            made.append(shell.read(source.name, text, source.source))
            continue
        made.append(Template(name=source.name, text=text, source=source.source, shell=False))
        program = is_program(source.name, text) or is_program(source.source.removesuffix(".template"), text)
        for used in fields_of(parse(text, columns, where=source.source)):
            place = f"{source.source}:{position(text, used.offset)}"
            uses.formatted += [(used.column, used.format, place)] if used.format else []
            uses.decks.append((used.column, place))
            uses.programs += [(used.column, place)] if program and not used.format else []
    uses.formatted += shell.used
    return tuple(made)


_KEYS_HINT = (
    "leave the keys where the command line of the cloud finds them, or name that file for the store:"
    ' storage."s3://bucket".config_file = "config"'
)


def _head(source: InputFileSource) -> str:
    return source.content[:4096].decode("utf-8", errors="replace")


def _input_files(sources: Sequence[InputFileSource], *, share: bool, findings: Findings) -> tuple[InputFile, ...]:
    files = []
    for source in sources:
        kind = held_key(source.content.decode("utf-8", errors="replace"))
        if kind and not share:
            findings.add(
                f"the input file {shown(source.name)} looks like it holds {kind}, and every run would get it",
                where=source.source or source.name,
                hint="name it for the store in the settings file instead:"
                f' storage."s3://bucket".config_file = "{source.name}";'
                " or give the solver your credentials on purpose: --share-credentials",
            )
        content = base64.b64encode(source.content).decode("ascii")
        files.append(InputFile(name=source.name, content_b64=content, executable=source.executable, private=bool(kind)))
    return tuple(files)


def _check_names(templates: Sequence[Template], files: Sequence[InputFile], findings: Findings) -> None:
    seen: dict[str, str] = {}
    named = [(t.name, f"template {shown(t.source)}") for t in templates]
    named += [(f.name, f"input file {shown(f.name)}") for f in files]
    for name, what in named:
        check_path(name, f"the {what} would be written to", findings)
        first = seen.setdefault(name.casefold(), what)
        if first != what or [n for n, _ in named].count(name) > 1:
            findings.add(f"{first} and {what} would both be written to {shown(name)}", hint="-t FILE:NAME renames one")


def _check_settings(settings: Settings, findings: Findings) -> None:
    for key in ("outputs", "require", "render"):
        for glob in getattr(settings, key) or ():
            check_glob(glob, key, findings)
    if settings.chdir and settings.chdir != "auto":
        check_path(settings.chdir.rstrip("/"), "chdir is", findings)
    for name in settings.pass_env or ():
        if not is_identifier(name):
            findings.add(f"pass_env names {shown(name)}, which is no name of a variable", where="pass_env")
    if settings.timeout is not None:
        try:
            parse_duration(settings.timeout, where="timeout")
        except DefinitionError as error:
            findings.add(str(error), hint=error.hint)
