"""The first half of ``run``, and all of ``plan``: from arguments to a plan."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.ground import standing_on
from anystore_doe.cli.sources import build_sweep, in_folder, local_folder, table_of, work_root_of
from anystore_doe.cli.sweep_options import COMMAND_WORDS, said
from anystore_doe.errors import PlanError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anystore_doe.cli.ground import Ground
    from anystore_doe.definition import Settings
    from anystore_doe.engine.plan import Plan
    from anystore_doe.model import Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A plan, and what is needed to run it.

    Attributes:
        settings: File and command line together.
        base: Absolute folder that inputs and outputs of the settings start at.
        work_root: Absolute; not made yet.
        scratch: Absolute folder for work folders, or ``None``.
    """

    ground: Ground
    settings: Settings
    base: str
    plan: Plan
    work_root: Path
    scratch: Path | None

    def refused(self, *, skip: bool) -> int:
        """Raise when rows are refused; with ``skip``, warn which are left out and return 1, or 0 when none is.

        Raises:
            PlanError: rows are refused, and are not to be skipped; or none is left.
        """
        try:
            self.plan.refuse()
        except PlanError:
            if not skip or len(self.plan.of("refuse")) == len(self.plan.rows):
                raise
            click.echo(f"Warning: left out: {printable(self.plan.refusals())}", err=True)
            if hint := self.plan.ways_out():
                click.echo(f"Hint:  {printable(hint)}", err=True)
            return 1
        return 0

    def accepted(self) -> Plan:
        """Return the plan without its refused rows."""
        return replace(self.plan, rows=tuple(row for row in self.plan.rows if row.action != "refuse"))


@contextmanager
def planned(ctx: click.Context, given: Mapping[str, Any]) -> Iterator[Ready]:
    """Make a plan of the arguments of ``run`` and ``plan``; warnings go to stderr.

    Raises:
        AnystoreDoeError: anything about table, settings or stores is wrong.
    """
    from anystore_doe.definition import merge, select_rows
    from anystore_doe.engine.plan import make_plan
    from anystore_doe.engine.sweep import resources_of

    options = said(given, ctx.meta.get(COMMAND_WORDS, ()))

    def work_root(settings: Settings, folder: str) -> Path:
        return work_root_of(table_of(merge(in_folder(settings, folder), options)), given["work_dir"])

    with standing_on(ctx, given["config"], state_folder=work_root) as ground:
        settings = merge(in_folder(ground.settings, ground.folder), options)
        from_options = options.input is not None or options.output is not None
        base = str(Path.cwd()) if from_options else local_folder(ground.folder)
        sweep = build_sweep(ground, settings, base)
        registry = ground.registry
        registry.executor(sweep.executor)
        made = make_plan(
            sweep,
            open_storage=ground.open_storage,
            archives=registry.archives(),
            runs=None if given["select"] is None else select_rows(sweep, given["select"]),
            overwrite=given["overwrite"],
            allow_foreign=given["allow_foreign"],
        )
        made = replace(made, warnings=(*_not_exported(sweep), *made.warnings, *resources_of(sweep)[1]))
        for warning in made.warnings:
            click.echo(f"Warning: {printable(warning)}", err=True)
        yield Ready(
            ground=ground,
            settings=settings,
            base=base,
            plan=made,
            work_root=work_root(ground.settings, ground.folder),
            scratch=Path(settings.scratch).absolute() if settings.scratch else None,
        )


def _not_exported(sweep: Sweep) -> tuple[str, ...]:
    from anystore_doe.definition import unexported_columns

    names = unexported_columns(sweep.runs[0].values)
    if not names:
        return ()
    listed = ", ".join(map(repr, names))
    return (
        f"no script finds {listed} in its environment: no variable can have such a name; text templates may use it",
    )
