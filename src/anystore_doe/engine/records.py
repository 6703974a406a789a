"""The records under an output URL: their keys, and their way to and from JSON.

Unknown fields are ignored and missing ones take their defaults, so that records of the same schema stay
readable; a higher schema is refused, never guessed at.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from anystore_doe.errors import StateError
from anystore_doe.model import ATTEMPTS_PATH, CLAIM_PATH, OUR_FOLDER, SCHEMA, AttemptRecord, Claim, Commit

if TYPE_CHECKING:
    from anystore_doe.contract.storage import Place

CLAIM = CLAIM_PATH
COMMIT = f"{OUR_FOLDER}/commit.json"
ATTEMPTS = ATTEMPTS_PATH

Record = TypeVar("Record", Claim, AttemptRecord, Commit)


def attempt_path(number: int) -> str:
    """Return the path of attempt ``number``'s record below its output URL."""
    return f"{ATTEMPTS}/{number}.json"


def log_path(number: int, stream: str) -> str:
    """Return the path of a long log (``stdout`` or ``stderr``) below the output URL."""
    return f"{ATTEMPTS}/{number}.{stream}.log"


def attempt_number(path: str) -> int | None:
    """Return the number in an attempt record's path, or ``None`` for any other path."""
    folder, _, name = path.rpartition("/")
    stem, dot, suffix = name.partition(".")
    return int(stem) if folder == ATTEMPTS and dot and suffix == "json" and stem.isdecimal() else None


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA


def encode(record: Claim | AttemptRecord | Commit) -> bytes:
    """Return ``record`` as one line of JSON."""
    return msgspec.json.encode(record)


def decode(kind: type[Record], body: bytes, place: Place, path: str) -> Record:
    """Return the record in ``body``, which was read from ``path`` below ``place``.

    Raises:
        StateError: it is damaged, or of a newer schema than this version knows.
    """
    url = place.storage.url_of(place.at(path))
    try:
        schema = int(_decoder(_Versioned).decode(body).schema)
        if schema > SCHEMA:
            raise StateError(
                f"{url} was written with schema {schema}, this version knows {SCHEMA}",
                hint="use the version of anystore-doe that wrote it, or a newer one",
            )
        as_any: Any = kind  # mypy takes a dataclass's type for unhashable
        record: Record = _decoder(as_any).decode(body)
        return record
    except msgspec.MsgspecError as error:
        raise StateError(f"{url} is damaged: {error}", hint=f"anystore-doe cp {url} .   # and look at it") from error
