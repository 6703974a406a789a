"""What a user can say about Azure: in ``[storage."az://..."]`` of sweep.toml, or by environment variable."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from anystore_doe.contract import option
from anystore_doe.errors import DefinitionError


def parsed(connection_string: str) -> dict[str, str]:
    """Return the settings in a connection string, by lower-case name; what is no ``Name=value`` is left out."""
    pairs = (piece.partition("=") for piece in connection_string.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions:
    """Options of an Azure storage; see each field's help.

    Raises:
        DefinitionError: two options contradict each other, or a value makes no sense; secrets are not shown.
    """

    connection_string: str | None = option(
        "Connection string of the storage account; it wins over account_key and sas_token.",
        env="AZURE_STORAGE_CONNECTION_STRING",
        secret=True,
    )
    account_name: str | None = option(
        "Storage account of az://container URLs, and the one that account_key and sas_token belong to.",
        env="AZURE_STORAGE_ACCOUNT_NAME",
    )
    account_key: str | None = option(
        "Key of the storage account; it wins over sas_token.", env="AZURE_STORAGE_ACCOUNT_KEY", secret=True
    )
    sas_token: str | None = option(
        "Shared access signature: what follows the ? of a URL that has one.",
        env="AZURE_STORAGE_SAS_TOKEN",
        secret=True,
    )
    endpoint_url: str | None = option(
        "Blob endpoint of the account, for other clouds, private endpoints and emulators; "
        "default: https://ACCOUNT.blob.core.windows.net.",
    )
    anonymous: bool = option("Send no credentials, for public containers.", default=False)
    encryption_scope: str | None = option("Encryption scope of new blobs.")

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.connection_string is not None:
            self._check_connection_string(parsed(self.connection_string))
        if self.endpoint_url is not None:
            parts = urlsplit(self.endpoint_url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
                raise DefinitionError(
                    "it is no http(s):// URL of an endpoint, without query and user", where="endpoint_url"
                )
        if self.sas_token is not None and ("://" in self.sas_token.partition("=")[0] or "sig=" not in self.sas_token):
            raise DefinitionError("it is no shared access signature (sv=…&sig=…)", where="sas_token")

    def _check_connection_string(self, found: dict[str, str]) -> None:
        if not (found.get("accountname") or found.get("blobendpoint")):
            raise DefinitionError("it names neither AccountName nor BlobEndpoint", where="connection_string")
        account = found.get("accountname")
        if self.account_name and account and account != self.account_name:
            raise DefinitionError(
                f"it is {self.account_name!r}, and the connection string is of the account {account!r}",
                where="account_name",
                hint="leave one of them out; AZURE_STORAGE_CONNECTION_STRING counts where the settings are silent",
            )

    def for_azure_tools(self) -> dict[str, str]:
        """Return the variables by which az, azcopy, adlfs and the SDKs' users find what these options say.

        The az command line and adlfs call the same thing by different names.
        """
        variables = {
            "AZURE_STORAGE_CONNECTION_STRING": self.connection_string,
            "AZURE_STORAGE_ACCOUNT": self.account_name,
            "AZURE_STORAGE_ACCOUNT_NAME": self.account_name,
            "AZURE_STORAGE_KEY": self.account_key,
            "AZURE_STORAGE_ACCOUNT_KEY": self.account_key,
            "AZURE_STORAGE_SAS_TOKEN": self.sas_token,
            "AZURE_STORAGE_SERVICE_ENDPOINT": self.endpoint_url,
        }
        return {name: value for name, value in variables.items() if value is not None}
