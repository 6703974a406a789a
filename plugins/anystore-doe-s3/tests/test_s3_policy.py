"""The policies of the S3 plugin, as texts; that they are enough and not too much is tests/e2e/test_rights*.py."""

from __future__ import annotations

import pytest
from anystore_doe_s3 import open_s3
from anystore_doe_s3.options import S3Options
from anystore_doe_s3.policy import BUCKET_LIMIT, MANAGED_LIMIT

from anystore_doe.errors import UnsupportedError, UsageError

ROLE = "arn:aws:iam::123456789012:role/doe"


@pytest.fixture
def grants(context):
    opened = []

    def grants(reads=(), writes=(), *, delete=False, form="identity", principal="", **options):
        opened.append(open_s3("s3://data", S3Options(**options), context))
        return opened[-1].grants(reads, writes, delete=delete, form=form, principal=principal)

    yield grants
    for storage in opened:
        storage.close()


def statements(policy) -> dict[str, dict]:
    """The statements by the actions that only they have."""
    names = {"s3:ListBucket": "list", "s3:PutObject": "write", "kms:Decrypt": "kms", "s3:GetObject": "read"}
    found = {}
    for one in policy.document["Statement"]:
        name = next((names[action] for action in names if action in one["Action"]), one["Action"][0])
        found[name] = one
    return found


def test_objects_are_named_by_their_key_and_trees_by_what_lies_below(grants):
    found = statements(grants(["in/a.zip", "mesh/"], ["out/1/"]))
    assert found["read"]["Resource"] == ["arn:aws:s3:::data/in/a.zip", "arn:aws:s3:::data/mesh/*"]
    assert found["write"]["Resource"] == ["arn:aws:s3:::data/out/1/*"]
    assert found["list"]["Condition"] == {
        "StringLike": {"s3:prefix": ["in/a.zip", "mesh/", "mesh/*", "out/1/", "out/1/*"]}
    }
    assert found["list"]["Resource"] == ["arn:aws:s3:::data"]


def test_reading_alone_needs_no_right_to_write(grants):
    assert list(statements(grants(["in/a.zip"]))) == ["read", "list"]


def test_the_root_is_the_whole_bucket(grants):
    found = statements(grants(["/"]))
    assert found["read"]["Resource"] == ["arn:aws:s3:::data/*"]
    assert "Condition" not in found["list"]


def test_wildcards_and_variables_in_a_key_are_characters(grants):
    found = statements(grants(["a*b?c", "x/${y}$z/"]))
    literal = "a${*}b${?}c"
    assert found["read"]["Resource"] == [f"arn:aws:s3:::data/{literal}", "arn:aws:s3:::data/x/${$}{y}$z/*"]
    assert literal in found["list"]["Condition"]["StringLike"]["s3:prefix"]


def test_deleting_and_access_lists_only_when_asked_for(grants):
    plain = statements(grants([], ["out/"]))["write"]["Action"]
    assert {"s3:DeleteObject", "s3:PutObjectAcl"} & set(plain) == set()
    assert "s3:DeleteObject" in statements(grants([], ["out/"], delete=True))["write"]["Action"]
    assert "s3:PutObjectAcl" in statements(grants([], ["out/"], acl="bucket-owner-full-control"))["write"]["Action"]


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        ("arn:aws:kms:eu-west-1:1:key/k", "arn:aws:kms:eu-west-1:1:key/k", None),
        ("1234", "arn:aws:kms:*:*:key/1234", None),
        ("alias/mine", "arn:aws:kms:*:*:key/*", "alias/mine"),
        ("arn:aws:kms:eu-west-1:1:alias/mine", "arn:aws:kms:*:*:key/*", "alias/mine"),
    ],
)
def test_a_kms_key_of_the_settings_may_be_used_through_s3(grants, key, resource, alias):
    found = statements(grants(["in/a"], ["out/"], kms_key=key))["kms"]
    assert (found["Action"], found["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], [resource])
    assert found["Condition"]["StringLike"] == {"kms:ViaService": "s3.*.amazonaws.com*"}
    assert found["Condition"].get("ForAnyValue:StringEquals") == (alias and {"kms:ResourceAliases": alias})
    assert statements(grants(["in/a"], kms_key=key))["kms"]["Action"] == ["kms:Decrypt"]


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_that_of_the_region(grants, region, partition):
    found = statements(grants(["in/a"], region=region, kms_key="1234"))
    assert found["read"]["Resource"] == [f"arn:{partition}:s3:::data/in/a"]
    assert found["kms"]["Resource"] == [f"arn:{partition}:kms:{region}:*:key/1234"]


def test_it_says_whose_policy_it_is(grants):
    assert grants(["a"]).attach == "the user or role that runs the sweep"
    assert "profile 'partner'" in grants(["a"], profile="partner").attach
    assert grants(["a"], config_file="/x/config").attach == "the user or role whose keys are in /x/config"
    with pytest.raises(UnsupportedError, match="nobody's name"):
        grants(["a"], anonymous=True)


def test_a_bucket_policy_names_whom_it_is_for_and_what_else_has_to_be_done(grants):
    policy = grants(["in/a"], ["out/"], form="bucket-policy", principal=ROLE, kms_key="1234")
    assert {one["Principal"]["AWS"] for one in policy.document["Statement"]} == {ROLE}
    assert "kms" not in statements(policy)
    assert (policy.kind, policy.attach) == ("aws-bucket-policy", "the bucket data")
    notes = "\n".join(policy.notes)
    for words in ("put-bucket-policy replaces", "the account of", "KMS key 1234"):
        assert words in notes


@pytest.mark.parametrize("principal", ["", "*", "arn:aws:iam::*:role/x", "arn:aws:s3:::data", "me", f"{ROLE} {ROLE}"])
def test_a_bucket_policy_is_never_for_everybody_or_nobody(grants, principal):
    with pytest.raises(UsageError) as raised:
        grants(["a"], form="bucket-policy", principal=principal)
    assert "--principal arn:" in raised.value.hint


def test_an_identitys_policy_has_no_principal_and_other_forms_there_are_none(grants):
    with pytest.raises(UsageError, match="--form bucket-policy"):
        grants(["a"], principal=ROLE)
    with pytest.raises(UnsupportedError, match="no policies of the form"):
        grants(["a"], form="letter")


def test_the_limits_are_those_of_aws(grants):
    assert (grants(["a"]).limit, MANAGED_LIMIT) == (6144, 6144)
    assert (grants(["a"], form="bucket-policy", principal=ROLE).limit, BUCKET_LIMIT) == (20480, 20480)
