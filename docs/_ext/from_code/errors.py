"""Every error class with its exit code, walked from the base."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from anystore_doe import errors
from from_code.text import code, from_docstring, table

if TYPE_CHECKING:
    from collections.abc import Iterator


def classes(base: type[errors.AnystoreDoeError] = errors.AnystoreDoeError) -> Iterator[type[errors.AnystoreDoeError]]:
    """Yield ``base`` and everything below it that ``errors.py`` defines, depth first, in the order of the file."""
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__ and child.__bases__[0] is base:
            yield from classes(child)


def write_classes() -> str:
    """Write every class with its docstring, so that signatures and ``Raises:`` can link to it."""
    blocks = [f".. autoexception:: {kind.__module__}.{kind.__name__}\n   :show-inheritance:" for kind in classes()]
    return "```{eval-rst}\n" + "\n".join(blocks) + "\n```"


def write() -> str:
    """Write the table: class, exit code, what else it is, what it says."""
    rows = []
    for kind in classes():
        also = [base.__name__ for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base]
        also = [name for name in also if name not in {"Exception", "BaseException", "object"}][:1]
        words = (kind.__doc__ or "").partition("\n\n")[0]
        rows.append((code(kind.__name__), str(kind.exit_code), code(also[0]) if also else "", from_docstring(words)))
    return table(("Class", "Exit code", "Also a", "When"), rows)
