"""The records under an output URL and the run event, field by field."""

from __future__ import annotations

import dataclasses
from typing import Any

from anystore_doe.model import STEPS, AttemptRecord, Claim, Commit, ExitRecord, FileRecord, InputIdentity, RunEvent
from from_code.text import attributes, code, escaped, from_docstring, sentence, table

WORDS: dict[type, dict[str, str]] = {
    Claim: {
        "nonce": "Random; says whose claim this is when two ask at once.",
        "state": "`held` while a worker is at the run, `released` afterwards.",
        "host": "Name of the machine.",
        "boot_id": "Which boot of that machine.",
        "pid_namespace": "Which container or namespace on it.",
        "pid": "Process that holds it.",
        "pid_started": "When that process started, in clock ticks since boot: a number used again is another process.",
        "since_at": "When the claim was made.",
        "beat_s": "Promised seconds between two beats; a claim of this version does not beat yet.",
        "beat": "Counts the beats; 0 in this version.",
        "stage": "Empty in this version.",
    },
    AttemptRecord: {
        "run_id": "The run's label.",
        "attempt": "Number of this attempt, from 1.",
        "nonce": "Of the claim it was made under.",
        "state": "`pushing` from before the first push, then `done` or `failed`.",
        "host": "Name of the machine.",
        "started_at": "When the attempt began.",
        "step": "Step that was under way when the record was written.",
        "reason": "Why it failed, in words.",
        "hint": "What helps, in words.",
        "error_class": "Exit code that the failure belongs to, 0 for none.",
        "exit": "How the solver ended, see below; absent when it was never started.",
        "scripts": "File name to text of every rendered template: what really ran.",
        "stdout_tail": "The last 64 KiB of the solver's output.",
        "stderr_tail": "The same for its error output.",
        "files": "What is pushed: path, size, checksum; written before the first byte is.",
        "links": "Links and special files that the solver left; they are not pushed.",
        "metrics": "Name to value, as the metrics command printed them.",
        "timings": "Step to seconds.",
    },
    Commit: {
        "run_id": "The run's label.",
        "nonce": "Of the claim it was made under.",
        "attempt": "The attempt that succeeded.",
        "fingerprint": "Digest of the run's definition.",
        "values": "Column to text: the row.",
        "inputs": "What each input was, see below.",
        "record_digest": "SHA-256 of the attempt's record, which lists the files.",
        "files": "Number of pushed files.",
        "bytes_in": "Bytes that were fetched.",
        "bytes_out": "Bytes that were pushed.",
        "exit_code": "Of the solver.",
        "committed_at": "When.",
        "strays": "Files of earlier attempts that lie there still, because nothing may be deleted.",
        "metrics": "Name to value.",
        "timings": "Step to seconds.",
        "versions": "What made it.",
    },
    FileRecord: {
        "path": "Below the output URL.",
        "size": "Bytes.",
        "checksum": "`sha256:` and the digest.",
    },
    InputIdentity: {
        "url": "Of the object.",
        "pin": "The version that was read, as the store names it.",
        "size": "Bytes.",
        "checksums": "Algorithm to digest: the store's own, or one that was computed when it was fetched.",
    },
    ExitRecord: {
        "code": "Exit code, when it ended by itself.",
        "signal": "Number of the signal that ended it.",
        "detail": "More in words, such as `command not found`.",
    },
    RunEvent: {
        "sweep": "Name of the sweep.",
        "run_id": "The run's label.",
        "attempt": "Number of the attempt, from 1.",
        "step": "One of " + ", ".join(f"`{step}`" for step in STEPS) + ".",
        "at": "When.",
        "error_class": "For `failed`: the exit code that the failure belongs to, see {doc}`errors`.",
    },
}
"""Words for the fields that the class's own docstring does not describe one by one."""

SCHEMA_WORDS = "Version of the record's form; a newer one than the program knows is refused."


def write_records() -> str:
    """Write a section per record."""
    files = {
        Claim: "_anystore/claim.json",
        AttemptRecord: "_anystore/attempts/N.json",
        Commit: "_anystore/commit.json",
    }
    parts = [f"## `{path}`\n\n{_first(kind)}\n\n{_fields(kind)}" for kind, path in files.items()]
    inner = {FileRecord: "An item of `files`", InputIdentity: "An item of `inputs`", ExitRecord: "The field `exit`"}
    parts += [f"## {title}\n\n{_first(kind)}\n\n{_fields(kind)}" for kind, title in inner.items()]
    return "\n\n".join(parts)


def write_events() -> str:
    """Write the fields of a run event."""
    return _fields(RunEvent)


def _first(kind: type) -> str:
    words = (kind.__doc__ or "").partition("\n\n")[0]
    return sentence(from_docstring(words).partition(": ")[2] if words.startswith("``") else from_docstring(words))


def _fields(kind: Any) -> str:
    said = {name: sentence(from_docstring(words)) for name, words in attributes(kind).items()}
    said |= WORDS[kind]
    rows = []
    for field in dataclasses.fields(kind):
        words = SCHEMA_WORDS if field.name == "schema" else said[field.name]
        rows.append((code(field.name), escaped(_spoken(str(field.type))), words))
    return table(("Field", "Type", "What it is"), rows)


def _spoken(annotation: str) -> str:
    kinds = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    if annotation.startswith(("Literal", "Step")):
        return "text"
    optional = annotation.endswith(" | None")
    bare = annotation.removesuffix(" | None")
    if bare.startswith("Mapping"):
        return "object"
    if bare.startswith("tuple"):
        return "list"
    return kinds.get(bare, "object") + (" or null" if optional else "")
