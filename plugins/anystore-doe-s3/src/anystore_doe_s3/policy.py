"""The least policy for reading some keys of a bucket and writing others; made of text, asks nobody.

What is granted is what the plugin sends (see ``client`` and ``writing``), and two rights that it has no use for:
``s3:ListMultipartUploadParts`` and ``s3:ListBucketMultipartUploads`` let whoever has the policy see, and then abort,
what an upload left open. Actions, resources and condition keys are those of the Service Authorization Reference,
"Actions, resources, and condition keys for Amazon S3".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anystore_doe.contract import Policy
from anystore_doe.errors import UnsupportedError, UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anystore_doe_s3.options import S3Options

MANAGED_LIMIT = 6_144
"""Characters of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas")."""

BUCKET_LIMIT = 20 * 1024
"""Bytes of a bucket policy (Amazon S3 User Guide, "Bucket policies")."""

_READ = ("s3:GetObject",)
_WRITE = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)/\S+)|\d{12}")
_SHARED = "one folder for all outputs becomes one prefix"

Statement = dict[str, object]


def identity_policy(
    url: str, options: S3Options, reads: Sequence[str], writes: Sequence[str], *, delete: bool
) -> Policy:
    """Return the policy for the user or role that runs the sweep; keys as the contract's ``grants`` has them.

    Raises:
        UnsupportedError: requests are anonymous.
    """
    if options.anonymous:
        raise UnsupportedError("write a policy for", url, "anonymous = true sends requests in nobody's name")
    statements = [*_statements(url, options, reads, writes, delete=delete), *_kms(options, writes)]
    return Policy(
        kind="aws-iam",
        document=_document(statements),
        attach=_identity(options),
        limit=MANAGED_LIMIT,
        too_long=(
            "make one policy per part of the table with --select 1-100, --select 101-200 and so on, and attach all "
            f"(a role takes 10); or give the runs a common folder: {_SHARED}"
        ),
    )


def bucket_policy(
    url: str, options: S3Options, reads: Sequence[str], writes: Sequence[str], *, delete: bool, principal: str
) -> Policy:
    """Return the bucket's side of the policy, for an identity of another account.

    Raises:
        UsageError: ``principal`` is no ARN of an identity and no account.
    """
    if not _PRINCIPAL.fullmatch(principal):
        named = f"--principal {printable(principal)!r} is no ARN of a user, role or account" if principal else ""
        raise UsageError(
            named or "a bucket policy says whom it is for",
            hint="--form bucket-policy --principal arn:aws:iam::123456789012:role/NAME",
        )
    statements = _statements(url, options, reads, writes, delete=delete)
    notes = [
        "a bucket has one policy: add these statements to those that are there, put-bucket-policy replaces them",
        f"the account of {principal} must allow the same to it: anystore-doe policy without --form",
    ]
    if options.kms_key:
        actions = " and ".join(_kms_actions(writes))
        notes.append(f"the policy of the KMS key {options.kms_key} must allow {actions} to {principal}")
    return Policy(
        kind="aws-bucket-policy",
        document=_document([{"Effect": "Allow", "Principal": {"AWS": principal}} | one for one in statements]),
        attach=f"the bucket {_bucket(url)}",
        notes=tuple(notes),
        limit=BUCKET_LIMIT,
        too_long=f"a bucket has one policy only: give the runs a common folder, {_SHARED}",
    )


def _statements(
    url: str, options: S3Options, reads: Sequence[str], writes: Sequence[str], *, delete: bool
) -> list[Statement]:
    bucket = f"arn:{_partition(options)}:s3:::{_bucket(url)}"
    write = (*_WRITE, *(["s3:PutObjectAcl"] if options.acl else []), *(["s3:DeleteObject"] if delete else []))
    found = []
    if reads:
        found.append(_allow(_READ, [f"{bucket}/{_pattern(key)}" for key in reads]))
    if writes:
        found.append(_allow(write, [f"{bucket}/{_pattern(key)}" for key in writes]))
    prefixes = list(dict.fromkeys(prefix for key in (*reads, *writes) for prefix in _listed(key)))
    if prefixes:
        everything = "*" in prefixes
        condition = {} if everything else {"Condition": {"StringLike": {"s3:prefix": prefixes}}}
        found.append(_allow(("s3:ListBucket",), [bucket]) | condition)
    if writes:
        found.append(_allow(("s3:ListBucketMultipartUploads",), [bucket]))
    return found


def _listed(key: str) -> tuple[str, ...]:
    """Return what ``s3:prefix`` may be: a tree in both its forms, or an object's own key.

    Listing its key tells an object that is not there from one that may not be read.
    """
    if key == "/":
        return ("", "*")
    return (_literal(key), _pattern(key)) if key.endswith("/") else (_literal(key),)


def _pattern(key: str) -> str:
    """Return the pattern that matches a key, or everything below one that ends in ``/``."""
    return "*" if key == "/" else _literal(key) + "*" * key.endswith("/")


def _literal(text: str) -> str:
    """Return the pattern that matches ``text`` and nothing else (IAM User Guide, "Variables and tags")."""
    return re.sub(r"[*?]|\$(?=\{)", lambda found: f"${{{found[0]}}}", text)


def _kms(options: S3Options, writes: Sequence[str]) -> list[Statement]:
    """Allow the use of the key that the settings name, through S3 only.

    An alias is no resource of a policy that is about using a key (AWS KMS Developer Guide, "Controlling access to
    aliases"): there the condition names it.
    """
    key = options.kms_key
    if not key:
        return []
    through: dict[str, dict[str, object]] = {
        "StringLike": {"kms:ViaService": f"s3.{options.region or '*'}.amazonaws.com*"}
    }
    home = f"arn:{_partition(options)}:kms:{options.region or '*'}:*"
    if alias := re.search(r"(?:^|:)(alias/.+)", key):
        through["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": alias[1]}
        resource = f"{home}:key/*"
    else:
        resource = key if key.startswith("arn:") else f"{home}:key/{key}"
    return [_allow(_kms_actions(writes), [resource]) | {"Condition": through}]


def _kms_actions(writes: Sequence[str]) -> tuple[str, ...]:
    return ("kms:Decrypt", "kms:GenerateDataKey") if writes else ("kms:Decrypt",)


def _allow(actions: Iterable[str], resources: Iterable[str]) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _document(statements: Sequence[Statement]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _bucket(url: str) -> str:
    return url.partition("://")[2]


def _partition(options: S3Options) -> str:
    """Return the part of AWS that a region belongs to, as ARNs name it."""
    region = options.region or ""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _identity(options: S3Options) -> str:
    """Say whose requests these options send: two profiles are two identities, and each gets its own policy."""
    file = printable(options.config_file or "")
    if options.profile:
        return f"the user or role of the profile {printable(options.profile)!r}{file and f' of {file}'}"
    return f"the user or role whose keys are in {file}" if file else "the user or role that runs the sweep"
