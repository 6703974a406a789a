"""The arguments of ``run`` and ``plan``, and what they say as settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.options import (
    CommandT,
    config_option,
    debug_option,
    json_option,
    work_dir_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anystore_doe.definition.settings import Settings

COMMAND_WORDS = "anystore_doe.command"
"""Key in click's ``meta``: the words after ``--``."""


class SweepCommand(click.Command):
    """A command whose words after ``--`` are the solver's command, never its own arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words after the first ``--`` away before click sees them."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[COMMAND_WORDS] = tuple(args[at + 1 :])
            if not ctx.meta[COMMAND_WORDS]:
                raise click.UsageError("there is no command after --", ctx=ctx)
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the command's place in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND ...]"]


def _text(*names: str, metavar: str, help: str) -> Any:  # noqa: A002  as click calls it
    return click.option(*names, metavar=metavar, help=help)


def _many(*names: str, metavar: str, help: str) -> Any:  # noqa: A002  as click calls it
    return click.option(*names, metavar=metavar, multiple=True, help=f"{help}  [repeatable]")


def _flag(*names: str, help: str) -> Any:  # noqa: A002  as click calls it
    return click.option(*names, is_flag=True, help=help)


def _count(*names: str, help: str, least: int = 1) -> Any:  # noqa: A002  as click calls it
    return click.option(*names, type=click.IntRange(min=least), metavar="N", help=help)


PLACES = (
    click.argument("table", required=False),
    config_option,
    _many("-t", "--template", "templates", metavar="FILE[:NAME]", help="Put FILE, rendered, into each work folder."),
    _many("--input-file", "input_files", metavar="FILE", help="A small file that every run gets."),
    _many("-i", "--input", metavar="URL", help="Input of every row; may hold ${column} and ${run_id}."),
    _text("-o", "--output", metavar="URL", help="Output of every row; without a placeholder /${run_id}/ is added."),
    _many("--input-column", "input_columns", metavar="NAME", help="A column that holds input URLs."),
    _text("--output-column", metavar="NAME", help="The column that holds output URLs."),
    _text("--select", metavar="ROWS", help="Only these: run ids, data rows and ranges, such as 1-5,8,case_a."),
)
"""The arguments that say which places a sweep reads and writes."""

OPTIONS = (
    *PLACES,
    _many("--render", metavar="GLOB", help="Render text files that came with the input."),
    _many("--outputs", metavar="GLOB", help="Push only these files.  [default: all that are new or changed]"),
    _many("--ignore-column", "ignore_columns", metavar="NAME", help="A change in this column is no other run."),
    _flag("--push-inputs", help="Push unchanged inputs too."),
    _flag("--push-failed", help="Push the outputs of failed runs too."),
    _text("--metrics", metavar="CMD", help="Run after the solver; its name<TAB>value lines become results."),
    _many("--require", metavar="GLOB", help="A run without such a file has failed."),
    _text("--chdir", metavar="DIR|auto", help="Start the solver in this sub-folder; auto: the archive's only one."),
    click.option("--unpack", type=click.Choice(["auto", "always", "never"]), help="Unpack inputs.  [default: auto]"),
    _count("-j", "--slots", help="Solvers at once.  [default: usable cores / cores per slot]"),
    _count("--cores-per-slot", help="Cores of one solver.  [default: 1]"),
    _count("--lookahead", least=0, help="Work folders beyond the slots.  [default: 2 x slots]"),
    _text("--executor", metavar="NAME", help="What keeps workers alive; see anystore-doe plugins.  [default: local]"),
    _text("--timeout", metavar="DURATION", help="Most wall-clock time of a solver, such as 90s, 10m, 12h, 2d."),
    work_dir_option,
    _text("--scratch", metavar="DIR", help="Where work folders are made.  [default: in the work root]"),
    _flag("--overwrite", help="Run again, and replace, what is committed with another definition."),
    _flag("--allow-foreign", help="Let other objects lie under an output URL; they are never deleted."),
    _flag("--skip-bad-rows", help="Run the other rows when some are refused; ends with 1."),
    _many("--pass-env", metavar="NAME", help="Give the solver this variable although it is a credential."),
    _flag("--share-credentials", help="Give the solver all your credentials, on purpose."),
    click.option("-k", "--keep-going/--fail-fast", default=None, help="Whether others go on after a run failed."),
    json_option,
    debug_option,
)


def sweep_options(command: CommandT) -> CommandT:
    """Add the arguments of ``run`` and ``plan``."""
    return _with(OPTIONS, command)


def place_options(command: CommandT) -> CommandT:
    """Add those of the arguments of ``run`` that name places."""
    return _with(PLACES, command)


def _with(options: Sequence[Any], command: CommandT) -> CommandT:
    for option in reversed(options):
        command = option(command)
    return command


_LISTS = (
    "templates",
    "render",
    "input_files",
    "input",
    "input_columns",
    "outputs",
    "ignore_columns",
    "require",
    "pass_env",
)
_TEXTS = ("table", "output", "output_column", "metrics", "chdir", "unpack", "timeout", "scratch")
_FLAGS = ("push_inputs", "push_failed", "share_credentials")


def said(given: Mapping[str, Any], command: tuple[str, ...]) -> Settings:
    """Return what the command line says as settings; what it is silent about, or can not say, is ``None``."""
    from anystore_doe.definition.settings import Settings, SlotSettings

    values: dict[str, Any] = {name: list(given.get(name) or ()) or None for name in _LISTS}
    values |= {name: given.get(name) for name in _TEXTS}
    values |= {name: given.get(name) or None for name in _FLAGS}
    slots = {"count": given.get("slots"), "cores": given.get("cores_per_slot"), "lookahead": given.get("lookahead")}
    if any(value is not None for value in slots.values()):
        values["slots"] = SlotSettings(**slots)
    if (executor := given.get("executor")) is not None:
        values["executor"] = {"name": executor}
    if (keep_going := given.get("keep_going")) is not None:
        values["fail_fast"] = not keep_going
    if command:
        values["command"] = list(command)
    return Settings(**values)
