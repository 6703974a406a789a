"""The lines that install a plugin, in this one place: they change with the first release on an index."""

from __future__ import annotations

PLUGIN_OF_SCHEME = {
    "s3": "anystore-doe-s3",
    "s3a": "anystore-doe-s3",
    "gs": "anystore-doe-gcs",
    "gcs": "anystore-doe-gcs",
    "az": "anystore-doe-azure",
    "abfs": "anystore-doe-azure",
    "abfss": "anystore-doe-azure",
}
"""Schemes that a plugin of this project serves, or will serve: the fallback never takes them."""

INSTALL = {"anystore-doe-s3": "pip install -e . -e plugins/anystore-doe-s3   (in a checkout of anystore-doe)"}
"""The line that installs each plugin that exists; nothing is on an index yet."""

DEMO = "pip install -e '.[demo]' -e plugins/anystore-doe-s3   (in a checkout of anystore-doe)"
"""The line that installs what ``anystore-doe demo`` needs."""


def install_hint(scheme: str) -> str:
    """Return the line that installs what serves ``scheme``, or say plainly that it does not exist yet."""
    plugin = PLUGIN_OF_SCHEME.get(scheme)
    if plugin is None:
        return "anystore-doe plugins"
    if plugin in INSTALL:
        return INSTALL[plugin]
    return f"this version of anystore-doe has no plugin for {scheme}:// yet; copy the data to a store that it serves"
