"""The rules that every member of every archive has to keep before a byte is written.

Reasons (``ArchiveError.reason``) that are decided here: ``absolute``, ``path-traversal``, ``path-part``,
``too-long``, ``backslash``, ``drive``, ``control-character``, ``undecodable``, ``collision``,
``file-folder-clash``, ``too-many-entries``, ``too-large``, ``ratio``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from anystore_doe.contract import Limits, Member
from anystore_doe.errors import ArchiveError

if TYPE_CHECKING:
    from typing import NoReturn

LONGEST_PART = 255
"""Bytes of UTF-8 in one part of a path (NAME_MAX of Linux file systems)."""
LONGEST_PATH = 4096
"""Bytes of UTF-8 in a whole path (PATH_MAX)."""

DEEPEST = 100
"""Parts of a path."""
LONGEST_NAMES = 64 * 2**20
"""Characters in all paths together: what is known of an archive must fit into memory."""

_DRIVE = re.compile(r"[A-Za-z]:")
# Control characters, line separators, surrogates, and what reverses the direction of text on a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Listing:
    """Collects the members of one archive, in its order, and refuses the archive with the first bad one."""

    def __init__(self, archive: str, limits: Limits) -> None:
        """Begin with nothing; ``archive`` is its name in messages."""
        self.archive = archive
        self.limits = limits
        self.members: list[Member] = []
        self._entries = 0
        self._total = 0
        self._names = 0
        self._nodes: dict[tuple[int, str], _Node] = {}
        self._listed: set[int] = set()

    def refuse(self, reason: str, detail: str, *, hint: str = "") -> NoReturn:
        """Refuse the archive.

        Raises:
            ArchiveError: always.
        """
        raise ArchiveError(self.archive, reason, detail, hint=hint)

    def add(
        self,
        name: str,
        *,
        size: int,
        packed: int | None = None,
        folder: bool = False,
        executable: bool = False,
    ) -> Member | None:
        """Check the next entry and append it; ``None`` when it is one of those that are left out.

        Args:
            name: As the archive has it; a folder's may end in ``/``.
            size: Unpacked bytes.
            packed: Bytes in the archive, where the format knows them per member.
            folder: It is a folder.
            executable: Its owner may execute it.

        Raises:
            ArchiveError: it breaks a rule.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            self.refuse("too-many-entries", f"it has more than {self.limits.entries} entries")
        self._names += len(name)
        if self._names > LONGEST_NAMES:
            self.refuse("too-large", f"its names have more than {LONGEST_NAMES} characters")
        self._check_size(name, size, packed)
        path = name.removesuffix("/") if folder else name
        parts = self._checked_parts(path)
        if parts[0] == "__MACOSX" or parts[-1] == ".DS_Store":
            return None
        if not self._place(parts, folder=folder):
            return None
        member = Member(path=path, size=size, folder=folder, executable=executable and not folder)
        self.members.append(member)
        return member

    def _check_size(self, name: str, size: int, packed: int | None) -> None:
        self._total += size
        if self._total > self.limits.total_bytes:
            self.refuse("too-large", f"unpacked it has more than {self.limits.total_bytes} bytes, at {name!r}")
        if packed is not None and size > self.limits.ratio * packed:
            self.refuse("ratio", f"{name!r} would grow from {packed} to {size} bytes, over {self.limits.ratio}:1")

    def _checked_parts(self, path: str) -> list[str]:
        if found := _CONTROL.search(path):
            self.refuse("control-character", f"{path!r} holds U+{ord(found[0]):04X}")
        if "\\" in path:
            self.refuse("backslash", repr(path), hint="pack it again with a tool that writes / between folders")
        if path.startswith("/"):
            self.refuse("absolute", repr(path))
        if _DRIVE.match(path):
            self.refuse("drive", repr(path))
        parts = path.split("/")
        if ".." in parts:
            self.refuse("path-traversal", repr(path))
        if "" in parts or "." in parts:
            self.refuse("path-part", f"{path!r} has an empty or '.' part")
        if len(path.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_PART for part in parts):
            self.refuse("too-long", f"{path[:80]!r}... is longer than a path or a file name may be")
        if len(parts) > DEEPEST:
            self.refuse("too-long", f"{path[:80]!r}... is more than {DEEPEST} folders deep")
        return parts

    def _place(self, parts: list[str], *, folder: bool) -> bool:
        """Check a path and its parents against all before; tell whether it is to be listed."""
        node = 0
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            key = (node, part if part.isascii() and part.islower() else _folded(part))
            known = self._nodes.get(key)
            if known is None:
                known = self._nodes[key] = _Node(name=part, number=len(self._nodes) + 1, folder=folder or not last)
            else:
                self._meet(parts[: i + 1], known, folder=folder or not last)
            node = known.number
        if node in self._listed:
            return False
        self._listed.add(node)
        return True

    def _meet(self, parts: list[str], known: _Node, *, folder: bool) -> None:
        path = "/".join(parts)
        if known.name != parts[-1]:
            self.refuse("collision", f"{path!r} and one with {known.name!r} are the same on some file systems")
        if known.folder != folder:
            self.refuse("file-folder-clash", f"{path!r} is a file and a folder")
        if not folder:
            self.refuse("collision", f"{path!r} is there twice")


class _Node(NamedTuple):
    """One part of a path below the node that has the number in its key."""

    name: str
    number: int
    folder: bool


def _folded(path: str) -> str:
    """Return what two names have in common that a file system may take for the same (Unicode, D145)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
