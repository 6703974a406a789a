"""What a user can say about Google Cloud Storage: in ``[storage."gs://..."]`` of sweep.toml, or by variable."""

from __future__ import annotations

import re
from dataclasses import dataclass

from anystore_doe.contract import option
from anystore_doe.errors import DefinitionError

_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GcsOptions:
    """Options of a Google Cloud Storage; see each field's help.

    Raises:
        DefinitionError: two options contradict each other, or a value is none of those allowed.
    """

    credentials_file: str | None = option(
        "JSON key file of a service account (or of a user) to use; default: application default credentials, that is "
        "GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, or the machine's own service account.",
    )
    anonymous: bool = option("Send no credentials, for public buckets.", default=False)
    endpoint_url: str | None = option(
        "URL of a server that speaks the storage JSON interface; default: STORAGE_EMULATOR_HOST, or Google's. No "
        "default credentials are sent to an emulator or over http://.",
    )
    project: str | None = option(
        "Project that pays for requests where requester_pays is set.", env="GOOGLE_CLOUD_PROJECT"
    )
    requester_pays: bool = option("The bucket's requesters pay: bill every request to project.", default=False)
    kms_key: str | None = option(
        "Cloud KMS key on push, as projects/P/locations/L/keyRings/R/cryptoKeys/K; default: the bucket's.",
    )

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.anonymous and self.credentials_file:
            raise DefinitionError("anonymous sends no credentials: leave out credentials_file", where="anonymous")
        if self.requester_pays and self.anonymous:
            raise DefinitionError("somebody has to pay: leave out anonymous", where="requester_pays")
        if self.requester_pays and not self.project:
            raise DefinitionError("requester_pays needs project, which is billed", where="requester_pays")
        if self.kms_key is not None and not _KMS_KEY.fullmatch(self.kms_key):
            raise DefinitionError(
                f"kms_key is {self.kms_key!r}, not projects/P/locations/L/keyRings/R/cryptoKeys/K", where="kms_key"
            )
        if self.endpoint_url is not None and not self.endpoint_url.startswith(("http://", "https://")):
            raise DefinitionError(
                f"endpoint_url is {self.endpoint_url!r}, which is neither http:// nor https://", where="endpoint_url"
            )

    def for_google_tools(self) -> dict[str, str]:
        """Return the variables by which gcloud and Google's libraries find what these options say."""
        endpoint = (self.endpoint_url or "").rstrip("/")
        variables = {
            "GOOGLE_APPLICATION_CREDENTIALS": self.credentials_file,
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": self.credentials_file,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true" if self.anonymous else None,
            "GOOGLE_CLOUD_PROJECT": self.project,
            "CLOUDSDK_CORE_PROJECT": self.project,
            # over https it is no emulator, and Google's libraries would send no credentials
            "STORAGE_EMULATOR_HOST": endpoint if endpoint.startswith("http://") else None,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{endpoint}/storage/v1/" if endpoint else None,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def on_every_request(self) -> dict[str, str]:
        """Return the query parameters that every request gets."""
        return {"userProject": self.project} if self.requester_pays and self.project else {}

    def on_write(self) -> dict[str, str]:
        """Return the query parameters that every new object gets."""
        return {"kmsKeyName": self.kms_key} if self.kms_key else {}
