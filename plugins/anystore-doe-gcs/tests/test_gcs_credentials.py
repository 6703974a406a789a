"""Options, where credentials come from, what is said when they are missing or refused, and that they are not shown."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from anystore_doe_gcs import GcsOptions, anystore_doe_storages, private
from anystore_doe_gcs.private import Login

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    CredentialsError,
    DefinitionError,
    ObjectNotFoundError,
    StorageError,
)
from anystore_doe.testing import Answer, Rule

TOKEN = "a-token-that-is-shown-nowhere"


class Guard(BaseHTTPRequestHandler):
    """Gives out tokens as Google's token endpoint does, and lets in who shows one; notes who came how."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]
    lasts_s: int
    token_status: int
    token_said: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert b"assertion=" in body or b"refresh_token=" in body
        self.seen.append(("token", ""))
        good = {"access_token": TOKEN, "expires_in": self.lasts_s, "token_type": "Bearer"}
        bad = {"error": "invalid_grant", "error_description": self.token_said}
        self._answer(self.token_status, good if self.token_status == 200 else bad)

    def do_GET(self) -> None:
        shown = self.headers.get("Authorization", "")
        self.seen.append(("get", shown))
        if shown != f"Bearer {TOKEN}":
            self._answer(401, {"error": {"code": 401, "message": "Invalid Credentials"}})
        else:
            self._answer(200, {"name": "k", "size": "3", "generation": "7", "crc32c": "AAAAAA=="})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guard():
    so_far = {"seen": [], "lasts_s": 3600, "token_status": 200, "token_said": "Invalid JWT Signature."}
    handler = type("Here", (Guard,), so_far)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, pkcs8, plain).decode()


@pytest.fixture
def key_file(tmp_path, guard, private_key) -> str:
    info = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "sweeper@p.iam.gserviceaccount.com",
        "token_uri": f"{guard.url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(info))
    return str(tmp_path / "key.json")


def test_a_service_accounts_key_is_used_and_its_token_kept_while_it_is_fresh(guard, open_at, key_file):
    before = dict(os.environ)
    storage = open_at(guard.url, credentials_file=key_file)
    assert storage.stat("k").pin == "7"
    assert storage.stat("k").size == 3
    assert guard.seen == [("token", ""), ("get", f"Bearer {TOKEN}"), ("get", f"Bearer {TOKEN}")]
    assert dict(os.environ) == before


def test_a_token_that_is_about_to_expire_is_not_sent(guard, open_at, key_file):
    guard.lasts_s = 30
    storage = open_at(guard.url, credentials_file=key_file)
    for _ in range(2):
        storage.stat("k")
    assert [kind for kind, _ in guard.seen] == ["token", "get", "token", "get"]


def test_a_users_own_credentials_are_taken_too(guard, open_at, tmp_path, monkeypatch):
    info = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "user.json").write_text(json.dumps({**info, "token_uri": f"{guard.url}/token"}))
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{guard.url}/token")
    open_at(guard.url, credentials_file=str(tmp_path / "user.json")).stat("k")
    assert guard.seen[-1] == ("get", f"Bearer {TOKEN}")


def test_default_credentials_are_found_as_every_google_tool_does_it(guard, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    assert Login(GcsOptions()).headers() == {"authorization": f"Bearer {TOKEN}"}


def test_default_credentials_are_sent_to_no_emulator(guard, open_at, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", guard.url)
    for endpoint in (guard.url, None):
        with pytest.raises(CredentialsError, match="no default credentials are sent to an emulator"):
            open_at(endpoint).stat("k")
    assert guard.seen == [("get", "")] * 2


def test_no_token_travels_in_the_clear_to_another_machine(open_at, key_file, guard):
    with pytest.raises(CredentialsError, match=r"is not sent over http:// to elsewhere\.invalid"):
        open_at("http://elsewhere.invalid:9", credentials_file=key_file).stat("k")
    assert guard.seen == []


def test_no_credentials_says_where_they_were_looked_for(open_at, tmp_path, guard, monkeypatch):
    with pytest.raises(
        CredentialsError, match=r"no credentials were found \(tried: GOOGLE_APPLICATION_CREDENTIALS, gcloud auth"
    ) as raised:
        open_at(None).stat("k")
    assert raised.value.exit_code == 4
    assert "credentials_file" in raised.value.hint
    (tmp_path / "no-key").write_text("[1]")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone"))
    with pytest.raises(CredentialsError, match="gone was not found"):
        open_at(None).stat("k")
    (tmp_path / "half").write_text('{"type": "service_account", "private_key": "geheim"}')
    (tmp_path / "other").write_text('{"type": "external_account"}')
    for name, what in (
        ("absent", "absent can not be read: No such file"),
        ("no-key", "it is no JSON key file"),
        ("half", "no access token could be had"),
        ("other", "is of type 'external_account': name it in GOOGLE_APPLICATION_CREDENTIALS"),
    ):
        with pytest.raises(CredentialsError, match=what) as raised:
            open_at(guard.url, credentials_file=str(tmp_path / name)).stat("k")
        assert "geheim" not in f"{raised.value} {raised.value.hint} {raised.value!r}"


def test_a_token_that_is_refused_is_about_credentials_and_not_tried_again(guard, open_at, key_file, private_key):
    guard.token_status = 400
    storage = open_at(guard.url, credentials_file=key_file)
    with pytest.raises(CredentialsError, match="no access token could be had: invalid_grant: Invalid JWT") as raised:
        storage.stat("k")
    assert guard.seen == [("token", "")]
    shown = f"{raised.value} {raised.value.hint} {raised.value!r} {storage!r} {vars(storage._gcs.requests)!r}"
    assert private_key.splitlines()[1] not in shown


def test_a_clock_that_is_off_is_what_the_hint_is_about(guard, open_at, key_file):
    guard.token_status = 400
    guard.token_said = (
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
        "Check your iat and exp values in the JWT claim."
    )
    with pytest.raises(CredentialsError, match="reasonable timeframe") as raised:
        open_at(guard.url, credentials_file=key_file).stat("k")
    assert "set this machine's clock" in raised.value.hint
    assert raised.value.exit_code == 4


def test_a_token_that_the_store_rejects_is_about_credentials(open_at, key_file, proxy):
    storage = open_at(proxy.url, credentials_file=key_file)
    proxy.add(Rule(fault=Answer(status=401, body=b"Invalid Credentials"), count=None))
    with pytest.raises(CredentialsError, match="rejects the credentials: Invalid Credentials") as raised:
        storage.push(b"", "k", watch=Watch())
    assert TOKEN not in f"{raised.value} {raised.value!r} {raised.value.__cause__!r}"
    assert len(proxy.seen()) == 1


def test_anonymous_sends_no_credentials(guard, open_at, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    with pytest.raises(CredentialsError, match="the store wants credentials"):
        open_at(guard.url, anonymous=True).stat("k")
    assert guard.seen == [("get", "")]
    assert open_at(None, anonymous=True)._gcs.requests.location == "https://storage.googleapis.com"


def test_a_denied_permission_is_named_with_its_resource(through_proxy, proxy, watch, bucket):
    said = "x@y does not have storage.objects.delete access to the Google Cloud Storage object."
    named = Answer(status=403, body=json.dumps({"error": {"code": 403, "message": said}}).encode())
    plain = Answer(status=403, body=b"Forbidden")
    read, listed = (lambda: through_proxy.read("k")), (lambda: list(through_proxy.walk("p")))
    pushed = lambda: through_proxy.push(b"", "k", watch=watch)  # noqa: E731  three of a kind
    for method, answer, attempt, permission, role, key in (
        ("GET", plain, read, "storage.objects.get", "objectViewer", "/k"),
        ("GET", plain, listed, "storage.objects.list", "objectViewer", ""),
        ("POST", plain, pushed, "storage.objects.create", "objectUser", "/k"),
        ("POST", named, pushed, "storage.objects.delete", "objectUser", "/k"),
    ):
        proxy.clear()
        proxy.add(Rule(method=method, fault=answer, count=None))
        with pytest.raises(AccessDeniedError, match="access denied") as raised:
            attempt()
        assert raised.value.hint == f"grant {permission} (in roles/storage.{role}) on gs://{bucket}{key}"


def test_what_is_denied_and_not_listed_is_not_there(through_proxy, proxy, watch):
    proxy.add(Rule(method="GET", path="*/k", fault=Answer(status=403), count=None))
    for attempt in (lambda: through_proxy.stat("k"), lambda: through_proxy.read("k")):
        with pytest.raises(ObjectNotFoundError):
            attempt()
    through_proxy.push(b"x", "k", watch=watch)
    with pytest.raises(AccessDeniedError, match=r"without storage\.objects\.list the store does not tell"):
        through_proxy.stat("k")


def test_a_bucket_whose_requesters_pay_says_what_to_set(through_proxy, proxy):
    said = "Bucket is a requester pays bucket but no user project provided."
    proxy.add(Rule(fault=Answer(status=400, body=said.encode()), count=None))
    with pytest.raises(StorageError, match="requester pays") as raised:
        through_proxy.stat("k")
    assert "requester_pays = true" in raised.value.hint


def test_a_host_that_is_not_there_is_named(open_at):
    with pytest.raises(StorageError, match=r"no-such-host\.invalid") as raised:
        open_at("http://no-such-host.invalid:9").stat("k")
    assert raised.value.exit_code == 5


def test_tls_is_verified_and_a_failure_names_the_host(open_at, server):
    with pytest.raises(StorageError, match=r"TLS with 127\.0\.0\.1") as raised:
        open_at(server.endpoint_url.replace("http:", "https:"), anonymous=True).stat("k")
    assert raised.value.exit_code == 5
    assert not raised.value.retryable


def test_a_proxy_of_the_environment_is_used(proxy, open_at, watch, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy.url)
    storage = open_at("http://storage.invalid")
    storage.push(b"x", "k", watch=watch)
    assert storage.read("k") == b"x"
    assert proxy.seen("POST")[0].path.startswith("http://storage.invalid/upload/")
    monkeypatch.setenv("no_proxy", "storage.invalid")
    with pytest.raises(StorageError, match="can not be reached"):
        storage.stat("k")


@pytest.mark.parametrize("value", ["{}", "http://{}", "http://{}/"])
def test_the_emulators_variable_is_honoured(server, bucket, open_at, watch, monkeypatch, value):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", value.format(server.endpoint_url.removeprefix("http://")))
    open_at(None).push(b"x", "k", watch=watch)
    assert server.resource(bucket, "k")["size"] == "1"


@pytest.mark.parametrize(
    "options",
    [
        {"anonymous": True, "credentials_file": "key.json"},
        {"anonymous": True, "requester_pays": True, "project": "p"},
        {"requester_pays": True},
        {"kms_key": "mine"},
        {"endpoint_url": "127.0.0.1:80"},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(DefinitionError):
        GcsOptions(**options)


def test_googles_own_tools_are_told_what_the_options_say():
    (entry,) = anystore_doe_storages()
    assert entry.share(GcsOptions()) == {}
    assert entry.share(GcsOptions(credentials_file="/k.json", project="p", endpoint_url="http://h")) == {
        "GOOGLE_APPLICATION_CREDENTIALS": "/k.json",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": "/k.json",
        "GOOGLE_CLOUD_PROJECT": "p",
        "CLOUDSDK_CORE_PROJECT": "p",
        "STORAGE_EMULATOR_HOST": "http://h",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://h/storage/v1/",
    }
    assert entry.share(GcsOptions(endpoint_url="https://h/")) == {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "https://h/storage/v1/"
    }
    assert entry.share(GcsOptions(anonymous=True)) == {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}


def test_fsspec_settings_do_not_leak_in(server, bucket, storage, watch):
    storage.push(b"input", "in/a", watch=watch)
    code = (
        "import logging, os, sys\n"
        "before = dict(os.environ)\n"
        "from anystore_doe.contract import StorageContext\n"
        "from anystore_doe_gcs import GcsOptions, open_gcs\n"
        "context = StorageContext(logger=logging.getLogger('x'))\n"
        "storage = open_gcs(sys.argv[1], GcsOptions(endpoint_url=sys.argv[2]), context)\n"
        "assert storage.read('in/a') == b'input'\nstorage.close()\n"
        "assert dict(os.environ) == before\n"
    )
    leaks = {"TOKEN": "/leaked.json", "ENDPOINT_URL": "http://127.0.0.1:9", "PROJECT": "leaked", "ASYNCHRONOUS": "1"}
    env = os.environ | {f"FSSPEC_{scheme}_{name}": value for scheme in ("GS", "GCS") for name, value in leaks.items()}
    subprocess.run([sys.executable, "-c", code, f"gs://{bucket}", server.endpoint_url], check=True, env=env)


def test_the_sdks_debug_log_is_capped(guard, open_at, key_file, caplog):
    with caplog.at_level(logging.DEBUG):
        storage = open_at(guard.url, credentials_file=key_file)
        storage.stat("k")
    assert not [r for r in caplog.records if r.name.partition(".")[0] in private._LOGGERS and r.levelno < logging.INFO]
    assert TOKEN not in caplog.text


def test_every_error_is_one_of_ours(through_proxy, proxy, watch, large_file):
    """Whatever a server answers, only our errors get out."""
    for answer in (
        Answer(status=400, body=b"\x00garbage"),
        Answer(status=200, body=b"{not-json"),
        Answer(status=200, body=b"[]"),
        Answer(status=200, body=b'{"size": "many", "generation": 1}'),
        Answer(status=206, body=b"x", headers={"Content-Range": "bytes */x"}),
        Answer(status=301, headers={"Location": "http://127.0.0.1:9/"}),
        Answer(status=308, headers={"Range": "bytes=0-x"}),
        Answer(status=418),
        Answer(status=501),
    ):
        proxy.add(Rule(fault=answer, count=None))
        for attempt in (
            lambda: list(through_proxy.walk("p")),
            lambda: through_proxy.push(b"x" * 10, "k", watch=watch),
            lambda: through_proxy.push(large_file, "k", watch=watch),
            lambda: through_proxy.read("k"),
            lambda: through_proxy.stat("k"),
            lambda: through_proxy.delete(["k"]),
        ):
            try:
                attempt()
            except AnystoreDoeError:
                continue
        proxy.clear()
