"""The roles and assignments of the Azure plugin, as texts; that they are enough is tests/e2e/test_rights_azure.py."""

from __future__ import annotations

import json
import subprocess

import pytest
from anystore_doe_azure import open_azure
from anystore_doe_azure.options import AzureOptions
from anystore_doe_azure.policy import ACCOUNT, DELETE, GROUP, MOST_BYTES, READ, SUBSCRIPTION, WHO, WRITE
from azure_rights import allowed, holds, listing, on_blob
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore_doe.errors import PlanError, UnsupportedError, UsageError

ME = "12345678-90ab-cdef-1234-567890abcdef"
ROOT = "abfss://data@acc.dfs.core.windows.net"
KEYS = st.text(
    st.one_of(st.sampled_from('"*?${}`|&()[],; /é✓😀@'), st.characters(exclude_categories=["Cs", "Cc"])),
    min_size=1,
    max_size=20,
).filter(lambda key: key.strip("/") == key and not set("'\\") & set(key))


@pytest.fixture
def grants(context):
    opened = []

    def grants(reads=(), writes=(), *, delete=False, form="identity", principal=ME, root=ROOT, **options):
        opened.append(open_azure(root, AzureOptions(**options), context))
        return opened[-1].grants(reads, writes, delete=delete, form=form, principal=principal)

    yield grants
    for storage in opened:
        storage.close()


def assignment(policy) -> dict[str, str]:
    [found] = policy.document["roleAssignments"]
    return found


def actions(policy) -> list[str]:
    [role] = policy.document["roleDefinitions"]
    return role["DataActions"]


def test_the_role_may_do_with_blobs_what_the_sweep_does_and_nothing_with_anything_else(grants):
    assert actions(grants(["in/a.zip"])) == [READ]
    assert actions(grants(["in/a.zip"], delete=True)) == [READ]
    assert actions(grants([], ["out/"])) == [READ, WRITE]
    policy = grants([], ["out/"], delete=True)
    assert actions(policy) == [READ, WRITE, DELETE]
    [role] = policy.document["roleDefinitions"]
    assert role["Actions"] == []
    assert role["Name"] == assignment(policy)["role"] == "anystore-doe read-write-delete"


@pytest.mark.parametrize("star", [".*", ".+"], ids=["star-may-be-nothing", "star-is-something"])
def test_the_condition_tells_places_apart(grants, star):
    policy = grants(["in/a.zip", "mesh/"], ["out/"], delete=True).document
    for one, yes in [
        (on_blob("read", "data", "in/a.zip"), True),
        (on_blob("read", "data", "in/a.zip2"), False),
        (on_blob("read", "data", "mesh/x"), True),
        (on_blob("read", "data", "out/x"), True),
        (on_blob("read", "data2", "out/x"), False),
        (on_blob("write", "data", "out/x"), True),
        (on_blob("write", "data", "mesh/x"), False),
        (on_blob("delete", "data", "out/x"), True),
        (on_blob("delete", "data", "in/a.zip"), False),
        (on_blob("add/action", "data", "out/x"), False),
        (listing("data", "out/"), True),
        (listing("data", "mesh/sub/"), True),
        (listing("data", "in/a.zip"), False),
        (listing("data", "out"), False),
        (listing("data", ""), False),
        (listing("data", None), False),
    ]:
        assert allowed(policy, one, star=star) is yes, one.words


def test_where_no_tree_is_read_nothing_can_be_listed(grants):
    policy = grants(["in/a.zip"]).document
    assert allowed(policy, on_blob("read", "data", "in/a.zip"))
    for prefix in (None, "", "in/", "in/a.zip"):
        assert not allowed(policy, listing("data", prefix))


def test_the_root_is_the_whole_container_and_needs_no_condition(grants):
    policy = grants(["/"], ["/"], delete=True)
    assert "condition" not in assignment(policy)
    assert "--condition" not in policy.commands[1]
    for one in (on_blob("delete", "data", "any"), listing("data", None)):
        assert allowed(policy.document, one)
    half = grants(["/"], ["out/"]).document
    assert allowed(half, listing("data", ""))
    assert not allowed(half, on_blob("write", "data", "in"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(key=KEYS, other=KEYS)
def test_whatever_is_in_a_name_it_is_characters(grants, key, other):
    policy = grants([key], [f"{key}/"]).document
    assert allowed(policy, on_blob("read", "data", key))
    assert allowed(policy, listing("data", f"{key}/"))
    assert allowed(policy, on_blob("write", "data", f"{key}/x"))
    assert not allowed(policy, on_blob("write", "data", key))
    if other != key and not other.startswith(f"{key}/"):
        assert not allowed(policy, on_blob("read", "data", other))
        assert not allowed(policy, listing("data", f"{other}/"))


@pytest.mark.parametrize("key", ["a'b", "a\\b", "a\nb", "'; DROP'*?", "a' OR @Resource", "\\*"])
def test_what_can_not_be_quoted_is_any_one_character_and_that_is_said(grants, key):
    policy = grants([key])
    assert allowed(policy.document, on_blob("read", "data", key))
    assert not allowed(policy.document, on_blob("read", "data", f"x{key}"))
    assert not allowed(policy.document, on_blob("read", "data", "ab"))
    assert "stands for any one character" in policy.notes[-1]
    assert not any("any one character" in note for note in grants(["a*?"]).notes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
@given(key=KEYS)
def test_a_command_says_the_same_to_a_shell(grants, tmp_path, key):
    policy = grants([key], [f"{key}/"])
    tool = tmp_path / "az"
    tool.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    tool.chmod(0o755)
    heard = []
    for command in policy.commands:
        said = subprocess.run(
            ["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, capture_output=True, check=True, timeout=20
        )
        heard.append(said.stdout.decode().split("\0")[:-1])
    made, given = heard
    assert made[:4] == ["role", "definition", "create", "--role-definition"]
    assert json.loads(made[4]) == policy.document["roleDefinitions"][0]
    assert given[:3] == ["role", "assignment", "create"]
    options = dict(zip(given[3::2], given[4::2], strict=True))
    assert options.pop("--condition-version") == assignment(policy)["conditionVersion"] == "2.0"
    assert options == {f"--{name}": assignment(policy)[name] for name in ("assignee", "role", "scope", "condition")}


def test_a_condition_above_azures_limit_is_refused_with_the_way_out(grants):
    fits = grants([f"in{n}/a" for n in range(600)])
    assert 6_000 < len(assignment(fits)["condition"]) <= MOST_BYTES
    with pytest.raises(PlanError, match=r"container data has [\d,]+ bytes; Azure takes 8,192") as raised:
        grants([f"in{n}/a" for n in range(900)])
    assert "common folder" in raised.value.hint


def test_the_scope_is_the_container_and_what_no_url_says_is_named(grants):
    policy = grants(["a"])
    assert assignment(policy)["scope"] == (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/acc"
        "/blobServices/default/containers/data"
    )
    assert (policy.kind, policy.attach) == ("azure-rbac", "the container data of the account acc")
    assert policy.notes[0].startswith(f"{SUBSCRIPTION}, {GROUP} stand for")
    bare = grants(["a"], root="az://data", principal="")
    assert f"/storageAccounts/{ACCOUNT}/" in assignment(bare)["scope"]
    assert assignment(bare)["assignee"] == WHO
    assert bare.notes[0].startswith(f"{SUBSCRIPTION}, {GROUP}, {ACCOUNT}, {WHO} stand for")
    assert "/storageAccounts/mine/" in assignment(grants(["a"], root="az://data", account_name="mine"))["scope"]


@pytest.mark.parametrize("principal", ["*", "everybody", "1234", f"{ME} {ME}", "a@b@c", "-x@y", "a'@b", "arn:aws:x"])
def test_it_is_never_for_everybody_or_nobody(grants, principal):
    with pytest.raises(UsageError, match="no object id and no user") as raised:
        grants(["a"], principal=principal)
    assert "az ad sp show" in raised.value.hint


def test_it_is_for_who_is_named(grants):
    assert assignment(grants(["a"]))["assignee"] == ME
    assert assignment(grants(["a"], principal="me@example.com"))["assignee"] == "me@example.com"


def test_other_forms_there_are_none_and_nobody_is_granted_nothing(grants):
    with pytest.raises(UnsupportedError, match="leave --form out"):
        grants(["a"], form="bucket-policy")
    with pytest.raises(UnsupportedError, match="nobody's name"):
        grants(["a"], anonymous=True)


@pytest.mark.parametrize(
    ("reads", "writes", "delete", "letters"),
    [(["a"], [], False, "r"), (["a/"], [], True, "rl"), (["a"], ["o/"], False, "rcwl"), ([], ["o/"], True, "rcwdl")],
)
def test_to_credentials_that_no_role_is_for_the_letters_of_a_signature_are_said(grants, reads, writes, delete, letters):
    for options in ({"account_key": "a2V5"}, {"sas_token": "sv=1&sig=x"}):
        notes = grants(reads, writes, delete=delete, account_name="acc", **options).notes
        assert f"permissions {letters}, which no path limits" in notes[2]
        assert "a2V5" not in notes[2]
    assert not any("Entra" in note for note in grants(reads, writes).notes)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "(",
        "what",
        "ActionMatches{'x'",
        "ActionMatches{x}",
        "ActionMatches{'it's'}",
        "ActionMatches{'x'} ActionMatches{'x'}",
        "ActionMatches{'x'} OR ActionMatches{'x'} AND ActionMatches{'x'}",
        "@Resource[what] ForAnyOfAnyValues:StringLike {'x'}",
    ],
)
def test_the_evaluator_refuses_what_does_not_follow_the_grammar(nonsense):
    with pytest.raises(ValueError, match=r"expected|unexpected|no attribute|no word"):
        holds(nonsense, on_blob("read", "data", "a"))
