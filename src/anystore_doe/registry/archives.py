"""Picks the archive format of a file by its name or by its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore_doe.registry.offers import only_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anystore_doe.contract import ArchiveEntry
    from anystore_doe.registry.offers import Offer


class Archives:
    """The archive formats of all plugins; immutable."""

    def __init__(self, offers: Sequence[Offer[ArchiveEntry]]) -> None:
        """Serve these offers."""
        self._offers = tuple(offers)

    def for_name(self, name: str) -> ArchiveEntry | None:
        """Return the format with the longest suffix that ``name`` ends in, case ignored, or ``None``.

        Raises:
            PluginClashError: two plugins offer that suffix.
        """
        lower = name.lower()
        fitting = [s for offer in self._offers for s in offer.entry.suffixes if lower.endswith(s)]
        if not fitting:
            return None
        suffix = max(fitting, key=len)
        return only_one(
            [offer for offer in self._offers if suffix in offer.entry.suffixes], f"the suffix {suffix}"
        ).entry

    def by_content(self, head: bytes) -> ArchiveEntry | None:
        """Return the format whose magic bytes ``head`` (the first 512 bytes or more of a file) shows, or ``None``."""
        for offer in self._offers:
            for start, magic in offer.entry.magic:
                if head[start : start + len(magic)] == magic:
                    return offer.entry
        return None
