"""The boundary: errors become words on stderr and an exit code; a bug of ours becomes a file with its traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from anystore_doe.errors import AnystoreDoeError, InternalError, LocalResourceError, PluginBugError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.registry import Registry

DEBUG = "anystore_doe.debug"
"""Key in click's shared ``meta``: whether tracebacks are shown."""

REGISTRY = "anystore_doe.registry"
"""Key in click's shared ``meta``: the plugins, so that one of them can be blamed."""

INTERRUPTED = 128 + 2
PIPE_CLOSED = 128 + 13

_SCARCE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS}


class Boundary(click.Group):
    """A group whose commands return exit codes (``None``: 0) and raise our own errors."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line and end the process with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            _refuse_bytes(sys.argv[1:] if args is None else args)
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; show what it raises."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001  the last place where anything can be turned into words
            return _shown(error, debug=bool(ctx.meta.get(DEBUG)), registry=ctx.meta.get(REGISTRY))
        return code if isinstance(code, int) else 0


def _refuse_bytes(words: Sequence[str]) -> None:
    """Refuse words that are no text: they could be kept in no record.

    Raises:
        click.UsageError: one is not valid UTF-8.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = word.encode(errors="backslashreplace").decode()
            raise click.UsageError(f"the word {shown!r} is not valid UTF-8") from None


def show(error: AnystoreDoeError) -> None:
    """Write an error of ours to stderr: its sentence, and its hint."""
    click.echo(f"Error: {printable(str(error))}", err=True)
    if error.hint:
        click.echo(f"Hint:  {printable(error.hint)}", err=True)


def _shown(error: Exception, *, debug: bool, registry: Registry | None = None) -> int:
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        return _quietly()
    ours = _in_our_words(error)
    if ours is None and registry is not None:
        ours = registry.bug_of(error)
    trace = _traceback(error) if debug or ours is None or isinstance(ours, PluginBugError) else ""
    if debug:
        click.echo(printable(trace), err=True)
    if ours is None or isinstance(ours, PluginBugError):
        ours = _bug(error, trace, ours)
    show(ours)
    return ours.exit_code


def _in_our_words(error: Exception) -> AnystoreDoeError | None:
    if isinstance(error, AnystoreDoeError):
        return error
    if isinstance(error, MemoryError):
        return LocalResourceError("this machine has no memory left", hint="fewer --slots or a smaller --lookahead")
    if isinstance(error, OSError) and error.errno in _SCARCE:
        where = f" ({error.filename})" if error.filename else ""
        return LocalResourceError(f"this machine says: {error.strerror}{where}")
    return None


def _bug(error: Exception, trace: str, plugin: PluginBugError | None) -> InternalError:
    """Say whose bug it is, and where the traceback of it is kept."""
    file = _kept(trace)
    if plugin is not None:
        where = f"traceback in {file}; --debug shows it" if file else "--debug shows its traceback"
        return InternalError(f"{plugin.message} ({where})", hint=plugin.hint)
    name = type(error).__name__
    if not file:
        return InternalError(f"a bug of anystore-doe: {name}", hint="the same command with --debug shows where")
    return InternalError(f"a bug of anystore-doe: {name}; its traceback is in {file}", hint="please report it")


def _kept(trace: str) -> str:
    """Keep a traceback in a file that only the user can read: it may quote what must not be shown. Return its path."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="anystore-doe-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(trace)
    except OSError:
        return ""
    return file.name


def _traceback(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _reader_is_gone() -> bool:
    """Tell whether who read our stdout or stderr has closed it; any other broken pipe is a bug."""
    import select

    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            poll.register(stream.fileno(), 0)
        except (OSError, ValueError):
            continue
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _quietly() -> int:
    """End as a program that the closed pipe ended, without the interpreter's own complaint at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return PIPE_CLOSED
