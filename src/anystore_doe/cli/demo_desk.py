"""What the demo works on: a copy of the examples, the zipped cases, a bucket and the environment that reaches it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anystore_doe
from anystore_doe.errors import AnystoreDoeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUCKET = "my-simulation-data"
EXAMPLES = Path(anystore_doe.__file__).parent / "examples"
CASES = ("hsdi", "pintle")

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_UNFIT = set("\"'`\\,${}\n\r")
"""What a path can not hold that is written into a table and a settings file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the demo works.

    Attributes:
        folder: The copy of the examples; the commands are started in it. It stays.
        url: The bucket's URL, without trailing ``/``.
        shown: The variables of ``environ`` that the demo prints, because a user would set them.
        environ: The environment of the commands.
        farewell: Lines that say where everything lies afterwards.
    """

    folder: Path
    url: str
    shown: tuple[str, ...]
    environ: Mapping[str, str]
    farewell: tuple[str, ...]


@contextmanager
def on_server() -> Iterator[Desk]:
    """Yield a desk whose bucket is on an S3 server of its own, which ends with the context.

    Raises:
        AnystoreDoeError: the server does not start.
    """
    from anystore_doe.testing.servers import ServerMissingError, start_moto

    try:
        server = start_moto()
    except ServerMissingError as error:
        raise AnystoreDoeError(f"the demo's S3 server does not start: {error}") from error
    with server:
        server.make_bucket(BUCKET)
        folder = _copy_of_examples()
        environ = {
            **_environment(),
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.endpoint_url,
            # Whatever the user's own files say is for their stores, not for this one.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])),
        }
        yield Desk(
            folder=folder,
            url=f"s3://{BUCKET}",
            shown=("PATH", "AWS_ENDPOINT_URL"),
            environ=environ,
            farewell=(
                f"The tables, settings and records are in {folder}.",
                "The bucket ended with its server; `anystore-doe demo --store DIR` keeps one in plain files.",
            ),
        )


@contextmanager
def in_folder(store: Path) -> Iterator[Desk]:
    """Yield a desk whose bucket is the folder ``store``, made where it is missing; it stays.

    Raises:
        UsageError: the path holds a character that tables and settings would have to quote.
    """
    store = store.absolute()
    unfit = sorted(_UNFIT & set(str(store)))
    if unfit:
        raise UsageError(f"--store {store}: the demo writes this path into tables, and it holds {' '.join(unfit)!r}")
    store.mkdir(parents=True, exist_ok=True)
    folder, url = _copy_of_examples(), f"file://{store}"
    for name in ("article/inputs.csv", "article/sweep.toml", "sweep-one-zip/sweep.toml"):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(f"s3://{BUCKET}", url), encoding="utf-8")
    yield Desk(
        folder=folder,
        url=url,
        shown=("PATH",),
        environ=_environment(),
        farewell=(
            f"The tables, settings and records are in {folder},",
            f"inputs and outputs in {store}.",
        ),
    )


def zip_case(source: Path, target: Path) -> None:
    """Zip the files of a case, so that the same files give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(source.iterdir()):
            out.writestr(zipfile.ZipInfo(path.name, _LONG_AGO), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _copy_of_examples() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="anystore-doe-demo-"))
    for name in ("article", "sweep-one-zip"):
        shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".anystore-doe"))
    for case in CASES:
        zip_case(folder / "article" / "cases" / case, folder / f"{case}.zip")
    return folder


def _environment() -> dict[str, str]:
    """Return the caller's environment without AWS settings; the stand-in solver and its Python come first on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    first = [str(EXAMPLES / "article" / "solver"), str(Path(sys.executable).parent)]
    return {**kept, "PATH": os.pathsep.join([*first, kept.get("PATH", os.defpath)])}
