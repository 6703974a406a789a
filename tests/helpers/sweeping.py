"""Buckets and a desk: what sweeps end to end are made of."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anystore_doe.testing.servers import S3Server


EXECUTORS = ("local", "worker-process")
BUCKET = "my-simulation-data"


class Bucket(Protocol):
    """A place of the test's own on some store, looked at without anystore-doe."""

    url: str
    environ: Mapping[str, str]

    def put(self, path: str, body: bytes) -> str: ...
    def get(self, path: str) -> bytes: ...
    def delete(self, path: str) -> None: ...
    def paths(self, prefix: str = "") -> list[str]: ...


@dataclass
class FileBucket:
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def put(self, path: str, body: bytes) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        return f"{self.url}/{path}"

    def get(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def delete(self, path: str) -> None:
        (self.folder / path).unlink()

    def paths(self, prefix: str = "") -> list[str]:
        found = (str(f.relative_to(self.folder)) for f in self.folder.rglob("*") if f.is_file())
        return sorted(path for path in found if path.startswith(prefix))


@dataclass
class S3Bucket:
    server: S3Server
    prefix: str

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_ENDPOINT_URL": self.server.endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def put(self, path: str, body: bytes) -> str:
        with self.server.client() as s3:
            s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=body)
        return f"{self.url}/{path}"

    def get(self, path: str) -> bytes:
        with self.server.client() as s3:
            body: bytes = s3.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")["Body"].read()
            return body

    def delete(self, path: str) -> None:
        with self.server.client() as s3:
            s3.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")

    def paths(self, prefix: str = "") -> list[str]:
        with self.server.client() as s3:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/{prefix}")
            return sorted(one["Key"][len(self.prefix) + 1 :] for page in pages for one in page.get("Contents", []))


@dataclass
class Desk:
    """A user's folder and terminal: files lie in ``folder``, commands are run there."""

    folder: Path
    environ: Mapping[str, str]
    executor: str = "local"

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def command(self, *words: str) -> list[str]:
        """Return the whole command line; ``run`` gets this desk's executor."""
        more = ["--executor", self.executor] if words[0] == "run" and self.executor != "local" else []
        cut = words.index("--") if "--" in words else len(words)
        return [sys.executable, "-m", "anystore_doe.cli", *words[:cut], *more, *words[cut:]]

    def env(self, **more: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environ, **more}

    def __call__(self, *words: str, exit_code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``anystore-doe WORDS`` and return what it printed; it must end with ``exit_code``."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.env(**more),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == exit_code, f"{words}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def results(self, *words: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self("results", *words).stdout)))


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of ``files``."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def commit_of(bucket: Bucket, output: str) -> dict[str, Any]:
    """Return the commit under ``output``."""
    found: dict[str, Any] = json.loads(bucket.get(f"{output}/_anystore/commit.json"))
    return found


def record_of(bucket: Bucket, output: str, number: int = 1) -> dict[str, Any]:
    """Return an attempt's record under ``output``."""
    found: dict[str, Any] = json.loads(bucket.get(f"{output}/_anystore/attempts/{number}.json"))
    return found
