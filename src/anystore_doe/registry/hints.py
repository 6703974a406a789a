"""The lines that install a plugin, in this one place: they change with the first release on an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PLUGIN_OF_SCHEME = {
    "s3": "anystore-doe-s3",
    "s3a": "anystore-doe-s3",
    "gs": "anystore-doe-gcs",
    "gcs": "anystore-doe-gcs",
    "az": "anystore-doe-azure",
    "abfs": "anystore-doe-azure",
    "abfss": "anystore-doe-azure",
}
"""Schemes that a plugin of this project serves: the fallback never takes them."""

INSTALL = {
    "anystore-doe-azure": "pip install -e . -e plugins/anystore-doe-azure   (in a checkout of anystore-doe)",
    "anystore-doe-gcs": "pip install -e . -e plugins/anystore-doe-gcs   (in a checkout of anystore-doe)",
    "anystore-doe-s3": "pip install -e . -e plugins/anystore-doe-s3   (in a checkout of anystore-doe)",
}
"""The line that installs each plugin; nothing is on an index yet."""

DEMO = "pip install -e '.[demo]' -e plugins/anystore-doe-s3   (in a checkout of anystore-doe)"
"""The line that installs what ``anystore-doe demo`` needs."""


def install_hint(scheme: str, known: Collection[str] = ()) -> str:
    """Return the line that installs what serves ``scheme``.

    A scheme that nobody knows may be misspelt: ``known`` are those that are installed.
    """
    import difflib

    plugin = PLUGIN_OF_SCHEME.get(scheme)
    if plugin is None:
        near = difflib.get_close_matches(scheme, [*known, *PLUGIN_OF_SCHEME], n=1)
        listed = "anystore-doe plugins lists what is installed"
        return f"did you mean {near[0]}://? {listed}" if near else listed
    return INSTALL[plugin]


def repair_hint(distribution: str) -> str:
    """Return the line that installs what an installed plugin needs and lacks."""
    return INSTALL.get(distribution, f"pip install {distribution}")
