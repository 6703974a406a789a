"""The bindings of the GCS plugin, as texts; that they are enough and not too much is tests/e2e/test_rights_gcs.py."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from anystore_doe_gcs import open_gcs
from anystore_doe_gcs.options import GcsOptions
from anystore_doe_gcs.policy import CREATOR, MOST_BINDINGS, MOST_OPERATORS, PLACEHOLDER, READER, REPLACER
from celpy import CELParseError
from gcs_rights import Asked, allowed, holds, listing, on_key, operators
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore_doe.errors import PlanError, UnsupportedError, UsageError

ME = "serviceAccount:doe@my-project.iam.gserviceaccount.com"
CLAIM = "_anystore/claim.json"
KEYS = st.text(
    st.one_of(st.sampled_from("\"'\\*?${}`|&()[],;\n\r\t\x7f /é✓😀"), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=20,
).filter(lambda key: key.strip("/") == key)


@pytest.fixture
def grants(context):
    opened = []

    def grants(reads=(), writes=(), *, delete=False, form="identity", principal=ME, bucket="data", **options):
        opened.append(open_gcs(f"gs://{bucket}", GcsOptions(**options), context))
        return opened[-1].grants(reads, writes, delete=delete, form=form, principal=principal)

    yield grants
    for storage in opened:
        storage.close()


def conditions(policy) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in policy.document["bindings"]:
        found.setdefault(one["role"], []).append(one["condition"]["expression"])
    return found


def test_objects_are_named_by_their_key_and_trees_by_what_lies_below(grants):
    [seen] = conditions(grants(["in/a.zip", "mesh/"]))[READER]
    assert seen.split(" || ") == [
        'resource.name == "projects/_/buckets/data/objects/in/a.zip"',
        'api.getAttribute("storage.googleapis.com/objectListPrefix", "") == "in/a.zip"',
        'resource.name.startsWith("projects/_/buckets/data/objects/mesh/")',
        'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("mesh/")',
    ]


def test_reading_alone_needs_no_right_to_write(grants):
    assert list(conditions(grants(["in/a.zip"]))) == [READER]


def test_what_is_written_is_read_back_and_of_it_the_records_are_replaced(grants):
    policy = grants([], ["out/", "o2/"])
    assert list(conditions(policy)) == [READER, CREATOR, REPLACER]
    for permission, key, yes in [
        ("objects.get", "out/x", True),
        ("objects.create", "out/x", True),
        ("objects.delete", "out/x", False),
        ("objects.delete", f"out/{CLAIM}", True),
        ("objects.delete", f"o2/0001/{CLAIM}", True),
        ("objects.delete", "out/_anystore/attempts/1.json", True),
        ("objects.delete", "out/_anystore/commit.json", False),
        ("objects.delete", f"elsewhere/{CLAIM}", False),
        ("objects.create", "elsewhere/x", False),
    ]:
        assert allowed(policy.document, on_key(permission, "data", key)) is yes, (permission, key)


def test_deleting_only_when_asked_for(grants):
    policy = grants([], ["out/"], delete=True)
    assert list(conditions(policy)) == [READER, REPLACER]
    assert allowed(policy.document, on_key("objects.delete", "data", "out/x"))
    assert not allowed(policy.document, on_key("objects.delete", "data", "in/x"))
    assert not any("--with-delete" in note for note in policy.notes)
    assert any("--with-delete" in note for note in grants([], ["out/"]).notes)


def test_the_root_is_the_whole_bucket_and_no_more(grants):
    policy = grants(["/"], ["/"], delete=True).document
    for prefix in (None, "", "any/"):
        assert allowed(policy, listing("data", prefix))
    for permission in ("objects.get", "objects.create", "objects.delete"):
        assert allowed(policy, on_key(permission, "data", "any"))
        assert not allowed(policy, on_key(permission, "data2", "any"))
    assert not allowed(policy, Asked("buckets.get", "projects/_/buckets/data"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(key=KEYS, other=KEYS)
def test_whatever_is_in_a_key_it_is_characters(grants, key, other):
    policy = grants([key], [f"{key}/"]).document
    assert allowed(policy, on_key("objects.get", "data", key))
    assert allowed(policy, listing("data", key))
    assert allowed(policy, on_key("objects.create", "data", f"{key}/x"))
    assert not allowed(policy, on_key("objects.create", "data", key))
    if other != key and not other.startswith(f"{key}/"):
        assert not allowed(policy, on_key("objects.get", "data", other))
        assert not allowed(policy, listing("data", other))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
@given(key=KEYS)
def test_a_command_says_the_same_to_a_shell(grants, tmp_path, key):
    policy = grants([key], [f"{key}/"])
    tool = tmp_path / "gcloud"
    tool.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
    tool.chmod(0o755)
    for binding, command in zip(policy.document["bindings"], policy.commands, strict=True):
        said = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        *words, condition = said.stdout.split("\n")
        assert words == [
            *("storage", "buckets", "add-iam-policy-binding", "gs://data", f"--member={ME}"),
            *(f"--role={binding['role']}", "--condition-from-file=/dev/stdin"),
        ]
        assert json.loads(condition) == binding["condition"]
        assert "\n" not in command


def test_many_places_are_several_bindings_within_the_limits_of_google(grants):
    reads, writes = [f"in{n}/a" for n in range(40)], [f"out{n}/" for n in range(40)]
    policy = grants(reads, writes)
    for role, expressions in conditions(policy).items():
        assert 1 < len(expressions) <= MOST_BINDINGS, role
        assert max(operators(one) for one in expressions) <= MOST_OPERATORS
    assert max(operators(one) for one in conditions(policy)[REPLACER]) == MOST_OPERATORS
    titles = [one["condition"]["title"] for one in policy.document["bindings"]]
    assert len(set(titles)) == len(titles)
    assert max(map(len, titles)) <= 100
    for key in reads:
        assert allowed(policy.document, on_key("objects.get", "data", key))
    for key in writes:
        assert allowed(policy.document, on_key("objects.delete", "data", f"{key}{CLAIM}"))


def test_more_places_than_the_bindings_have_room_for_are_refused_with_the_way_out(grants):
    with pytest.raises(PlanError, match=r"gs://data need \d+ bindings.*a bucket takes 20") as raised:
        grants([f"in{n}/a" for n in range(200)])
    assert "common folder" in raised.value.hint


@pytest.mark.parametrize(
    "principal",
    [
        ME,
        "user:me@example.com",
        "group:us@example.com",
        "serviceAccount:my-project.svc.id.goog[space/account]",
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s",
    ],
)
def test_the_bindings_are_for_who_is_named(grants, principal):
    policy = grants(["a"], principal=principal)
    assert {member for one in policy.document["bindings"] for member in one["members"]} == {principal}
    assert shlex.quote(f"--member={principal}") in policy.commands[0]


@pytest.mark.parametrize(
    "principal",
    [
        "allUsers",
        "allAuthenticatedUsers",
        "domain:example.com",
        "me@example.com",
        f"{ME} {ME}",
        "user:a@b'c:d",
        "arn:x",
    ],
)
def test_they_are_never_for_everybody_or_nobody(grants, principal):
    with pytest.raises(UsageError, match="no service account, user or group") as raised:
        grants(["a"], principal=principal)
    assert PLACEHOLDER in raised.value.hint


def test_without_a_name_a_placeholder_stands_there_and_that_is_said(grants):
    policy = grants(["a"], principal="")
    assert policy.document["bindings"][0]["members"] == [PLACEHOLDER]
    assert f"{PLACEHOLDER} stands for who runs the sweep" in policy.notes[0]
    assert not any(PLACEHOLDER in note for note in grants(["a"]).notes)


def test_other_forms_there_are_none_and_nobody_is_granted_nothing(grants):
    with pytest.raises(UnsupportedError, match="leave --form out"):
        grants(["a"], form="bucket-policy")
    with pytest.raises(UnsupportedError, match="nobody's name"):
        grants(["a"], anonymous=True)


def test_it_says_what_the_bindings_are_added_to(grants):
    policy = grants(["a"])
    assert (policy.kind, policy.attach, policy.document["version"]) == ("gcp-iam", "the bucket data", 3)
    assert grants(["a"], credentials_file="key.json").attach.endswith("whose key is in key.json")
    assert any("uniform bucket-level access" in note for note in policy.notes)


def test_what_else_has_to_be_done_for_a_key_and_a_paying_project_is_said(grants):
    key = "projects/P/locations/L/keyRings/R/cryptoKeys/K"
    notes = "\n".join(grants([], ["out/"], kms_key=key, requester_pays=True, project="payer").notes)
    assert f"needs roles/cloudkms.cryptoKeyEncrypterDecrypter on {key}" in notes
    assert f"--authorize-cmek={key}" in notes
    assert "serviceusage.services.use on the project payer" in notes
    assert "cloudkms" not in "\n".join(grants(["in"], kms_key=key).notes)


def test_the_evaluator_tells_true_from_false_and_refuses_nonsense():
    one = on_key("objects.get", "data", "a/b")
    assert holds('resource.name.extract("objects/{x}/") == "a"', one)
    assert not holds('resource.name.extract("nowhere/{x}") != ""', one)
    assert operators("!(a || b) && c == '||'") == 3
    with pytest.raises(CELParseError):
        holds("resource.name.nonsense(", one)
