"""The archive format .hello: a line with a checksum of all that follows, a line of JSON that lists files, the files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anystore_doe.contract import Archive, Limits, Member
from anystore_doe.errors import ArchiveError, LocalResourceError
from anystore_doe_hello.local import PIECE_BYTES
from anystore_doe_hello.safe import check_paths, check_room, is_dropped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

    from anystore_doe.contract import Watch

MAGIC = b"HELLO 1 "
HEAD_BYTES = len(MAGIC) + 64 + 1
LONGEST_LIST = 64 * 2**20


class HelloArchive(Archive):
    """Refuse whole, or unpack whole, and never write outside the folder."""

    def members(self, file: Path, limits: Limits) -> list[Member]:
        with _local_errors("read", file), file.open("rb") as source:
            return [member for member in _listed(source, file.name, limits) if not is_dropped(member.path)]

    def unpack(self, file: Path, folder: Path, limits: Limits, *, watch: Watch) -> list[Member]:
        made: list[Path] = []
        with _local_errors("unpack", file), file.open("rb") as source:
            listed = _listed(source, file.name, limits)
            members = [member for member in listed if not is_dropped(member.path)]
            check_room(file.name, folder, members, limits)
            try:
                for member in listed:
                    sink = None if is_dropped(member.path) else folder / member.path
                    watch.check()
                    _unpack_one(source, member, sink, folder, made, watch)
            except BaseException:
                for path in reversed(made):
                    path.rmdir() if path.is_dir() else path.unlink()
                raise
        return members

    def pack(self, folder: Path, file: Path) -> None:
        paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if _is_regular(path))
        infos = [(folder / path).stat() for path in paths]
        rows = [[path, info.st_size, bool(info.st_mode & 0o100)] for path, info in zip(paths, infos, strict=True)]
        with _local_errors("pack into", file), file.open("x+b") as sink:
            sink.write(bytes(HEAD_BYTES) + json.dumps(rows).encode() + b"\n")
            for path in paths:
                with (folder / path).open("rb") as source:
                    shutil.copyfileobj(source, sink, PIECE_BYTES)
            sink.seek(HEAD_BYTES)
            digest = hashlib.file_digest(sink, "sha256").hexdigest()
            sink.seek(0)
            sink.write(MAGIC + digest.encode() + b"\n")


def _listed(source: BufferedReader, name: str, limits: Limits) -> list[Member]:
    """Check everything that can be checked before a byte is written; leave ``source`` where the first file begins."""
    head = source.read(HEAD_BYTES)
    if head != MAGIC + hashlib.file_digest(source, "sha256").hexdigest().encode() + b"\n":
        raise ArchiveError(name, "damaged", "it does not have the checksum that its first line says")
    end = source.tell()
    source.seek(HEAD_BYTES)
    try:
        rows = [(str(path), int(size), bool(run)) for path, size, run in json.loads(source.readline(LONGEST_LIST))]
    except (ValueError, TypeError) as error:
        raise ArchiveError(name, "damaged", "its second line lists no files") from error
    total = sum(size for _, size, _ in rows)
    if len(rows) > limits.entries or total > limits.total_bytes:
        raise ArchiveError(name, "too-large", f"{len(rows)} files of {total} bytes")
    if any(size < 0 for _, size, _ in rows) or source.tell() + total != end:
        raise ArchiveError(name, "damaged", "the sizes of its files do not add up")
    check_paths(name, [path for path, _, _ in rows])
    return [Member(path=path, size=size, executable=run) for path, size, run in rows]


def _unpack_one(
    source: BufferedReader, member: Member, sink: Path | None, folder: Path, made: list[Path], watch: Watch
) -> None:
    if sink is None:
        source.seek(member.size, os.SEEK_CUR)
        return
    for parent in reversed([p for p in sink.parents if p.is_relative_to(folder) and not p.exists()]):
        parent.mkdir()
        made.append(parent)
    with sink.open("xb") as file:
        made.append(sink)
        left = member.size
        while piece := source.read(min(left, PIECE_BYTES)):
            file.write(piece)
            left -= len(piece)
            watch.advance(len(piece))
    if member.executable:
        sink.chmod(sink.stat().st_mode & 0o777 | 0o100)


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


@contextmanager
def _local_errors(doing: str, file: Path) -> Iterator[None]:
    try:
        yield
    except LocalResourceError:
        raise
    except OSError as error:
        raise LocalResourceError(f"can not {doing} {file}: {error.strerror}") from error
