"""Durations as people write them."""

from __future__ import annotations

import math
import re

from anystore_doe.definition.findings import shown
from anystore_doe.errors import DefinitionError

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([smhd]?)\s*", re.ASCII)


def parse_duration(text: str | float, *, where: str = "") -> float:
    """Return a duration in seconds: ``90s``, ``10m``, ``12h``, ``2d``, ``1.5h``, or a bare number of seconds.

    Raises:
        DefinitionError: it is none of these, or not longer than nothing.
    """
    match = _DURATION.fullmatch(text if isinstance(text, str) else repr(text))
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else math.nan
    if not seconds > 0:
        raise DefinitionError(
            f"{shown(str(text))} is not a duration",
            where=where,
            hint="write 90s, 10m, 12h, 2d or a number of seconds above 0",
        )
    return seconds
