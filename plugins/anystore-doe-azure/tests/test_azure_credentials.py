"""URLs, options, where credentials come from, what is said when they are refused, and that they are shown nowhere."""

from __future__ import annotations

import datetime
import logging
import os
import subprocess
import sys

import pytest
from anystore_doe_azure import AzureOptions, anystore_doe_storages, open_azure, split_azure
from anystore_doe_azure.account import resolve
from anystore_doe_azure.storage import AzureStorage

from anystore_doe.contract import StorageContext
from anystore_doe.errors import AccessDeniedError, CredentialsError, DefinitionError, StorageError, UsageError
from anystore_doe.testing import Rule, azure_error

ROOT = "abfss://con@acct.dfs.core.windows.net"
SECRET = "Z2VoZWltZ2VoZWltZ2VoZWlt"


def signature(azurite, container: str, permission: str, *, valid: bool = True) -> str:
    from azure.storage.blob import generate_container_sas

    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.UTC)
    return generate_container_sas(
        azurite.account_name,
        container,
        azurite.account_key,
        permission=permission,
        start=now - 2 * hour,
        expiry=now + hour if valid else now - hour,
    )


@pytest.mark.parametrize(
    ("url", "root", "key"),
    [
        ("az://con/a/b?x#y%20", "az://con", "a/b?x#y%20"),
        ("abfs://con/k", "az://con", "k"),
        ("abfss://con", "az://con", ""),
        ("abfs://con@acct.dfs.core.windows.net/a b%20", ROOT, "a b%20"),
        ("abfss://con@Acct.blob.core.windows.net/k", ROOT, "k"),
        ("az://con@acct.blob.core.windows.net/k/", ROOT, "k/"),
        ("https://acct.blob.core.windows.net/con/a%20b/", ROOT, "a b/"),
        ("https://ACCT.dfs.core.windows.net/con", ROOT, ""),
        ("az://$root/k", "az://$root", "k"),
        ("abfss://con@acct.dfs.core.chinacloudapi.cn/k", "abfss://con@acct.dfs.core.chinacloudapi.cn", "k"),
    ],
)
def test_every_spelling_of_a_place_is_one_root(url, root, key):
    assert split_azure(url) == (root, key)
    assert split_azure(f"{root}/{key}") == (root, key)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://acct.blob.core.windows.net/con/k?sv=1&sig=geheim", "holds a query"),
        ("https://acct.blob.core.windows.net/", "names no container"),
        ("az:///k", "names no container"),
        ("abfss://con@acct/k", "names no storage account"),
        ("az://c/k", "'c' can be the name of none"),
        ("az://Con/k", "'Con' can be the name of none"),
        ("az://con--tainer/k", "'con--tainer' can be the name of none"),
        (f"az://{'c' * 64}/k", "can be the name of none"),
        ("https://acct.blob.core.windows.net/c/k", "'c' can be the name of none"),
        ("abfss://con@queue.acct.net/k", "names no storage account"),
    ],
)
def test_a_url_that_names_no_place_or_a_secret_is_refused(url, words):
    with pytest.raises(UsageError, match=words) as raised:
        split_azure(url)
    assert raised.value.hint
    assert raised.value.exit_code == 2
    assert "geheim" not in f"{raised.value} {raised.value.hint}"


def test_https_urls_reach_the_plugin_by_their_host():
    from pathlib import Path

    from anystore_doe.registry import Registry

    opener = Registry.discover({}).opener((), environ={}, base=Path.cwd())
    place = opener("https://acct.blob.core.windows.net/con/a%20b")
    assert (place.storage.url, place.key) == (ROOT, "a b")
    assert opener(place.url).storage is place.storage
    opener.close()


CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=other;AccountKey={SECRET};EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("root", "options", "expected"),
    [
        ("az://c", {"account_name": "a"}, ("a", "https://a.blob.core.windows.net", "default")),
        ("az://c", {"connection_string": CONNECTION}, ("other", "https://other.blob.core.windows.net", "key")),
        ("az://c", {"account_name": "a", "account_key": "k"}, ("a", "https://a.blob.core.windows.net", "key")),
        ("az://c", {"account_name": "a", "sas_token": "?sig=x"}, ("a", "https://a.blob.core.windows.net", "sas")),
        (ROOT, {"account_key": "k"}, ("acct", "https://acct.blob.core.windows.net", "key")),
        (ROOT, {"sas_token": "sig=x", "anonymous": True}, ("acct", "https://acct.blob.core.windows.net", "anonymous")),
        (ROOT, {"connection_string": CONNECTION}, ("acct", "https://acct.blob.core.windows.net", "default")),
        (ROOT, {"account_name": "b", "sas_token": "sig=x"}, ("acct", "https://acct.blob.core.windows.net", "default")),
        (ROOT, {"endpoint_url": "https://x.example/acct/"}, ("acct", "https://x.example/acct", "default")),
        ("az://c", {"connection_string": "BlobEndpoint=https://b.blob.x.net;SharedAccessSignature=sig=y"},
         ("b", "https://b.blob.x.net", "sas")),
        ("az://c", {}, ("", "", "default")),
    ],
)  # fmt: skip
def test_the_account_of_the_url_wins_and_anothers_secrets_are_not_used_for_it(root, options, expected):
    account = resolve(root, AzureOptions(**options))
    assert (account.name, account.endpoint, account.kind) == expected
    assert bool(account.secret) == (account.kind in {"key", "sas"})
    assert SECRET not in repr(account)


@pytest.mark.parametrize(
    "options",
    [
        {"connection_string": "nonsense"},
        {"connection_string": CONNECTION, "account_name": "mine"},
        {"endpoint_url": "acct.blob.core.windows.net"},
        {"endpoint_url": "https://x/?sig=1"},
        {"sas_token": "https://acct.blob.core.windows.net/c?sig=1"},
        {"sas_token": SECRET},
    ],
)
def test_options_that_make_no_sense_are_refused_without_a_secret(options):
    with pytest.raises(DefinitionError) as raised:
        AzureOptions(**options)
    assert SECRET not in str(raised.value)


def test_secrets_are_in_no_repr():
    options = AzureOptions(connection_string=CONNECTION, account_key=SECRET, sas_token=f"sig={SECRET}")
    assert SECRET not in repr(options)
    storage = open_azure(ROOT, options, StorageContext(logger=logging.getLogger("test")))
    assert SECRET not in f"{storage!r} {storage} {storage.url} {vars(storage)!r} {vars(storage._client)!r}"
    storage.close()


@pytest.mark.parametrize("kind", ["connection_string", "account_key", "sas_token"])
def test_each_kind_of_credentials_reaches_the_store(azurite, container, open_at, watch, kind):
    options = {
        "connection_string": {"connection_string": azurite.connection_string},
        "account_key": {"account_name": azurite.account_name, "account_key": azurite.account_key},
        "sas_token": {"sas_token": signature(azurite, container, "rwdlc")},
    }[kind]
    storage = open_at(None if kind == "connection_string" else azurite.endpoint_url, **options)
    storage.push(b"x", "a b/é", create_only=True, watch=watch)
    assert storage.read("a b/é") == b"x"
    assert [info.key for info in storage.walk("a b")] == ["a b/é"]
    storage.delete(["a b/é"])


def test_a_root_with_an_account_is_opened_there(azurite, container, open_at, watch):
    storage = open_at(
        azurite.endpoint_url,
        root=f"abfss://{container}@devstoreaccount1.dfs.core.windows.net",
        account_key=azurite.account_key,
    )
    storage.push(b"x", "k", watch=watch)
    assert storage.url_of("k") == f"abfss://{container}@devstoreaccount1.dfs.core.windows.net/k"


def test_a_signature_that_does_not_allow_it_names_what_is_missing(azurite, container, storage, open_at, watch):
    storage.push(b"x", "k", watch=watch)
    reading = open_at(azurite.endpoint_url, sas_token=signature(azurite, container, "r"))
    assert reading.read("k") == b"x"
    for attempt, action, letters in (
        (lambda: reading.push(b"y", "k", watch=watch), "blobs/write", "c and w"),
        (lambda: reading.delete(["k"]), "blobs/delete", "; d in"),
        (lambda: list(reading.walk("p")), "blobs/read", "; l in"),
    ):
        with pytest.raises(AccessDeniedError, match="access denied") as raised:
            attempt()
        assert action in raised.value.hint
        assert letters in raised.value.hint
        assert "sig=" not in f"{raised.value} {raised.value.hint}"
        assert raised.value.exit_code == 4


def test_a_wrong_key_is_named_and_not_shown(azurite, open_at, watch):
    """Azure says AuthenticationFailed, which is about credentials (test_azure_faults), azurite AuthorizationFailure."""
    for key, kind in ((SECRET, AccessDeniedError), ("no-base64-key", CredentialsError)):
        storage = open_at(azurite.endpoint_url, account_name=azurite.account_name, account_key=key)
        for attempt in (lambda s=storage: s.stat("k"), lambda s=storage: s.push(b"", "k", watch=watch)):
            with pytest.raises(kind, match="account_key") as raised:
                attempt()
            assert key not in f"{raised.value} {raised.value.hint} {raised.value!r}"


def test_an_expired_signature_says_so(through_proxy, proxy, watch):
    """azurite says no more than AuthorizationFailure, so that Azure's words are played."""
    words = "Signature not valid in the specified time frame: Start [..] - Expiry [..] - Current [..]"
    proxy.add(Rule(fault=azure_error(403, "AuthenticationFailed", detail=words), count=None))
    with pytest.raises(CredentialsError, match="expired") as raised:
        through_proxy.read("k")
    assert raised.value.exit_code == 4


def test_azurite_refuses_an_expired_signature(azurite, container, open_at):
    storage = open_at(azurite.endpoint_url, sas_token=signature(azurite, container, "r", valid=False))
    with pytest.raises((CredentialsError, AccessDeniedError)):
        storage.read("k")


def test_anonymous_reads_public_containers_only(azurite, storage, container, open_at, watch):
    public = azurite.make_container(f"{container}-public", public=True)
    open_at(azurite.endpoint_url, root=f"az://{public}").push(b"x", "k", watch=watch)
    anyone = open_at(azurite.endpoint_url, root=f"az://{public}", anonymous=True, account_name="devstoreaccount1")
    assert anyone.read("k") == b"x"
    assert [info.key for info in anyone.walk()] == ["k"]
    storage.push(b"x", "k", watch=watch)
    with pytest.raises((AccessDeniedError, CredentialsError)):
        open_at(azurite.endpoint_url, anonymous=True).stat("k")


def test_no_credentials_says_what_was_tried(open_at):
    storage = open_at("https://127.0.0.1:9", account_name="acct")
    with pytest.raises(CredentialsError, match="tried: connection_string, account_key, sas_token") as raised:
        storage.stat("k")
    assert "AZURE_STORAGE_CONNECTION_STRING" in raised.value.hint
    with pytest.raises(CredentialsError, match="no storage account is named"):
        open_at(None, sas_token="sig=x").stat("k")
    with pytest.raises(CredentialsError, match="a token is not sent over http"):
        open_at("http://127.0.0.1:9/acct", account_name="acct").stat("k")


def test_a_host_that_is_not_there_is_named(open_at):
    with pytest.raises(StorageError, match=r"no-such-host\.invalid") as raised:
        open_at("http://no-such-host.invalid:9").stat("k")
    assert (raised.value.exit_code, raised.value.retryable) == (5, True)


def test_tls_is_verified_and_a_failure_names_the_host(open_at, azurite):
    with pytest.raises(StorageError, match=r"127\.0\.0\.1") as raised:
        open_at(azurite.endpoint_url.replace("http:", "https:")).stat("k")
    assert raised.value.exit_code == 5


def test_the_encryption_scope_is_sent_with_all_that_is_written(open_at, proxied_endpoint, proxy, watch, large_file):
    storage = open_at(proxied_endpoint, encryption_scope="mine")
    for source in (b"x", large_file):
        try:
            storage.push(source, "k", watch=watch)
        except StorageError:
            pass  # azurite knows no scopes
    puts = proxy.seen("PUT")
    assert puts
    assert {seen.headers.get("x-ms-encryption-scope") for seen in puts} == {"mine"}


def test_variables_of_others_do_not_leak_in(azurite, container, storage, monkeypatch, watch):
    storage.push(b"x", "k", watch=watch)
    for name in ("CONNECTION_STRING", "ACCOUNT_KEY", "SAS_TOKEN", "ANON"):
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", CONNECTION)
    for name in ("ACCOUNT_KEY", "CONNECTION_STRING", "ANON"):
        monkeypatch.setenv(f"FSSPEC_ABFS_{name}", "leaked")
        monkeypatch.setenv(f"FSSPEC_AZ_{name}", "leaked")
    options = AzureOptions(connection_string=azurite.connection_string)
    before = dict(os.environ)
    other = AzureStorage(f"az://{container}", options, StorageContext(logger=logging.getLogger("test")))
    assert other.read("k") == b"x"
    other.close()
    assert dict(os.environ) == before


def test_what_is_shared_is_found_by_azures_tools_and_what_is_hidden_covers_it():
    from fnmatch import fnmatch

    (entry,) = anystore_doe_storages()
    options = AzureOptions(account_name="a", account_key="k", sas_token="sig=s", connection_string="AccountName=a")
    shared = entry.share(options)
    assert (shared["AZURE_STORAGE_ACCOUNT"], shared["AZURE_STORAGE_KEY"]) == ("a", "k")
    secret = {name for name, value in shared.items() if value in {"k", "sig=s", "AccountName=a"}}
    for name in (*secret, "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_HEADER", "AZURE_CONFIG_DIR"):
        assert any(fnmatch(name, pattern) for pattern in entry.credential_env), name
    assert entry.share(AzureOptions()) == {}


def test_listing_the_offer_loads_no_sdk():
    code = (
        "import sys, anystore_doe_azure; list(anystore_doe_azure.anystore_doe_storages());"
        "assert not {'azure', 'fsspec', 'aiohttp', 'msal'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_identity_is_loaded_only_where_no_credentials_are_given():
    code = (
        "import logging, sys\nfrom anystore_doe.contract import StorageContext\n"
        "from anystore_doe_azure import AzureOptions, open_azure\n"
        "options = AzureOptions(endpoint_url='http://127.0.0.1:9/a', account_key='a2V5')\n"
        "storage = open_azure('az://c', options, StorageContext(logger=logging.getLogger()))\n"
        "storage._client.policy = type(storage._client.policy)(attempts=1)\n"
        "try:\n    storage.stat('k')\nexcept OSError: pass\nexcept Exception as e: assert '127.0.0.1' in str(e), e\n"
        "assert 'azure.storage.blob' in sys.modules and 'azure.identity' not in sys.modules\nstorage.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
