"""The command line: names and one-line helps of all commands; a command's own file is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.boundary import Boundary
from anystore_doe.cli.options import debug_option, example

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "run": "Run every row of a table that is not done yet.",
    "plan": "Say what run would do, and why; change nothing.",
    "policy": "Print the least rights that a sweep needs, as a policy.",
    "status": "Say how far each run is.",
    "results": "Print the results table: columns, state, timings, metrics.",
    "logs": "Print the solver's output of one run.",
    "ls": "List the objects below a URL.",
    "cp": "Copy objects from any URL to any URL.",
    "plugins": "List what is installed: stores, executors, archives.",
    "demo": "Run both examples on a store that is started for it.",
    "worker": "",
}
"""Commands in the order of the help; each is the function of its name in the module of its name."""

HIDDEN = frozenset({"worker"})


class LazyGroup(Boundary):
    """Knows its commands by name, and imports one when it is called: ``--help`` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the commands that the help shows, in its order."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import the command ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"anystore_doe.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101  a module of ours that does not keep the table's promise
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' section from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("anystore-doe run inputs.csv -t run.sh --slots 2", "anystore-doe results inputs.csv"),
)
@click.version_option(package_name="anystore-doe", prog_name="anystore-doe")
@debug_option
def main() -> None:
    """Run a design of experiments where the data already is.

    Every run's inputs come from, and its outputs go to, locations that you own, on any store that has a URL.
    """
