"""What a work root remembers of the last ``run``: so that ``status``, ``results`` and ``logs`` know its options."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import MsgspecError, Struct, json, structs

from anystore_doe.cli.ground import DEFAULT_CONFIG, Ground, standing_on
from anystore_doe.cli.sources import WORK_ROOTS, build_sweep, in_folder, local_folder, work_root_of
from anystore_doe.definition.settings import Settings  # noqa: TC001  resolved at run time when the file is decoded
from anystore_doe.engine.workroot import runs_folder
from anystore_doe.errors import DefinitionError, LocalResourceError, StateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from anystore_doe.model import Sweep

MEMO = "called.json"
SCHEMA = 1


class _Memo(Struct, frozen=True, kw_only=True):
    """The file: ``config`` is absolute, or ``""``; paths in ``settings`` are absolute."""

    config: str
    settings: Settings
    base: str
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """A sweep as its last run saw it, read anew from its table.

    Attributes:
        work_root: Absolute; may not exist.
        runs_folder: Holds the attempts' folders; may not exist.
    """

    ground: Ground
    sweep: Sweep
    work_root: Path
    runs_folder: Path


def remember(work_root: Path, settings: Settings, config: str, base: str) -> None:
    """Write down how a sweep was called: all settings but those of stores and executor, which may hold secrets.

    Raises:
        LocalResourceError: the work root can not be written.
    """
    memo = _Memo(
        config=_absolute(config),
        settings=structs.replace(in_folder(settings, f"{Path.cwd()}/"), storage=None, executor=None),
        base=base,
    )
    try:
        work_root.mkdir(parents=True, exist_ok=True)
        fresh = work_root / f".{MEMO}.{os.getpid()}"
        with open(fresh, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(json.encode(memo))
        fresh.replace(work_root / MEMO)
    except OSError as error:
        raise LocalResourceError(
            f"the work root {work_root} can not be written: {error.strerror}", hint="--work-dir DIR"
        ) from error


@contextmanager
def recall(ctx: click.Context, table: str | None, config: str | None, work_dir: str | None) -> Iterator[Recalled]:
    """Make the sweep that ``status``, ``results`` or ``logs`` is about, as its last run was called.

    Without ``-c``, what the work root remembers wins over ``sweep.toml``; without TABLE, the only work root here
    is taken.

    Raises:
        UsageError: no table is named, and there is not exactly one work root here.
        StateError: what the work root remembers is damaged, or of a newer version.
    """
    memo = None
    if config is None:
        root = _work_root(table, work_dir)
        memo = _read(root / MEMO) if root is not None and (root / MEMO).is_file() else None
    with standing_on(ctx, memo.config if memo else config) as ground:
        settings = memo.settings if memo else in_folder(ground.settings, ground.folder)
        if table is not None:
            settings = structs.replace(settings, table=table)
        try:
            sweep = build_sweep(ground, _only_rows(settings), memo.base if memo else local_folder(ground.folder))
        except DefinitionError as error:
            error.hint = _as_settings(error.hint)
            raise
        root = work_root_of(sweep.table, work_dir)
        scratch = Path(settings.scratch).absolute() if settings.scratch else None
        yield Recalled(ground=ground, sweep=sweep, work_root=root, runs_folder=runs_folder(root, scratch))


def _as_settings(hint: str) -> str:
    """Say with keys of the settings file what a hint says with options that only ``run`` and ``plan`` have."""
    hint = re.sub(r"-o '([^']*)'", rf'put output = "\1" into {DEFAULT_CONFIG}', hint)
    return re.sub(r"--output-column (\w+)", rf'put output_column = "\1" into {DEFAULT_CONFIG}', hint)


def _only_rows(settings: Settings) -> Settings:
    """Leave out what runs are made with: how far they are is told by their output URLs alone."""
    return structs.replace(settings, command=["true"], templates=None, input_files=None, render=None, metrics=None)


def _work_root(table: str | None, work_dir: str | None) -> Path | None:
    if work_dir is not None or table is not None:
        return work_root_of(table or "", work_dir)
    found = sorted(memo.parent for memo in Path(WORK_ROOTS).glob(f"*/{MEMO}"))
    if len(found) == 1:
        return found[0]
    if found and not Path(DEFAULT_CONFIG).is_file():
        names = ", ".join(path.name for path in found)
        raise UsageError(f"there are {len(found)} sweeps here: {names}", hint="name a TABLE, or --work-dir DIR")
    return None


def _read(path: Path) -> _Memo:
    try:
        memo = json.decode(path.read_bytes(), type=_Memo)
    except (MsgspecError, OSError) as error:
        raise StateError(f"{path} is damaged: {error}", hint="-c FILE says what it would have said") from error
    if memo.schema > SCHEMA:
        raise StateError(f"{path} was written by a newer version", hint="upgrade anystore-doe")
    return memo


def _absolute(name: str) -> str:
    return name if not name or "://" in name else str(Path(name).absolute())
