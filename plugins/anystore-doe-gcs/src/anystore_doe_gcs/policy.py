"""The least bindings for reading some keys of a bucket and writing others; made of text, asks nobody.

What is granted is what the plugin sends (``errors.PERMISSIONS``), through predefined roles: whoever may give roles on a
bucket can bind them, and conditions cut away what else they hold. Names, attributes and functions are those of the
"Attribute reference for IAM Conditions", permissions those of "IAM roles for Cloud Storage" and "IAM permissions for
JSON methods" (Google Cloud documentation); string literals those of the CEL language definition.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from anystore_doe.contract import Policy
from anystore_doe.errors import PlanError, UnsupportedError, UsageError, printable
from anystore_doe.model import ATTEMPTS_PATH, CLAIM_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anystore_doe_gcs.options import GcsOptions

MOST_OPERATORS = 12
"""Logical operators of one condition ("Quotas and limits" of IAM)."""

MOST_BINDINGS = 20
"""Bindings of one role for one principal, with different conditions, in the policy of one bucket (the same page)."""

READER = "roles/storage.objectViewer"
"""Has storage.objects.get and .list; what it has about projects and folders meets no condition here."""

CREATOR = "roles/storage.objectCreator"
"""Has storage.objects.create, and storage.multipartUploads.*, which is for the XML interface."""

REPLACER = "roles/storage.legacyBucketWriter"
"""Has storage.objects.create and .delete; what it has about the bucket itself meets no condition on objects."""

PLACEHOLDER = "serviceAccount:NAME@PROJECT.iam.gserviceaccount.com"

_PRINCIPAL = re.compile(
    r"(serviceAccount|user|group):[^\s@:]+@[^\s@:]+|serviceAccount:[^\s@:]+\.svc\.id\.goog\[[^\s\[\]]+\]"
    r"|principal(Set)?://iam\.googleapis\.com/[^\s\"']+"
)
_LISTED = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
_RECORDS = (
    f'resource.name.endsWith("/{CLAIM_PATH}")',
    f'resource.name.extract("/{ATTEMPTS_PATH}/{{record}}") != ""',
)

Binding = dict[str, object]


def bucket_bindings(
    bucket: str,
    options: GcsOptions,
    reads: Sequence[str],
    writes: Sequence[str],
    *,
    delete: bool,
    principal: str,
) -> Policy:
    """Return the bindings to add to a bucket's policy; keys as the contract's ``grants`` has them.

    Raises:
        UnsupportedError: requests are anonymous.
        UsageError: ``principal`` is no service account, user, group or federated identity.
        PlanError: there are more places than bindings can name.
    """
    if options.anonymous:
        raise UnsupportedError(
            "write a policy for", f"gs://{bucket}", "anonymous = true sends requests in nobody's name"
        )
    if principal and not _PRINCIPAL.fullmatch(principal):
        raise UsageError(
            f"--principal {printable(principal)!r} is no service account, user or group of Google Cloud",
            hint=f"--principal {PLACEHOLDER}",
        )
    member = principal or PLACEHOLDER
    bindings = list(_bindings(bucket, reads, writes, delete=delete, member=member))
    return Policy(
        kind="gcp-iam",
        document={"version": 3, "bindings": bindings},
        attach=f"the bucket {bucket}{_whose(options)}",
        notes=tuple(_notes(options, writes, delete=delete, named=bool(principal))),
        commands=tuple(_command(bucket, member, one) for one in bindings),
    )


def _bindings(
    bucket: str, reads: Sequence[str], writes: Sequence[str], *, delete: bool, member: str
) -> Iterator[Binding]:
    everything = tuple(dict.fromkeys((*reads, *writes)))
    seen = [term for key in everything for term in (_named(bucket, key), _listed(key))]
    below = [_named(bucket, key) for key in writes]
    yield from _split(bucket, "read and list", READER, member, seen)
    if delete:
        yield from _split(bucket, "write, replace and delete", REPLACER, member, below)
    else:
        yield from _split(bucket, "write", CREATOR, member, below)
        yield from _split(bucket, "replace records", REPLACER, member, below, only=_RECORDS)


def _split(
    bucket: str, title: str, role: str, member: str, terms: Sequence[str], only: Sequence[str] = ()
) -> Iterator[Binding]:
    """Yield as many bindings as the limits ask for; ``only``: and one of these holds, too."""
    most = MOST_OPERATORS + 1 - len(only)
    parts = [terms[begin : begin + most] for begin in range(0, len(terms), most)]
    if len(parts) > MOST_BINDINGS:
        raise PlanError(
            f"the places on gs://{bucket} need {len(parts)} bindings of {role}; a bucket takes {MOST_BINDINGS} for one "
            "principal",
            hint="give the runs a common folder: one folder for all outputs becomes one prefix",
        )
    for number, part in enumerate(parts, 1):
        expression = " || ".join(part)
        if only:
            expression = f"{f'({expression})' if len(part) > 1 else expression} && ({' || '.join(only)})"
        name = f"anystore-doe: {title}{f' ({number} of {len(parts)})' if len(parts) > 1 else ''}"
        yield {"role": role, "members": [member], "condition": {"title": name, "expression": expression}}


def _named(bucket: str, key: str) -> str:
    """Return the term that holds for an object, or for all below a key that ends in ``/``."""
    name = f"projects/_/buckets/{bucket}/objects/{'' if key == '/' else key}"
    return f"resource.name.startsWith({literal(name)})" if key.endswith("/") else f"resource.name == {literal(name)}"


def _listed(key: str) -> str:
    """Return the term that holds for listing a tree, or for an object's own key.

    Listing its key tells an object that is not there from one that may not be read. Where nothing is listed the
    attribute is ``""``, and so it is when the whole bucket is: that is a request about the bucket itself.
    """
    if key == "/":
        return 'resource.type == "storage.googleapis.com/Bucket"'
    return f"{_LISTED}.startsWith({literal(key)})" if key.endswith("/") else f"{_LISTED} == {literal(key)}"


def literal(text: str) -> str:
    """Return ``text`` as a string of CEL, which has all escapes of JSON but surrogate pairs."""
    return json.dumps(text, ensure_ascii=False)


def _command(bucket: str, member: str, binding: Binding) -> str:
    """Return the command that adds one binding and leaves the others; the condition comes through a pipe.

    A condition as an option would have to be free of commas.
    """
    words = ["gcloud", "storage", "buckets", "add-iam-policy-binding", f"gs://{bucket}"]
    words += [f"--member={member}", f"--role={binding['role']}", "--condition-from-file=/dev/stdin"]
    return f"printf %s {shlex.quote(json.dumps(binding['condition']))} | {shlex.join(words)}"


def _whose(options: GcsOptions) -> str:
    """Say whose requests these options send: two key files are two identities, and each gets its own bindings."""
    file = options.credentials_file
    return f", for the identity whose key is in {printable(file)}" if file else ""


def _notes(options: GcsOptions, writes: Sequence[str], *, delete: bool, named: bool) -> Iterator[str]:
    if not named:
        yield f"{PLACEHOLDER} stands for who runs the sweep: say who with --principal"
    yield (
        "a bucket has one policy: add these bindings to those that are there, as the commands of --commands do; "
        "conditions need uniform bucket-level access"
    )
    if writes and not delete:
        yield (
            "Google Cloud takes replacing for deleting: of what a run wrote, it may replace its claim and attempt "
            "records only; --with-delete adds its outputs, for --overwrite, --push-failed, and to go on after an "
            "interrupted push"
        )
    if options.kms_key and writes:
        yield (
            "the Cloud Storage service agent of the bucket's project, not who runs the sweep, needs "
            f"roles/cloudkms.cryptoKeyEncrypterDecrypter on {options.kms_key}: "
            f"gcloud storage service-agent --project=PROJECT {shlex.quote(f'--authorize-cmek={options.kms_key}')}"
        )
    if options.requester_pays:
        yield (
            f"who runs the sweep needs serviceusage.services.use on the project {options.project}, which pays "
            "(roles/serviceusage.serviceUsageConsumer)"
        )
