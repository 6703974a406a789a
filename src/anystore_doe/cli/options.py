"""Options that several commands share, each declared once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from anystore_doe.cli.boundary import DEBUG

if TYPE_CHECKING:
    from collections.abc import Callable

CommandT = TypeVar("CommandT", bound="Callable[..., Any]")


def _remember_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001  click's signature
    if value:
        ctx.meta[DEBUG] = True


def debug_option(command: CommandT) -> CommandT:
    """Add ``--debug``, which works before and after the name of a command."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show tracebacks.",
    )(command)


def json_option(command: CommandT) -> CommandT:
    """Add ``--json`` as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print the same as JSON on stdout.")(command)


def config_option(command: CommandT) -> CommandT:
    """Add ``-c/--config`` as the argument ``config``."""
    return click.option(
        "-c",
        "--config",
        metavar="FILE",
        help="Settings file; a path or a URL.  [default: sweep.toml here, if there is one]",
    )(command)


def work_dir_option(command: CommandT) -> CommandT:
    """Add ``--work-dir`` as the argument ``work_dir``."""
    return click.option(
        "--work-dir",
        metavar="DIR",
        help="Work root: work folders, logs, the lock.  [default: .anystore-doe/TABLE beside the table]",
    )(command)


def example(*lines: str) -> str:
    """Return the epilogue of a command's help: its example, not re-wrapped."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
