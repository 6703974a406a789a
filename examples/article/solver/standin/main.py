"""The command line of the stand-in: ``converge [--super] [--cores N]``, started in the folder of a case."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import diesel, pintle
from .deck import DeckError, read_numbers, write_echo

if TYPE_CHECKING:
    from collections.abc import Sequence

BANNER = """\
 ---------------------------------------------------------------------------
  This is NOT CONVERGE CFD. It is a small open program that stands in for it
  in the examples of anystore-doe: it reads files of the same names and
  calculates far simpler physics. Do not design anything with its results.
 ---------------------------------------------------------------------------
"""
INPUTS = {
    "crank_flag": (0.0, 1.0),
    "start_time": (-720.0, 720.0),
    "end_time": (-720.0, 720.0),
    "time_step": (1e-7, 1.0),
    "time_interval_write": (1e-7, 10.0),
}


def main(argv: Sequence[str]) -> int:
    """Calculate the case of the current folder; 0: done, 1: the case is wrong or can not be calculated, 2: usage."""
    parser = argparse.ArgumentParser(prog="converge", description=BANNER, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--super", action="store_true", help="taken and ignored: CONVERGE's launch lines have it")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="what it may use; it uses one")
    arguments = parser.parse_args(argv)
    if arguments.cores < 1:
        parser.error(f"--cores is {arguments.cores}, which is less than 1")
    print(BANNER)
    print(f"cores: {arguments.cores} given, 1 used", flush=True)
    folder = Path.cwd()
    try:
        times = read_numbers(folder, "inputs.in", INPUTS)
        if times["end_time"] <= times["start_time"]:
            raise DeckError("inputs.in: end_time is not after start_time")
        write_echo(folder, "inputs.in", times)
        # CONVERGE too tells engine cases (time in crank degrees) from others by crank_flag.
        model = diesel if times["crank_flag"] else pintle
        print(
            f"case: {'engine, zero-dimensional diesel' if model is diesel else 'spray of a pintle injector'}",
            flush=True,
        )
        print(model.calculate(folder, times))
    except DeckError as error:
        print(f"converge (stand-in): {error}", file=sys.stderr)
        return 1
    print("converge (stand-in): normal end")
    return 0
