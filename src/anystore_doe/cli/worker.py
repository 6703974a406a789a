"""``anystore-doe worker``: lives one work order. For executors, not for people."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anystore_doe.cli.ground import registry_of
from anystore_doe.cli.options import debug_option
from anystore_doe.cli.stopping import SIGNALS
from anystore_doe.errors import StateError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from anystore_doe.model import RunEvent, WorkOrder

ORPHAN_S = 20.0
"""How long a worker whose engine is gone may take to bring its runs to an end."""

ORDER_LIMIT = 2**30
"""Bytes: an order above this is refused rather than read into memory."""


@click.command(hidden=True)
@debug_option
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Read one work order, a line of JSON, from stdin, and live it; what became of its runs is in the store.

    The end of stdin means that the engine is gone: running solvers are ended, nothing is begun, and 20 s later this
    process ends whatever it is at. SIGTERM stops it too, and lets what is solved be pushed.
    Ends with 0 when the order was lived, whatever became of its runs. Runs that fail are said on stderr: one that
    failed at its store could not say so there.
    """
    from anystore_doe.cli.surroundings import surroundings
    from anystore_doe.engine.worker import live_order

    stop = threading.Event()

    def told_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, told_to_stop)
    order = read_order(sys.stdin.buffer.readline(ORDER_LIMIT))
    threading.Thread(target=_stop_at_the_end_of_stdin, args=(stop,), name="anystore-doe-stdin", daemon=True).start()
    registry = registry_of(ctx)
    opener = registry.opener(
        order.stores,
        environ=os.environ,
        base=Path.cwd(),
        state_folder=Path(order.work_root) if order.work_root else None,
    )
    try:
        live_order(order, stop, surroundings(registry, opener, order.recipe, _log_failure))
    finally:
        opener.close()


def _log_failure(event: RunEvent) -> None:
    if event.state == "failed":
        click.echo(f"run {event.run_id} failed at {event.step}: {event.message}", err=True)


def read_order(line: bytes) -> WorkOrder:
    """Decode a work order.

    Raises:
        UsageError: it is no order.
        StateError: it is of a newer version.
    """
    from msgspec import MsgspecError, json

    from anystore_doe.model import SCHEMA, WorkOrder

    try:
        schema = json.decode(line, type=dict[str, object]).get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise StateError(f"the work order has schema {schema}, this worker knows {SCHEMA}", hint="upgrade it")
        return json.decode(line, type=WorkOrder)
    except MsgspecError as error:
        raise UsageError(f"stdin holds no work order: {error}") from error


def _stop_at_the_end_of_stdin(stop: threading.Event) -> None:
    # Not through sys.stdin: its lock would be held here when the interpreter ends.
    while os.read(0, 4096):
        pass
    stop.set()
    # What is solved may still be pushed, but not for long: the next engine waits for this worker. Ending like this is
    # as good as kill -9, which loses nothing: supervisors end their solvers, claims of dead processes are free.
    time.sleep(ORPHAN_S)
    os._exit(1)
