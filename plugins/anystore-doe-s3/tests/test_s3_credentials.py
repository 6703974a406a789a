"""Where credentials come from, what is said when they are missing or refused, and that they are shown nowhere."""

from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from anystore_doe_s3 import S3Options, anystore_doe_storages, open_s3, private
from anystore_doe_s3.options import S3Options as Options

from anystore_doe.contract import StorageContext, Watch
from anystore_doe.errors import (
    AccessDeniedError,
    AnystoreDoeError,
    CredentialsError,
    DefinitionError,
    StorageError,
)
from anystore_doe.fsspec_storage.bridge import run
from anystore_doe.testing import Answer, FaultProxy, Rule, ServerMissingError, require, s3_error, start_moto

if TYPE_CHECKING:
    from anystore_doe_s3.storage import S3Storage


@pytest.fixture(scope="module")
def guarded():
    """A server that enforces IAM, with a bucket and a user who may read below in/ and write below out/."""
    try:
        server = start_moto(iam=True)
    except ServerMissingError as error:
        require(str(error))
    with server:
        server.make_bucket("guarded")
        with server.client() as s3:
            s3.put_object(Bucket="guarded", Key="in/a", Body=b"input")
            s3.put_object(Bucket="guarded", Key="secret/a", Body=b"secret")
        server.user = server.make_user("user", policy("in/*", "out/*"))
        yield server


def policy(reads: str, writes: str) -> dict[str, object]:
    def allow(actions: list[str], resource: str) -> dict[str, object]:
        return {"Effect": "Allow", "Action": actions, "Resource": resource}

    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(["s3:GetObject"], f"arn:aws:s3:::guarded/{reads}"),
            allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::guarded/{writes}"),
            allow(["s3:ListBucket"], "arn:aws:s3:::guarded"),
            allow(["sts:AssumeRole"], "*"),
        ],
    }


@pytest.fixture
def no_keys(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def opened(guarded):
    storages = []

    def opened(**options) -> S3Storage:
        options = {"endpoint_url": guarded.endpoint_url} | options
        context = StorageContext(logger=logging.getLogger("test"))
        storages.append(open_s3("s3://guarded", S3Options(**options), context))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


def config(path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("section", ["default", "profile hsdi", "hsdi"])
def test_a_config_file_with_keys_is_used_and_wins_over_the_environment(guarded, opened, tmp_path, section, monkeypatch):
    before = dict(os.environ)
    key, secret = guarded.user
    name = config(tmp_path / "config", f"[{section}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    storage = opened(config_file=name, profile=None if section == "default" else "hsdi")
    assert storage.read("in/a") == b"input"
    assert dict(os.environ) == before


def test_keys_in_the_environment_are_used(guarded, opened, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", guarded.user[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", guarded.user[1])
    assert opened().read("in/a") == b"input"


def test_the_aws_variables_for_files_profile_and_endpoint_are_honoured(guarded, opened, tmp_path, monkeypatch, no_keys):
    key, secret = guarded.user
    text = f"[profile p]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    monkeypatch.setenv("AWS_CONFIG_FILE", config(tmp_path / "c", text))
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("AWS_ENDPOINT_URL", guarded.endpoint_url)
    assert opened(endpoint_url=None).read("in/a") == b"input"


def test_a_profile_that_assumes_a_role_has_the_roles_rights(guarded, opened, tmp_path, monkeypatch, no_keys):
    key, secret = guarded.user
    with guarded.client("iam") as iam:
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        document = json.dumps(policy("secret/*", "none/*"))
        iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document)
    name = config(
        tmp_path / "c",
        f"[profile base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\nregion = us-east-1\n"
        f"[profile role]\nrole_arn = {arn}\nsource_profile = base\nregion = us-east-1\n",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", guarded.endpoint_url)
    assert opened(config_file=name, profile="role").read("secret/a") == b"secret"
    with pytest.raises(AccessDeniedError):
        opened(config_file=name, profile="base").read("secret/a")


def test_no_credentials_says_where_they_were_looked_for(opened, no_keys, tmp_path):
    with pytest.raises(CredentialsError, match="tried: environment, shared credentials") as raised:
        opened().stat("in/a")
    assert "config_file" in raised.value.hint
    with pytest.raises(CredentialsError, match="there is no profile 'x'"):
        opened(config_file=config(tmp_path / "c", "[default]\n"), profile="x").stat("in/a")
    with pytest.raises(CredentialsError, match="absent does not exist"):
        opened(config_file=str(tmp_path / "absent")).stat("in/a")


def test_a_wrong_secret_and_an_unknown_key_are_about_credentials_and_not_shown(guarded, opened, monkeypatch):
    for key, secret in ((guarded.user[0], "geheim" * 6), ("AKIAUNKNOWN000000000", "geheim" * 6)):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        storage = opened()
        for attempt in (
            lambda storage=storage: storage.stat("in/a"),
            lambda storage=storage: storage.push(b"", "out/x", watch=Watch()),
        ):
            with pytest.raises(CredentialsError) as raised:
                attempt()
            assert "geheim" not in f"{raised.value} {raised.value.hint} {raised.value!r} {storage!r} {vars(storage)!r}"


def test_a_denied_action_is_named_with_its_resource(guarded, opened, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", guarded.user[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", guarded.user[1])
    storage = opened()
    for attempt, hint in (
        (lambda: storage.stat("secret/a"), "allow s3:GetObject on arn:aws:s3:::guarded/secret/a"),
        (lambda: storage.push(b"", "in/a", watch=Watch()), "allow s3:PutObject on arn:aws:s3:::guarded/in/a"),
        (lambda: storage.delete(["out/a"]), "allow s3:DeleteObject on arn:aws:s3:::guarded/out/a"),
    ):
        with pytest.raises(AccessDeniedError, match="access denied") as raised:
            attempt()
        assert raised.value.hint == hint
    with pytest.raises(AccessDeniedError, match="or there is no such object"):
        storage.read("secret/a")


def test_anonymous_sends_no_credentials(guarded, opened):
    with FaultProxy(guarded.endpoint_url) as proxy:
        storage = opened(endpoint_url=proxy.url, anonymous=True)
        with pytest.raises(StorageError):
            storage.stat("in/a")
        assert proxy.seen()
        assert not [seen for seen in proxy.seen() if "x-amz-date" in seen.headers]  # part of every signature


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"]
)
def test_what_the_store_says_about_credentials_is_not_a_permission(through_proxy, proxy, watch, code):
    proxy.add(Rule(fault=s3_error(403, code), count=None))
    with pytest.raises(CredentialsError):
        through_proxy.push(b"", "k", watch=watch)
    proxy.add(Rule(method="HEAD", fault=Answer(status=403), count=None))
    with pytest.raises(CredentialsError):  # a HEAD has no body: the reason is asked for
        through_proxy.stat("k")


def test_a_host_that_is_not_there_is_named(open_at):
    with pytest.raises(StorageError, match=r"no-such-host\.invalid") as raised:
        open_at("http://no-such-host.invalid:9").stat("k")
    assert raised.value.exit_code == 5


def test_tls_is_verified_and_a_failure_names_the_host(open_at, moto):
    with pytest.raises(StorageError, match=r"127\.0\.0\.1") as raised:
        open_at(moto.endpoint_url.replace("http:", "https:")).stat("k")
    assert raised.value.exit_code == 5


def test_settings_of_push_reach_the_store(moto, bucket, open_at, watch, large_file):
    storage = open_at(
        moto.endpoint_url,
        sse="aws:kms",
        kms_key="alias/mine",
        acl="bucket-owner-full-control",
        storage_class="STANDARD_IA",
    )
    storage.push(b"x", "small", watch=watch)
    info = storage.push(large_file, "large", watch=watch)
    with moto.client() as s3:
        for key in ("small", "large"):
            head = s3.head_object(Bucket=bucket, Key=key)
            assert head["ServerSideEncryption"] == "aws:kms"
            assert "mine" in head["SSEKMSKeyId"]
            assert head["StorageClass"] == "STANDARD_IA"
    assert "md5" not in storage.stat("small").checksums
    assert info.checksums["crc32"]


def test_region_is_that_of_the_client(moto, open_at):
    requests = open_at(moto.endpoint_url, region="eu-central-1")._client._requests
    assert run(requests.loop, requests._fs.set_session(), url="x").meta.region_name == "eu-central-1"


def test_acl_is_sent(proxy, open_at, watch):
    open_at(proxy.url, acl="bucket-owner-full-control").push(b"", "k", watch=watch)
    assert proxy.seen("PUT")[0].headers["x-amz-acl"] == "bucket-owner-full-control"


@pytest.mark.parametrize(
    "options",
    [
        {"sse": "rot13"},
        {"sse": "AES256", "kms_key": "k"},
        {"request_checksums": "never"},
        {"anonymous": True, "profile": "p"},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(DefinitionError):
        Options(**options)


def test_fsspec_settings_do_not_leak_in(monkeypatch, guarded):
    code = (
        "import logging, sys\n"
        "from anystore_doe.contract import StorageContext\n"
        "from anystore_doe_s3 import S3Options, open_s3\n"
        "context = StorageContext(logger=logging.getLogger('x'))\n"
        "storage = open_s3('s3://guarded', S3Options(endpoint_url=sys.argv[1]), context)\n"
        "assert storage.read('in/a') == b'input'\nstorage.close()\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", guarded.user[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", guarded.user[1])
    monkeypatch.setenv("FSSPEC_S3_KEY", "leaked")
    monkeypatch.setenv("FSSPEC_S3_SECRET", "leaked")
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FSSPEC_S3_ANON", "true")
    subprocess.run([sys.executable, "-c", code, guarded.endpoint_url], check=True)


def test_the_sdks_debug_log_is_capped(storage, caplog, monkeypatch):
    secret = "a-secret-for-the-log"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with caplog.at_level(logging.DEBUG):
        private._cap_loggers()
        storage.find("k")
    assert not [r for r in caplog.records if r.name.partition(".")[0] in private._LOGGERS and r.levelno < logging.INFO]
    assert secret not in caplog.text


def test_listing_the_offer_loads_no_sdk():
    code = (
        "import sys, anystore_doe_s3; list(anystore_doe_s3.anystore_doe_storages());"
        "assert not {'s3fs', 'fsspec', 'botocore', 'aiobotocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    (entry,) = anystore_doe_storages()
    assert entry.split("s3a://b/k?x#y%20/z") == ("s3://b", "k?x#y%20/z")
    assert entry.split("s3://b") == ("s3://b", "")


def test_what_we_use_of_upstream_is_still_there():
    """What private.py relies on beyond documented interfaces; its behaviour is tested in test_the_sdk_sends_..."""
    from aiobotocore.config import AioConfig
    from aiobotocore.httpsession import AIOHTTPSession
    from s3fs import S3FileSystem

    assert inspect.iscoroutinefunction(S3FileSystem.set_session)
    assert inspect.iscoroutinefunction(AIOHTTPSession._get_session)
    assert "http_session_cls" in inspect.signature(AioConfig).parameters
    wanted = {"anon", "endpoint_url", "session", "client_kwargs", "config_kwargs", "key", "secret", "token"}
    assert wanted <= set(inspect.signature(S3FileSystem.__init__).parameters)


def test_no_bulk_transfer_of_fsspec_is_called_anywhere():
    """No get, put, cat_file, pipe_file or open of s3fs moves bytes of a run: not one is named in the plugin."""
    import re
    from pathlib import Path

    import anystore_doe_s3

    text = "\n".join(path.read_text() for path in Path(anystore_doe_s3.__file__).parent.glob("*.py"))
    assert not re.search(r"\b_?fs\._?(get|put|cat|pipe|open|download|upload|rm|ls|find|glob)", text)


def test_every_error_is_one_of_ours(through_proxy, proxy, watch):
    """Whatever a server answers, only our errors get out."""
    for answer in (
        Answer(status=400, body=b"\x00garbage"),
        Answer(status=200, body=b"<not-xml"),
        Answer(status=418),
        s3_error(301, "PermanentRedirect"),
        s3_error(501, "NotImplemented"),
        s3_error(403, "InvalidObjectState"),
    ):
        proxy.add(Rule(fault=answer, count=None))
        for attempt in (
            lambda: list(through_proxy.walk("p")),
            lambda: through_proxy.push(b"x" * 10, "k", watch=watch),
            lambda: through_proxy.read("k"),
            lambda: through_proxy.stat("k"),
            lambda: through_proxy.delete(["k"]),
        ):
            try:
                attempt()
            except AnystoreDoeError:
                continue
        proxy.clear()


def test_with_an_endpoint_the_bucket_is_in_the_path(proxy, open_at, bucket, watch):
    """Servers of one's own seldom have a host name for every bucket; a name here, as addresses are always so."""
    open_at(proxy.url.replace("127.0.0.1", "localhost")).push(b"x", "k", watch=watch)
    assert [seen.path for seen in proxy.seen("PUT")] == [f"/{bucket}/k"]
