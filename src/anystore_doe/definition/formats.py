"""Numbers as text: Python format specs (``.3f``) and the patterns of ``?string("0.00##")``.

A pattern follows java.text.DecimalFormat, on which FreeMarker's ``?string`` stands: ``0`` is a digit, ``#`` one
that may be absent, halves are rounded to the even neighbour. It works on the decimal number that the table says,
so nothing is lost to binary fractions; a format spec works on a float, as Python does.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

PATTERN_MARK = "?"
"""A format that starts with this is a ``?string`` pattern, any other a Python format spec."""

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?\s*", re.ASCII)
_SPEC = re.compile(r"(?:.?[<>=^])?[+\- ]?#?0?[0-9]{0,3}[,_]?(?:\.[0-9]{1,3})?([bdeEfFgGosxX%])", re.ASCII)
_PATTERN = re.compile(r"(#*)(0*)(?:\.(0*)(#*))?", re.ASCII)
_LARGEST = 400
"""Powers of ten beyond which a number is refused: past every float, and a pattern would spell out all digits."""


class BadFormatError(ValueError):
    """A format makes no sense, or a value does not fit it; a sentence. Never leaves this room."""


def check_format(fmt: str) -> None:
    """Refuse a format that no value could have.

    Raises:
        BadFormatError: it is neither a format spec that ends in a type letter nor a digit pattern.
    """
    if fmt.startswith(PATTERN_MARK):
        _pattern(fmt[1:])
        return
    match = _SPEC.fullmatch(fmt)
    try:
        if match is None:
            raise ValueError
        format({"s": "x"}.get(match[1], 1 if match[1] in "bdoxX" else 1.0), fmt)
    except ValueError as error:
        raise BadFormatError(f"the format {fmt!r} is not one such as .3f, .2e, 05d or >10s") from error


def format_value(text: str, fmt: str) -> str:
    """Return the cell ``text`` in a format; ``""`` is the text as it is.

    Raises:
        BadFormatError: the text is not a number (``nan`` and ``inf`` are none), or not a whole one for ``d``
            and its like.
    """
    if not fmt:
        return text
    check_format(fmt)
    if fmt.endswith("s") and not fmt.startswith(PATTERN_MARK):
        return format(text, fmt)
    if not _NUMBER.fullmatch(text) or len(text) > 2 * _LARGEST:
        raise BadFormatError("is not a number")
    number = Decimal(text.strip())
    if number and abs(number.adjusted()) > _LARGEST:
        raise BadFormatError("is beyond all reasonable size")
    if fmt.startswith(PATTERN_MARK):
        return _in_pattern(number, fmt[1:])
    if fmt[-1] not in "bdoxX":
        return format(float(number), fmt)
    if number != number.to_integral_value():
        raise BadFormatError("is not a whole number")
    return format(int(number), fmt)


def _pattern(pattern: str) -> tuple[int, int, int]:
    """Return least digits before the point, least after it, most after it."""
    match = _PATTERN.fullmatch(pattern)
    if match is None or not pattern.strip(".") or len(pattern) > _LARGEST:
        raise BadFormatError(
            f'the pattern "{pattern}" is not one of digits such as 0.00## (0: digit, #: digit or none)'
        )
    before, after, most = len(match[2]), len(match[3] or ""), len(match[3] or "") + len(match[4] or "")
    # DecimalFormat: a pattern without any 0 still shows the digit before the point.
    return (before if before or after else 1), after, most


def _in_pattern(number: Decimal, pattern: str) -> str:
    before, least, most = _pattern(pattern)
    exact = Context(prec=4 * _LARGEST, rounding=ROUND_HALF_EVEN)
    rounded = exact.quantize(number, Decimal(1).scaleb(-most))
    whole, _, fraction = f"{rounded.copy_abs():f}".partition(".")
    whole = whole.lstrip("0").rjust(before, "0")
    kept = fraction[:least] + fraction[least:].rstrip("0")
    sign = "-" if rounded.is_signed() else ""
    return f"{sign}{whole}.{kept}" if kept else f"{sign}{whole or '0'}"
