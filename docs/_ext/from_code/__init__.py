"""Parts of pages that are written from the code when the documentation is built.

A page says where: a line ``% from-code: NAME`` is replaced by what ``WRITERS[NAME]`` returns, which is MyST text.
Nothing of it is kept in the repository, so it can not be older than the code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from from_code import commands, errors, kit, life, performance, plugin_options, records, settings
from from_code.links import record_signature, resolve_short_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sphinx.application import Sphinx

MARK = re.compile(r"^% from-code: ([a-z-]+)$", re.MULTILINE)

WRITERS: Mapping[str, Callable[[], str]] = {
    "commands": commands.write,
    "settings": settings.write,
    "storage-options": plugin_options.write_storages,
    "executor-options": plugin_options.write_executors,
    "credentials": plugin_options.write_credentials,
    "installed": plugin_options.write_installed,
    "errors": errors.write,
    "error-classes": errors.write_classes,
    "events": records.write_events,
    "records": records.write_records,
    "life": life.write,
    "performance": performance.write,
    "kit-stores": kit.write_stores,
    "kit-bugs": kit.write_bugs,
}


def fill(text: str) -> str:
    """Return a page's text with every mark replaced.

    Raises:
        KeyError: a mark names no writer.
    """
    return MARK.sub(lambda mark: WRITERS[mark[1]](), text)


def _fill_page(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def _with_marks(app: Sphinx, env: Any, *_: Any) -> list[str]:
    """Name the pages that must be read again although their own text did not change."""
    return [name for name in env.found_docs if MARK.search(app.env.doc2path(name).read_text(encoding="utf-8"))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("source-read", _fill_page)
    app.connect("env-get-outdated", _with_marks)
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-process-signature", record_signature)
    return {"parallel_read_safe": True}
