"""The command line reference: what every command's ``--help`` says, as a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.main import COMMANDS, HIDDEN, main
from from_code.text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by name, in the order of the help; hidden ones last."""
    context = click.Context(main)
    for name in sorted(COMMANDS, key=lambda name: name in HIDDEN):
        if (command := main.get_command(context, name)) is None:
            raise LookupError(name)
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", sub) for below, sub in command.commands.items())


def options_of(command: click.Command) -> Iterator[click.Option]:
    """Yield a command's options in the order of its help; ``--help`` itself is said once for all."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield parameter


def write() -> str:
    """Write a section per command."""
    return "\n\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, parent=click.Context(main, info_name="anystore-doe"))
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f"({anchor(name)})=",
        f"## {name}",
        *(["Started by executors, not by hand; `--help` does not list it."] if name in HIDDEN else []),
        f"```text\nanystore-doe {name} {usage}\n```",
        *_paragraphs(command.help or ""),
        *_example(command.epilog or ""),
        "\n\n".join(_option(option, context) for option in options_of(command)),
    ]
    return "\n\n".join(part for part in parts if part)


def anchor(name: str) -> str:
    """Return the label of a command's section."""
    return f"command-{name.replace(' ', '-')}"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.lstrip().startswith("\b"):
            yield "```text\n" + paragraph.replace("\b", "").strip("\n") + "\n```"
        else:
            yield escaped(" ".join(paragraph.split()))


def _example(epilog: str) -> Iterator[str]:
    lines = [line.strip() for line in epilog.replace("\b", "").splitlines()]
    shown = [f"$ {line}" for line in lines if line and line != "Example:"]
    if shown:
        yield "```console\n" + "\n".join(shown) + "\n```"


def _option(option: click.Option, context: click.Context) -> str:
    names, words = option.get_help_record(context) or ("", "")
    extra = re.findall(r"  \[([^\[\]]*(?:\[[^\]]*\])?[^\[\]]*)\]", words)
    plain = re.sub(r"  \[.*", "", words, flags=re.DOTALL)
    notes = [f"Default: {escaped(one.removeprefix('default: '))}." for one in extra if one.startswith("default: ")]
    notes += ["May be given several times." for one in extra if one == "repeatable"]
    return f"`{names}`\n: {escaped(' '.join(plain.split()))} {' '.join(notes)}".rstrip()
