"""Which runs would write where another writes, or where one reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.errors import safe_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anystore_doe.model import Run


def overlaps(runs: Iterable[Run]) -> Iterator[tuple[Run, Run, str]]:
    """Yield pairs of runs that can not both go, the later line second, and why, in words.

    Two outputs that are equal or nested; an output that is, lies in, or lies around an input. Sorting puts
    everything below a place right behind it, so one pass with a stack of open places finds them all:
    n log n for n runs, whatever they share.
    """
    places: dict[tuple[str, bool], Run] = {}
    for run in runs:
        output = (run.output + "/", True)
        if output in places:
            yield places[output], run, f"both write to {safe_url(run.output)}/"
        places.setdefault(output, run)
        for url in run.inputs:
            places.setdefault((url.rstrip("/") + "/", False), run)
    opened: list[tuple[str, bool]] = []
    for place in sorted(places):
        while opened and not place[0].startswith(opened[-1][0]):
            opened.pop()
        around = next((o for o in reversed(opened) if o[1] or place[1]), None)
        if around is not None:
            one, other = sorted((places[around], places[place]), key=lambda run: run.line)
            yield one, other, _why(around, place)
        opened.append(place)


def _why(around: tuple[str, bool], inside: tuple[str, bool]) -> str:
    one, other = safe_url(around[0].rstrip("/")), safe_url(inside[0].rstrip("/"))
    kinds = {True: "output", False: "input"}
    if one == other:
        return f"{one} is an input and an output"
    return f"the {kinds[inside[1]]} {other} lies inside the {kinds[around[1]]} {one}"
