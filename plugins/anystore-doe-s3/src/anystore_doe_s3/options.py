"""What a user can say about S3: in ``[storage."s3://..."]`` of sweep.toml, or by environment variable."""

from __future__ import annotations

from dataclasses import dataclass

from anystore_doe.contract import option
from anystore_doe.errors import DefinitionError

_SSE = ("AES256", "aws:kms", "aws:kms:dsse")
_REQUEST_CHECKSUMS = ("when_supported", "when_required")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Options of an S3 storage; see each field's help.

    Raises:
        DefinitionError: two options contradict each other, or a value is none of those allowed.
    """

    config_file: str | None = option(
        "AWS config or credentials file with the access keys (or the role) to use; it wins over AWS_ACCESS_KEY_ID.",
    )
    profile: str | None = option("Profile in the config file, which may assume a role; default: AWS_PROFILE.")
    endpoint_url: str | None = option(
        "URL of a server that speaks S3; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the config file's.",
    )
    region: str | None = option("Region of the bucket; default: AWS_DEFAULT_REGION or the config file's.")
    anonymous: bool = option("Send no credentials, for public buckets.", default=False)
    sse: str | None = option("Server-side encryption on push: AES256, aws:kms or aws:kms:dsse.")
    kms_key: str | None = option("KMS key (id or ARN) on push; implies sse = aws:kms.")
    acl: str | None = option("Canned ACL on push, such as bucket-owner-full-control.")
    storage_class: str | None = option("Storage class on push, such as INTELLIGENT_TIERING.")
    request_checksums: str = option(
        "when_supported sends CRC-32 and MD5 with every push, when_required MD5 only, for stores that refuse CRC-32.",
        default="when_supported",
    )

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.sse is not None and self.sse not in _SSE:
            raise DefinitionError(f"sse is {self.sse!r}, not one of {', '.join(_SSE)}", where="sse")
        if self.kms_key is not None and self.sse == "AES256":
            raise DefinitionError("kms_key needs sse = aws:kms", where="kms_key")
        if self.request_checksums not in _REQUEST_CHECKSUMS:
            raise DefinitionError(
                f"request_checksums is {self.request_checksums!r}, not one of {', '.join(_REQUEST_CHECKSUMS)}",
                where="request_checksums",
            )
        if self.anonymous and (self.profile or self.config_file):
            raise DefinitionError(
                "anonymous sends no credentials: leave out profile and config_file", where="anonymous"
            )

    def for_aws_tools(self) -> dict[str, str]:
        """Return the variables by which the aws command line and the SDKs find what these options say."""
        variables = {
            "AWS_CONFIG_FILE": self.config_file,
            "AWS_PROFILE": self.profile,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def on_write(self) -> dict[str, str]:
        """Return the request arguments that every new object gets."""
        arguments = {
            "ServerSideEncryption": self.sse or ("aws:kms" if self.kms_key else None),
            "SSEKMSKeyId": self.kms_key,
            "ACL": self.acl,
            "StorageClass": self.storage_class,
        }
        return {name: value for name, value in arguments.items() if value is not None}
