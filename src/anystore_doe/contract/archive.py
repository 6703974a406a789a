"""What an archive format promises: refuse whole, or unpack whole, never write outside the folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.contract.storage import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may hold.

    Attributes:
        entries: Most members.
        total_bytes: Most unpacked bytes, all members together.
        ratio: Most unpacked per packed bytes of one member.
        keep_free_bytes: What must stay free on the disk of the folder.
    """

    entries: int = 100_000
    total_bytes: int = 50 * 2**30
    ratio: int = 1100
    keep_free_bytes: int = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One regular file or folder in an archive: ``path`` is relative and safe, ``size`` is unpacked bytes."""

    path: str
    size: int
    folder: bool = False
    executable: bool = False


class Archive(ABC):
    """One archive format; stateless and thread-safe.

    Only :class:`~anystore_doe.errors.ArchiveError` and :class:`~anystore_doe.errors.LocalResourceError` get out.
    """

    @abstractmethod
    def members(self, file: Path, limits: Limits) -> list[Member]:
        """Read the directory of ``file`` and return its members, in archive order.

        ``__MACOSX/`` and ``.DS_Store`` are left out. Formats without a directory (tar) read the whole file.

        Raises:
            ArchiveError: it is not such an archive, is truncated or encrypted, or holds a member that may not be
                unpacked: absolute, ``..``, empty, over-long or control-character parts, backslash, drive, link,
                device, two names that collide under NFC or case folding, file versus folder, overlap, a header
                that differs from the directory, a limit exceeded. ``reason`` says which.
        """

    @abstractmethod
    def unpack(self, file: Path, folder: Path, limits: Limits, *, watch: Watch) -> list[Member]:
        """Unpack ``file`` into ``folder``, which exists and may hold other files; return the members.

        The whole archive is refused before a byte is written; an archive that turns out to be damaged leaves
        nothing in ``folder``. Files are created new, never through a link; only the executable bit is kept.
        ``watch.advance`` sees the unpacked bytes.

        Raises:
            ArchiveError: as :meth:`members`; or a body is damaged; or a member's path exists in ``folder``.
            LocalResourceError: the disk is too small (known beforehand) or full.
        """

    def pack(self, folder: Path, file: Path) -> None:
        """Pack all regular files below ``folder`` into the new archive ``file``, sorted by path, links left out.

        Raises:
            ArchiveError: this format can not pack (``ArchiveEntry.can_pack`` is off).
        """
        raise _can_not_pack(file)


def _can_not_pack(file: Path) -> Exception:
    from anystore_doe.errors import ArchiveError

    return ArchiveError(file.name, "can-not-pack", "this format can only be unpacked")
