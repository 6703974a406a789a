"""``anystore-doe demo``: both examples, through the commands that a user would type."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.demo_desk import CASES, Desk, in_folder, on_server
from anystore_doe.cli.ground import registry_of
from anystore_doe.cli.options import debug_option, example
from anystore_doe.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

ENDS_WITHIN_S = 60.0
"""How long an interrupted command may take to end its solvers and let go of its claims."""


@click.command(epilog=example("anystore-doe demo", "anystore-doe demo --store demo-bucket"))
@click.option(
    "--store",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in plain files below DIR, instead of on an S3 server that ends with the demo.",
)
@debug_option
@click.pass_context
def demo(ctx: click.Context, store: Path | None) -> int:
    """Run both examples: two zipped cases from a bucket, and six pairs of values in one of them.

    An S3 server is started for it on this machine (moto; it listens on loopback, keeps its objects in memory, and
    ends with the demo). Two slots of one core each solve with a small program that stands in for CONVERGE CFD.
    """
    check_installed(ctx, server=store is None)
    with _ending_on_sigterm(), in_folder(store) if store is not None else on_server() as desk:
        click.echo(f"The examples were copied to {desk.folder}; their bucket is {desk.url}.")
        click.echo("Their solver is a small program that stands in for CONVERGE CFD; it is not CONVERGE.\n")
        for line in preparation(desk):
            click.echo(f"$ {line}")
        for words in commands(desk.url):
            click.echo(f"\n$ {shlex.join(('anystore-doe', *words))}")
            sys.stdout.flush()
            if code := _started(words, desk):
                click.echo(f"\nThe demo ends here: the last command ended with {code}.", err=True)
                return code
        click.echo("\nDone: the article's two cases and six runs of one case, with their outputs in the bucket.")
        for line in desk.farewell:
            click.echo(line)
    return 0


def check_installed(ctx: click.Context, *, server: bool) -> None:
    """Refuse before anything is made when the demo can not work to its end.

    Raises:
        PluginError: the extra ``demo`` or, for a ``server``, the S3 plugin is not installed.
    """
    from anystore_doe.registry.hints import DEMO

    wanted = ["cantera", *(["moto", "flask", "flask_cors"] if server else [])]
    missing = [name for name in wanted if find_spec(name) is None]
    if server and not any("s3" in offer.entry.schemes for offer in registry_of(ctx).storage_offers()):
        missing.append("anystore-doe-s3")
    if missing:
        raise PluginError(f"the demo needs what is not installed: {', '.join(missing)}", hint=DEMO)


def preparation(desk: Desk) -> Iterator[str]:
    """Yield what a user would type first: where to, and which variables (the keys of the server are not shown)."""
    yield f"cd {shlex.quote(str(desk.folder))}"
    for name in desk.shown:
        before = os.environ.get(name, "")
        value = desk.environ[name]
        if before and value.endswith(before):
            yield f'export {name}={shlex.quote(value.removesuffix(before))}"${name}"'
        else:
            yield f"export {name}={shlex.quote(value)}"


def commands(url: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that the demo shows, in order; ``url`` is the bucket's."""
    yield "cp", "hsdi.zip", "pintle.zip", f"{url}/input/"
    for name in ("article", "sweep-one-zip"):
        yield "run", "-c", f"{name}/sweep.toml"
        yield "results", "-c", f"{name}/sweep.toml"
    for case in CASES:
        yield "ls", f"{url}/output/{case}/"


def _started(words: Sequence[str], desk: Desk) -> int:
    """Run one command of ours in the demo's folder; when we are interrupted, wait until it has ended too."""
    argv = [sys.executable, "-m", "anystore_doe.cli", *words]
    with subprocess.Popen(argv, cwd=desk.folder, env=dict(desk.environ)) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the server and the running command end with us."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a signal handler's signature
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
