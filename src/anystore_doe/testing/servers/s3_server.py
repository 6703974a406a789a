"""What every server that speaks S3 can be asked by a test, without anystore-doe."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class S3Server(ABC):
    """A running server that speaks S3; a context manager that ends it.

    Attributes:
        endpoint_url: Such as ``http://127.0.0.1:41234``.
        access_key: Of a user who may do everything.
        secret_key: The same.
    """

    endpoint_url: str
    access_key: str
    secret_key: str

    @abstractmethod
    def close(self) -> None:
        """End the server and wait for it; twice is no error."""

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()

    @contextlib.contextmanager
    def client(self, service: str = "s3", *, access_key: str = "", secret_key: str = "") -> Iterator[Any]:
        """Yield a botocore client of ``service``, of the user who may do everything by default."""
        from botocore.config import Config
        from botocore.session import Session

        client = Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        )
        try:
            yield client
        finally:
            client.close()

    def make_bucket(self, name: str) -> str:
        """Create the bucket ``name`` and return it."""
        with self.client() as s3:
            s3.create_bucket(Bucket=name)
        return name

    def open_uploads(self, bucket: str) -> list[str]:
        """Return the keys of multipart uploads that were begun in ``bucket`` and neither completed nor aborted."""
        with self.client() as s3:
            return [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
