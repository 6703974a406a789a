"""``anystore-doe policy``: what a sweep must be allowed to do, as the policy to attach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.cli.options import debug_option, example, json_option
from anystore_doe.cli.sweep_options import place_options, said
from anystore_doe.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anystore_doe.cli.ground import Ground
    from anystore_doe.contract import Policy
    from anystore_doe.definition import Settings
    from anystore_doe.engine.rights import Rights
    from anystore_doe.model import Run, Sweep

CLOUDS = ("aws", "gcp", "azure")
FORMS = ("identity", "bucket-policy")


@click.command(
    epilog=example(
        "anystore-doe policy inputs.csv > policy.json",
        "anystore-doe policy inputs.csv --form bucket-policy --principal arn:aws:iam::123456789012:role/doe",
        "anystore-doe policy inputs.csv --principal serviceAccount:doe@my-project.iam.gserviceaccount.com --commands",
    )
)
@place_options
@click.option("--cloud", type=click.Choice(CLOUDS), help="Only the policies of this cloud.")
@click.option("--with-delete", is_flag=True, help="Let outputs be deleted: for --overwrite, and to clear up.")
@click.option(
    "--form",
    type=click.Choice(FORMS),
    default=FORMS[0],
    help="For the identity that runs the sweep, or for a bucket of another account.  [default: identity]",
)
@click.option(
    "--principal",
    metavar="WHO",
    default="",
    help="Whom it is for, in the cloud's words: with a bucket policy of AWS, on Google Cloud and on Azure.",
)
@click.option("--commands", is_flag=True, help="Print the commands that attach it instead (Google Cloud, Azure).")
@json_option
@debug_option
@click.pass_context
def policy(ctx: click.Context, /, as_json: bool, **given: Any) -> int:
    """Print the least policy that the sweep of TABLE needs; no store is asked.

    The policy is computed from the URLs of the table and the settings: read and list the inputs; read, list and write
    the outputs. It goes to stdout, as JSON or as commands for a shell, and to stderr goes what it is attached to.
    Stores that have no policies are named.
    """
    from anystore_doe.cli.ground import standing_on
    from anystore_doe.engine.rights import rights_of

    with standing_on(ctx, given["config"]) as ground:
        sweep, files = _read(ground, given)
        runs = _selected(sweep, given["select"])
        rights = rights_of(
            (*files, *(url for run in runs for url in run.inputs)),
            (run.output for run in runs),
            ground.open_storage,
            delete=given["with_delete"],
            form=given["form"],
            principal=given["principal"],
            cloud=given["cloud"],
        )
    _check_some(rights, given["cloud"])
    if as_json:
        click.echo(json.dumps(_plain(rights), indent=2))
    else:
        _print(rights, quiet=given["cloud"] is not None, commands=given["commands"])
    return 0


def _read(ground: Ground, given: Mapping[str, Any]) -> tuple[Sweep, list[str]]:
    """Return the sweep, and the URLs of what is read beside its inputs; nothing but the table is read now."""
    from msgspec.structs import replace

    from anystore_doe.cli.sources import build_sweep, in_folder, local_folder
    from anystore_doe.definition import merge

    options = said(given, ("true",))  # what a slot starts needs no rights
    settings = merge(in_folder(ground.settings, ground.folder), options)
    here = options.input is not None or options.output is not None
    bare = replace(settings, templates=None, input_files=None)
    sweep = build_sweep(ground, bare, str(Path.cwd()) if here else local_folder(ground.folder))
    return sweep, [name for name in (ground.config, *_files(settings)) if "://" in name]


def _files(settings: Settings) -> Iterator[str]:
    from anystore_doe.definition import template_spec

    yield settings.table or ""
    for template in settings.templates or ():
        yield template_spec(template).file if isinstance(template, str) else template.file
    yield from settings.input_files or ()


def _selected(sweep: Sweep, rows: str | None) -> tuple[Run, ...]:
    from anystore_doe.definition import select_rows

    return sweep.runs if rows is None else select_rows(sweep, rows)


def _check_some(rights: Rights, cloud: str | None) -> None:
    """Raise when a cloud was asked for by name and nothing of this sweep is on it."""
    from anystore_doe.errors import PlanError

    if cloud is not None and not rights.policies:
        raise PlanError(f"nothing of this sweep is granted on {cloud}", hint="leave --cloud out to see what is")


def _print(rights: Rights, *, quiet: bool, commands: bool) -> None:
    """Write documents or commands to stdout, and all that is said about them to stderr.

    ``quiet``: not what has no policies.
    """
    from anystore_doe.engine.rights import size_of

    for one in rights.policies:
        limit = f" of {one.limit:,}" if one.limit else ""
        head = f"{one.kind}, for {one.attach or 'who runs the sweep'} ({size_of(one):,}{limit} characters):"
        click.echo(one_line(head), err=True)
        _print_one(one, commands=commands)
        for note in one.notes:
            click.echo(f"Note:  {one_line(note)}", err=True)
    for url in rights.widened:
        click.echo(f"Note:  many places lie below {one_line(url)}, so it is named as a whole", err=True)
    for sentence in () if quiet else rights.without:
        click.echo(one_line(sentence), err=True)


def _print_one(policy: Policy, *, commands: bool) -> None:
    from anystore_doe.engine.rights import document_text

    if not commands:
        click.echo(document_text(policy))
    elif policy.commands:
        click.echo("\n".join(policy.commands))
    else:
        click.echo("Note:  there are no commands for it; without --commands the policy itself is printed", err=True)


def _plain(rights: Rights) -> dict[str, object]:
    policies = [
        {
            "kind": one.kind,
            "attach": one.attach,
            "document": one.document,
            "commands": list(one.commands),
            "notes": list(one.notes),
        }
        for one in rights.policies
    ]
    widened, without = list(rights.widened), list(rights.without)
    return {"schema": 1, "policies": policies, "widened": widened, "without": without}
