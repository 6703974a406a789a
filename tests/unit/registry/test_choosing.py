"""Which plugin serves what: schemes, hosts, clashes, the fallback, install hints, archives, executors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.contract import ArchiveEntry, StorageEntry
from anystore_doe.errors import PluginClashError, PluginError, UnknownExecutorError, UnknownSchemeError, UsageError
from anystore_doe.registry import Archives, Offer, Plugin, Registry
from anystore_doe.registry.hints import INSTALL, PLUGIN_OF_SCHEME
from anystore_doe.registry.opening import Chooser, whole_url


def offer(name: str, *schemes: str, hosts: tuple[str, ...] = (), distribution: str = "") -> Offer[StorageEntry]:
    entry = StorageEntry(schemes=schemes, hosts=hosts, open=lambda *_: None, summary=name)
    return Offer(Plugin(name=name, distribution=distribution or f"dist-{name}", version="1.2"), entry)


def test_a_scheme_that_nobody_claims_goes_to_the_fallback():
    chooser = Chooser([offer("rest", "*"), offer("file", "file")])
    assert chooser.choose("sftp://host/x").plugin.name == "rest"
    assert chooser.choose("file:///x").plugin.name == "file"


@pytest.mark.parametrize(("scheme", "plugin"), PLUGIN_OF_SCHEME.items())
def test_the_fallback_never_takes_a_scheme_of_our_own_plugins(scheme, plugin):
    with pytest.raises(UnknownSchemeError) as caught:
        Chooser([offer("rest", "*"), offer("file", "file")]).choose(f"{scheme}://bucket/x")
    assert caught.value.exit_code == 3
    assert "(installed: file)" in str(caught.value)
    assert f"pip install -e . -e plugins/{plugin}" in caught.value.hint


def test_the_install_hint_names_a_folder_of_this_checkout():
    root = Path(__file__).parents[3]
    for name, line in INSTALL.items():
        assert f"-e plugins/{name}" in line
        assert (root / "plugins" / name / "pyproject.toml").is_file()


def test_a_clash_names_both_distributions_with_versions_and_the_way_out():
    chooser = Chooser([offer("one", "s3"), offer("two", "s3"), offer("file", "file")])
    with pytest.raises(
        PluginClashError, match=r"s3:// is offered by dist-one 1\.2 \(one\) and dist-two 1\.2 \(two\)"
    ) as c:
        chooser.choose("s3://bucket/x")
    assert c.value.hint == 'say which in the settings file: storage."s3://bucket".plugin = "dist-two"'
    assert chooser.choose("file:///x").plugin.name == "file"


@pytest.mark.parametrize("named", ["dist-one", "one"])
def test_the_settings_may_say_which_plugin(named):
    assert Chooser([offer("one", "s3"), offer("two", "s3")]).choose("s3://b/x", named).plugin.name == "one"


def test_a_named_plugin_that_does_not_serve_the_scheme_is_an_error():
    with pytest.raises(PluginError, match="'dist-zzz' does not serve s3://b/x; these do: dist-one"):
        Chooser([offer("one", "s3")]).choose("s3://b/x", "dist-zzz")


def test_a_claimed_https_host_wins_over_the_fallback_and_the_longest_suffix_over_shorter_ones():
    chooser = Chooser([offer("rest", "*"), offer("a", "a", hosts=(".net",)), offer("b", "b", hosts=(".blob.net",))])
    assert chooser.choose("https://x.blob.net:443/k").plugin.name == "b"
    assert chooser.choose("https://x.net/k").plugin.name == "a"
    assert chooser.choose("https://x.org/.net").plugin.name == "rest"
    assert chooser.choose("http://x.net/k").plugin.name == "rest"


def archive(*suffixes: str, magic: tuple[tuple[int, bytes], ...] = ()) -> ArchiveEntry:
    return ArchiveEntry(suffixes=suffixes, magic=magic, open=lambda: None, summary=suffixes[0])


def test_the_longest_suffix_picks_the_archive_and_content_is_told_by_magic():
    plugin = Plugin(name="p", distribution="d", version="1")
    short, long = archive(".gz", magic=((0, b"\x1f\x8b"),)), archive(".tar.gz", magic=((257, b"ustar"),))
    archives = Archives([Offer(plugin, short), Offer(plugin, long)])
    assert archives.for_name("CASE.TAR.GZ") is long
    assert archives.for_name("a.gz") is short
    assert archives.for_name("a.txt") is None
    assert archives.by_content(b"\x1f\x8b..") is short
    assert archives.by_content(bytes(257) + b"ustar") is long
    assert archives.by_content(b"") is None


def test_a_clash_of_suffixes_is_raised_only_when_one_is_used():
    one = Offer(Plugin(name="one", distribution="d1", version="1"), archive(".zip"))
    two = Offer(Plugin(name="two", distribution="d2", version="2"), archive(".zip", ".7z"))
    archives = Archives([one, two])
    assert archives.for_name("a.7z") is two.entry
    with pytest.raises(PluginClashError, match=r"\.zip is offered by d1 1 \(one\) and d2 2 \(two\)") as caught:
        archives.for_name("a.zip")
    assert caught.value.hint.startswith("ANYSTORE_DOE_BLOCK_PLUGINS=d2")


def test_an_unknown_executor_is_named_with_those_there_are():
    with pytest.raises(UnknownExecutorError, match="'cloudy'"):
        Registry.discover({}, []).open_executor("cloudy", {}, None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/a/b", "file:///a/b"),
        ("/a/../b/", "file:///b/"),
        ("file:///a//b", "file:///a/b"),
        ("file://localhost/a", "file:///a"),
        ("S3://Bucket/Key?x#y", "s3://Bucket/Key?x#y"),
        ("/", "file:///"),
        ("//a", "file:///a"),
        ("a:b", f"file://{Path.cwd()}/a:b"),
        ("no/scheme://x", f"file://{Path.cwd()}/no/scheme:/x"),
    ],
)
def test_bare_paths_become_absolute_urls_and_urls_stay_literal(text, url):
    assert whole_url(text) == url


@pytest.mark.parametrize("text", ["file://host/x", "file://x"])
def test_a_file_url_with_a_host_is_refused(text):
    with pytest.raises(UsageError):
        whole_url(text)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_making_a_url_whole_twice_changes_nothing(text):
    once = whole_url("/" + text)
    assert whole_url(once) == once
