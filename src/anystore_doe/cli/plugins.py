"""``anystore-doe plugins``: what is installed, from which distribution, and what is broken; ``new`` writes one."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.ground import registry_of
from anystore_doe.cli.new_plugin import new
from anystore_doe.cli.options import debug_option, example, json_option
from anystore_doe.errors import printable

if TYPE_CHECKING:
    from anystore_doe.registry import Plugin, Registry


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND [ARGS]...]",
    epilog=example("anystore-doe plugins", "anystore-doe plugins new hello"),
)
@json_option
@debug_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List what is installed: stores by scheme, executors, archive formats; and what is broken or blocked.

    ANYSTORE_DOE_BLOCK_PLUGINS names plugins or distributions, separated by commas, that are not loaded.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = _rows(registry_of(ctx))
    if as_json:
        click.echo(json.dumps({"schema": 1, "plugins": rows}, indent=2))
        return
    shown = [("KIND", "NAME", "DISTRIBUTION", "VERSION", "WHAT")]
    shown += [(r["kind"], r["name"], r["distribution"], r["version"], r["summary"]) for r in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(4)]
    for row in shown:
        cells = [printable(cell).replace("\n", " ") for cell in row]
        click.echo("  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=False)), cells[4]]).rstrip())


plugins.add_command(new)


def _rows(registry: Registry) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []

    def add(kind: str, name: str, plugin: Plugin, summary: str) -> None:
        rows.append(
            {
                "kind": kind,
                "name": name,
                "plugin": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "summary": summary,
            }
        )

    claims = Counter(scheme for storage in registry.storage_offers() for scheme in storage.entry.schemes)
    for storage in registry.storage_offers():
        names = [*storage.entry.schemes, *(f"https://*{host}" for host in storage.entry.hosts)]
        twice = [f"{scheme}://" for scheme in storage.entry.schemes if claims[scheme] > 1]
        remark = f" ({', '.join(twice)} is offered by others too: settings say which)" if twice else ""
        add("storage", " ".join(names), storage.plugin, storage.entry.summary + remark)
    for executor in registry.executor_offers():
        add("executor", executor.entry.name, executor.plugin, executor.entry.summary)
    for archive in registry.archive_offers():
        add("archive", " ".join(archive.entry.suffixes), archive.plugin, archive.entry.summary)
    for name, error in registry.broken.items():
        add("broken", name, registry.plugins[name], f"{type(error).__name__}: {error}")
    for plugin in registry.silent:
        add("silent", plugin.name, plugin, "offers nothing: is @hookimpl missing?")
    for plugin in registry.blocked:
        add("blocked", plugin.name, plugin, "kept out by ANYSTORE_DOE_BLOCK_PLUGINS")
    return rows
