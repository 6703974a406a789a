"""From the command line and the settings file to a sweep: reads table, templates and files, which may be URLs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anystore_doe.cli.ground import below, folder_of, read_bytes
from anystore_doe.errors import UsageError, safe_url

if TYPE_CHECKING:
    from anystore_doe.cli.ground import Ground
    from anystore_doe.definition import InputFileSource, Settings, TemplateSource
    from anystore_doe.model import Sweep

WORK_ROOTS = ".anystore-doe"


def in_folder(settings: Settings, folder: str) -> Settings:
    """Return settings whose relative paths start here, not at ``folder``, where their file lies."""
    from msgspec.structs import replace

    from anystore_doe.definition import TemplateSpec, template_spec

    def moved(name: str) -> str:
        return below(folder, name)

    def settled(url: str) -> str:
        # A leading placeholder may hold a scheme; what it gives is known only per row.
        return url if url.startswith("${") else below(folder if "://" in folder else f"{local_folder(folder)}/", url)

    templates = None
    if settings.templates is not None:
        specs = [template_spec(one) if isinstance(one, str) else one for one in settings.templates]
        templates = [TemplateSpec(file=moved(spec.file), name=spec.name) for spec in specs]
    inputs = settings.input
    return replace(
        settings,
        table=None if settings.table is None else moved(settings.table),
        templates=templates,
        input=[settled(one) for one in inputs] if isinstance(inputs, list) else inputs and settled(inputs),
        output=settings.output and settled(settings.output),
        input_files=settings.input_files and [moved(one) for one in settings.input_files],
        scratch=settings.scratch and moved(settings.scratch),
    )


def build_sweep(ground: Ground, settings: Settings, base: str) -> Sweep:
    """Read what the settings name, and make the sweep of it.

    Args:
        ground: Opens what is a URL.
        settings: File and command line together; relative paths start here.
        base: Absolute folder that a relative input or output starts at when a placeholder comes first.

    Raises:
        UsageError: no table is named.
        PlanError: a table, template or file is missing.
        DefinitionError: something in them is wrong; all findings are named.
        StorageError: a store does not give one of them.
    """
    from dataclasses import replace

    from anystore_doe.definition import make_sweep

    table = table_of(settings)
    text = read_bytes(ground.open_storage, table, "run table")
    sweep = make_sweep(
        table_text=text,
        table=table,
        settings=settings,
        templates=[_template(ground, one) for one in settings.templates or ()],
        input_files=[_input_file(ground, name) for name in settings.input_files or ()],
        environ=os.environ,
        base=local_folder(folder_of(table)),
        settings_base=base,
    )
    # Work orders are made of the sweep's stores: no secret, no relative path may be in them.
    return replace(sweep, stores=ground.open_storage.portable_stores())


def local_folder(folder: str) -> str:
    """Return the absolute path of a folder; for one that is a URL, where we are."""
    if folder.startswith("file:///"):
        return folder.removeprefix("file://")
    return os.path.abspath("." if "://" in folder else folder)  # noqa: PTH100  no link is followed


def table_of(settings: Settings) -> str:
    """Return the table that the settings name.

    Raises:
        UsageError: they name none.
    """
    if not settings.table:
        raise UsageError("no run table is named", hint='give it as TABLE, or as table = "..." in sweep.toml')
    return settings.table


def work_root_of(table: str, work_dir: str | None) -> Path:
    """Return the absolute work root of a table: ``work_dir``, else ``.anystore-doe/<stem>`` beside it, or here.

    Raises:
        UsageError: the table's name gives no folder name.
    """
    if work_dir is not None:
        return Path(work_dir).absolute()
    path = Path(table.partition("://")[2] if "://" in table else table)
    if path.stem in {"", ".", ".."}:
        raise UsageError(f"{safe_url(table)} names no table")
    if table.startswith("file:///"):
        return path.parent / WORK_ROOTS / path.stem
    return (Path() if "://" in table else path.parent).absolute() / WORK_ROOTS / path.stem


def _template(ground: Ground, said: object) -> TemplateSource:
    from anystore_doe.definition import TemplateSource, TemplateSpec, default_name, template_spec

    spec = said if isinstance(said, TemplateSpec) else template_spec(str(said))
    data = read_bytes(ground.open_storage, spec.file, "template")
    return TemplateSource(name=spec.name or default_name(spec.file), text=data, source=spec.file)


def _input_file(ground: Ground, name: str) -> InputFileSource:
    from anystore_doe.definition import InputFileSource

    data = read_bytes(ground.open_storage, name, "input file")
    executable = data.startswith(b"#!") or ("://" not in name and os.access(name, os.X_OK))
    return InputFileSource(name=name.rpartition("/")[2], content=data, executable=executable, source=name)
