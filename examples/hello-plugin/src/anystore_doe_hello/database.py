"""Rows of an SQLite database: they stand here for your store's own library. No rule of the contract is known here."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from anystore_doe.model import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A row's id is never used twice: it names one version of an object.
SCHEMA = """CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, size INTEGER, sha256 TEXT, modified REAL, data BLOB)"""
COLUMNS = "id, key, size, sha256, modified"


@contextmanager
def opened(file: Path, wait_s: float, *, write: bool) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction, which is undone when the block raises."""
    # What is only read is not made: a database that is not there holds nothing.
    where = file if write or file.exists() else ":memory:"
    if write:
        file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(where, timeout=wait_s, isolation_level=None)) as database:
        database.execute(SCHEMA)
        database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        yield database
        database.execute("COMMIT")


def find(database: sqlite3.Connection, key: str) -> ObjectInfo | None:
    """Describe the object ``key``, if there is one."""
    row = database.execute(f"SELECT {COLUMNS} FROM objects WHERE key = ?", [key]).fetchone()
    return None if row is None else _info(row)


def find_below(database: sqlite3.Connection, below: str) -> list[ObjectInfo]:
    """Describe all objects whose keys begin with ``below``."""
    query = f"SELECT {COLUMNS} FROM objects WHERE substr(key, 1, ?) = ?"
    return [_info(row) for row in database.execute(query, [len(below), below])]


def content(database: sqlite3.Connection, info: ObjectInfo) -> sqlite3.Blob:
    """Open the bytes of one version of an object."""
    return database.blobopen("objects", "data", int((info.pin or "")[1:]), readonly=True)


def replace(database: sqlite3.Connection, key: str, size: int, pieces: Iterable[bytes]) -> None:
    """Write an object, in place of the one that was there."""
    database.execute("DELETE FROM objects WHERE key = ?", [key])
    row = database.execute("INSERT INTO objects (key, data) VALUES (?, zeroblob(?))", [key, size]).lastrowid or 0
    digest = hashlib.sha256()
    with database.blobopen("objects", "data", row) as blob:
        for piece in pieces:
            blob.write(piece)
            digest.update(piece)
    values = [size, digest.hexdigest(), time.time(), row]
    database.execute("UPDATE objects SET size = ?, sha256 = ?, modified = ? WHERE id = ?", values)


def _info(row: tuple[int, str, int, str, float]) -> ObjectInfo:
    number, key, size, sha256, modified = row
    return ObjectInfo(key=key, size=size, pin=f"v{number}", checksums={"sha256": sha256}, modified_at=modified)
