"""Opening URLs: longest prefix, one storage per root and options, options from settings and environment."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from anystore_doe.contract import Storage, StorageEntry, option
from anystore_doe.errors import DefinitionError, UnknownSchemeError, UsageError
from anystore_doe.model import StoreSettings
from anystore_doe.registry import Offer, Opener, Plugin
from anystore_doe.registry.opening import Chooser
from anystore_doe.registry.options import make_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of a store that exists only here."""

    config_file: str | None = option("Where keys are.", env="T_CONFIG_FILE")
    retries: int = option("Tries.", default=3, env="T_RETRIES")
    anonymous: bool = option("No keys.", default=False, env="T_ANONYMOUS")
    style: Literal["path", "host"] = option("Of addresses.", default="path")
    token: str | None = option("Key.", env="T_TOKEN", secret=True)


class Opened(Storage):
    def __init__(self, url, options):
        self.url, self.options, self.closed = url, options, 0

    def stat(self, key):
        raise NotImplementedError

    def fetch(self, key, dest, *, pin=None, watch):
        raise NotImplementedError

    def close(self):
        self.closed += 1


def opener(*stores: StoreSettings, environ=None, base=Path("/base")) -> Opener:
    entry = StorageEntry(schemes=("t", "file"), open=lambda url, o, _: Opened(url, o), summary="", options=Options)
    chooser = Chooser([Offer(Plugin(name="t", distribution="t-dist", version="1"), entry)])
    return Opener(chooser, stores, environ=environ or {}, base=base)


def at(prefix: str, **options) -> StoreSettings:
    return StoreSettings(prefix=prefix, options=options)


def test_the_longest_prefix_wins_and_prefixes_end_at_a_slash():
    opened = opener(at("t://b", retries=1), at("t://b/out/", retries=2), at("t://", retries=9))
    assert opened("t://b/x").storage.options.retries == 1
    assert opened("t://b/out").storage.options.retries == 2
    assert opened("t://b/out/x/y").storage.options.retries == 2
    assert opened("t://b/outer/x").storage.options.retries == 1
    assert opened("t://other/x").storage.options.retries == 9


def test_settings_hold_for_every_spelling_of_a_place_and_the_spelling_itself_wins():
    def split(url: str) -> tuple[str, str]:
        host, _, key = url.partition("://")[2].removesuffix(".t.net").replace(".t.net/", "/").partition("/")
        return f"t://{host}", key

    entry = StorageEntry(
        schemes=("t", "u"), hosts=(".t.net",), open=lambda url, o, _: Opened(url, o), summary="", options=Options,
        split=split,
    )  # fmt: skip
    chooser = Chooser([Offer(Plugin(name="t", distribution="t-dist", version="1"), entry)])
    stores = (at("t://b", retries=1), at("u://b/out", retries=2), at("https://c.t.net/x", retries=4))
    opened = Opener(chooser, (*stores, at("nobody://b", retries=9)), environ={}, base=Path("/base"))
    assert opened("https://b.t.net/in").storage.options.retries == 1
    assert opened("https://b.t.net/out/x").storage.options.retries == 2
    assert opened("u://b/out").storage.options.retries == 2
    assert opened("t://b/out").storage.options.retries == 1
    assert opened(opened("https://c.t.net/x/y").url).storage.options.retries == 4
    assert opened("t://c/xy").storage.options.retries == 3


def test_a_place_has_the_root_and_a_key_without_slashes_at_its_ends():
    place = opener()("t://b/a/b%20c?d#e/")
    assert (place.storage.url, place.key, place.url) == ("t://b", "a/b%20c?d#e", "t://b/a/b%20c?d#e")
    assert opener()("t://b").key == ""
    assert opener()("/a/b/").url == "file:///a/b"


def test_a_key_that_starts_with_a_slash_is_refused():
    with pytest.raises(UsageError, match="second /"):
        opener()("t://b//a")


def test_one_storage_serves_a_root_and_another_one_other_options():
    opened = opener(at("t://b/out", retries=2), at("t://b/too", retries=2))
    assert opened("t://b/x").storage is opened("t://b/y").storage
    assert opened("t://b/x").storage is not opened("t://b/out/y").storage
    assert opened("t://b/too/x").storage is opened("t://b/out/y").storage
    assert opened("t://c/x").storage is not opened("t://b/x").storage


def test_many_threads_open_one_storage():
    opened, barrier = opener(), threading.Barrier(8)

    def place(_):
        barrier.wait(10)
        return id(opened("t://b/x").storage)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(place, range(8)))) == 1


def test_closing_closes_each_storage_once():
    opened = opener()
    storage = opened("t://b/x").storage
    opened.close()
    opened.close()
    assert storage.closed == 1


def test_an_unknown_option_is_refused_naming_prefix_and_the_likely_one():
    with pytest.raises(DefinitionError, match=r'storage\."t://b": unknown option \'confg_file\'') as caught:
        opener(at("t://b", confg_file="x"))("t://b/x")
    assert caught.value.hint == "did you mean config_file?"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"retries": "many"}, "retries: expected a whole number, found text"),
        ({"retries": True}, "retries: expected a whole number, found true or false"),
        ({"anonymous": 1}, "anonymous: expected true or false, found a whole number"),
        ({"style": "moon"}, 'style: expected one of "path", "host"'),
        ({"config_file": 3}, "config_file: expected text, found a whole number"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_naming_the_key(given, message):
    with pytest.raises(DefinitionError) as caught:
        make_options(Options, given, where="s", environ={}, base=Path("/b"))
    assert str(caught.value) == f"s.{message}"


def test_a_wrong_secret_is_not_shown():
    with pytest.raises(DefinitionError) as caught:
        make_options(Options, {"token": 918273}, where="s", environ={}, base=Path("/b"))
    assert "918273" not in repr(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)


def test_the_environment_speaks_where_the_settings_are_silent():
    environ = {"T_RETRIES": "7", "T_ANONYMOUS": "true", "T_TOKEN": "", "T_CONFIG_FILE": "/etc/t"}
    made = make_options(Options, {"retries": 2}, where="s", environ=environ, base=Path("/b"))
    assert (made.retries, made.anonymous, made.token, made.config_file) == (2, True, None, "/etc/t")


def test_a_wrong_variable_is_named():
    with pytest.raises(DefinitionError, match=r"^the variable T_RETRIES: expected a whole number"):
        make_options(Options, {}, where="s", environ={"T_RETRIES": "x"}, base=Path("/b"))


def test_file_options_are_relative_to_the_settings_file(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for given, expected in [("config", "/b/config"), ("/abs", "/abs"), ("~/c", "/home/me/c")]:
        assert (
            make_options(Options, {"config_file": given}, where="s", environ={}, base=Path("/b")).config_file
            == expected
        )


def test_portable_settings_hold_no_secret_and_absolute_paths():
    opened = opener(at("t://b/", config_file="c", token="hush"), at("gs://x", token="hush"))
    assert opened.portable_stores() == (at("t://b", config_file="/base/c"),)


def test_a_secret_is_read_from_the_variable_that_settings_name():
    opened = opener(
        at("t://b", token_env="MINE"), at("gs://x", token_env="OTHER"), environ={"MINE": "hush", "T_TOKEN": "x"}
    )
    assert opened("t://b/c").storage.options.token == "hush"
    assert opened.portable_stores() == (at("t://b", token_env="MINE"),)
    assert opened.credential_variables() == ("MINE",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token_env": "MINE"}, 'storage."t://b".token_env: the variable MINE is not set'),
        ({"token_env": "YOURS", "token": "hush"}, "the value and its variable are both given"),
        ({"retries_env": "YOURS"}, "unknown option 'retries_env'"),
    ],
)
def test_a_variable_that_can_not_be_read_is_named(given, message):
    with pytest.raises(DefinitionError, match=re.escape(message)) as caught:
        _ = opener(at("t://b", **given), environ={"YOURS": "hush", "MINE": ""})("t://b/c").storage
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["t://", "t://b", "t://b/c"])
def test_a_worker_elsewhere_finds_the_same_settings_whether_the_prefix_is_a_scheme_a_root_or_a_folder(prefix):
    first = opener(at(prefix, config_file="/c"))
    assert first("t://b/c/d").storage.options.config_file == "/c"
    assert first.portable_stores() == (at(prefix, config_file="/c"),)
    assert opener(*first.portable_stores())("t://b/c/d").storage.options.config_file == "/c"


def test_settings_of_a_prefix_that_is_not_used_may_need_a_missing_plugin():
    opened = opener(at("gs://x", nonsense=1))
    assert opened("t://b/x").key == "x"
    with pytest.raises(UnknownSchemeError):
        opened("gs://x/y")


def test_a_secret_is_in_no_repr_of_options():
    assert "geheim" not in repr(Options(token="geheim", config_file="c"))
    assert "config_file='c'" in repr(Options(token="geheim", config_file="c"))


SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"t://AKIA1:{SECRET}@b/x", "t://***@b/x"),
        ("t://me:wJalrXUtnFEMI@b/x?y=1", "t://***@b/x?y=1"),
        ("abfss://c:wJalrXUtnFEMI@acc.dfs.core.windows.net/x", "abfss://***@acc.dfs.core.windows.net/x"),
        ("nosuch://me:wJalrXUtnFEMI@host:22/x", "nosuch://***@host:22/x"),
        ("https://me:wJalrXUtnFEMI@host/x?sig=wJalrXUtnFEMI", "https://***@host/x?***"),
    ],
)
def test_a_password_in_a_url_is_refused_before_any_plugin_sees_it(url, shown):
    with pytest.raises(UsageError) as raised:
        opener()(url)
    assert raised.value.message == f"a URL with a password in it: {shown}"
    assert "wJalrXUtnFEMI" not in raised.value.hint


@pytest.mark.parametrize("url", ["t://me@b/x", "t://b:8080/x", "t://b/x:y@z", "t://[::1]/x@y", "t://[::1]:22/x@y"])
def test_users_ports_and_keys_are_no_passwords(url):
    assert opener()(url).storage.url == url.rpartition("/")[0]


@pytest.mark.parametrize(("text", "meant"), [("file:/tmp/x", "file:///tmp/x"), ("s3:/b/x", "s3://b/x")])
def test_one_slash_after_the_scheme_is_refused_with_the_url_that_works(text, meant):
    with pytest.raises(UsageError) as raised:
        opener()(text)
    assert raised.value.hint == f"write {meant}"
