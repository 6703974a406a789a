"""The settings of ``file://``."""

from __future__ import annotations

from dataclasses import dataclass

from anystore_doe.contract import option
from anystore_doe.errors import DefinitionError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Settings of ``[storage."file:///..."]``."""

    durability: str = option(
        "full: what is reported as written survives a power cut; none: for scratch disks, nothing is synced.",
        default="full",
    )

    def __post_init__(self) -> None:
        """Refuse what is neither."""
        if self.durability not in {"full", "none"}:
            raise DefinitionError(f'durability is "full" or "none", not {self.durability!r}', where="durability")
