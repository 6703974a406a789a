"""What makes a run the same run: the digest of its definition, and the identity of its inputs' content.

Slots, cores, executor, time-outs and credentials are not part of it: they change how, not what.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec

from anystore_doe.definition import render_command, rendered_template
from anystore_doe.errors import safe_url
from anystore_doe.model import SCHEMA, InputIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from anystore_doe.model import PinnedInput, PinnedObject, Recipe, Run

LABELS = frozenset({"run_id", "description", "comment", "notes"})
"""Columns that describe a run and do not define it."""

BLOCK = 2**20
"""Bytes that are read at once when content has to be digested."""


def definition_digests(recipe: Recipe, ignored: Collection[str]) -> Callable[[Run], str]:
    """Return a function that digests a run's definition; what all runs share is digested once.

    The digest is SHA-256 over canonical JSON: schema, the recipe's defining parts, and for each run its
    columns (labels and ``ignored`` ones left out), its inputs, its rendered command and templates.
    """
    left_out = LABELS | frozenset(ignored)
    shared = hashlib.sha256(
        msgspec.json.encode(
            {
                "schema": SCHEMA,
                "render": recipe.render,
                "input_files": [
                    (f.name, hashlib.sha256(f.content_b64.encode()).hexdigest(), f.executable)
                    for f in recipe.input_files
                ],
                "outputs": recipe.outputs,
                "push_inputs": recipe.push_inputs,
                "metrics": recipe.metrics,
                "require": recipe.require,
                "chdir": recipe.chdir,
                "unpack": recipe.unpack,
                "compat": recipe.compat,
            }
        )
    )
    encode = msgspec.json.Encoder(order="sorted").encode

    def digest(run: Run) -> str:
        one = shared.copy()
        one.update(
            encode(
                {
                    "values": {name: text for name, text in run.values.items() if name not in left_out},
                    "inputs": run.inputs,
                    "output": run.output,
                    "command": render_command(recipe.command, run.values),
                    "templates": {t.name: rendered_template(t, run.values) for t in recipe.templates},
                }
            )
        )
        return one.hexdigest()

    return digest


def identities(inputs: Sequence[PinnedInput], digests: Mapping[str, str]) -> tuple[InputIdentity, ...]:
    """Return what a commit keeps of each input; ``digests`` (URL to SHA-256) where the store has no checksum.

    Of a tree it keeps digests over all of its objects: a commit stays small, however many there are.
    """
    return tuple(_identity(one, digests) for one in inputs)


def _identity(one: PinnedInput, digests: Mapping[str, str]) -> InputIdentity:
    if one.kind == "tree":
        return _tree_identity(one, digests)
    (found,) = one.objects
    return InputIdentity(url=found.url, pin=found.pin, size=found.size, checksums=_checksums(found, digests))


def _checksums(found: PinnedObject, digests: Mapping[str, str]) -> Mapping[str, str]:
    return found.checksums or ({"sha256": digests[found.url]} if found.url in digests else {})


def _tree_identity(one: PinnedInput, digests: Mapping[str, str]) -> InputIdentity:
    """Return the identity of a tree: its pin is made of its objects' pins, its checksums of their checksums.

    A tree has the checksum ``md5`` when each of its objects has one: SHA-256 over paths, sizes and these.
    """
    known = [_checksums(found, digests) for found in one.objects]
    pins = [found.pin for found in one.objects]
    return InputIdentity(
        url=one.url,
        pin=None if None in pins else _digest_of(one, pins),
        size=sum(found.size for found in one.objects),
        checksums={
            name: _digest_of(one, [checksums[name] for checksums in known])
            for name in sorted(set[str]().union(*known))
            if all(name in checksums for checksums in known)
        },
    )


def _digest_of(tree: PinnedInput, said: Sequence[str | None]) -> str:
    lines = [(found.path, found.size, one) for found, one in zip(tree.objects, said, strict=True)]
    return hashlib.sha256(msgspec.json.encode(lines)).hexdigest()


def changed_input(
    committed: Sequence[InputIdentity], now: Sequence[PinnedInput], digest: Callable[[PinnedObject], str | None]
) -> str | None:
    """Tell in words which input is another than the one a commit was made from; ``None``: all are the same.

    The same pin is the same content; else a checksum that both sides have decides; else the content is
    digested (``digest`` returns its SHA-256, or ``None`` where that can not be had) and compared with the digest
    in the commit; else another pin is another content. The same bytes uploaded again are not a change.
    """
    was = {one.url: one for one in committed}
    here = [(_identity(one, {}), one) for one in now]
    if gone := was.keys() - {found.url for found, _ in here}:
        return f"{safe_url(min(gone))} is no longer an input"
    for found, one in here:
        old = was.get(found.url)
        if old is None:
            return f"{safe_url(found.url)} is a new input"
        if not _same_content(old, found, functools.partial(_content, one, digest)):
            pins = ("", "") if one.kind == "tree" else (f", {old.pin}", f", {found.pin}")
            return f"{safe_url(found.url)} has changed ({old.size:,} bytes{pins[0]} -> {found.size:,} bytes{pins[1]})"
    return None


def _content(one: PinnedInput, digest: Callable[[PinnedObject], str | None]) -> str | None:
    """Return what the checksum ``sha256`` of an input's identity is now, read from its content."""
    found = []
    for known in one.objects:
        found.append(digest(known))
        if found[-1] is None:
            return None
    return _digest_of(one, found) if one.kind == "tree" else found[0]


def _same_content(old: InputIdentity, now: InputIdentity, content: Callable[[], str | None]) -> bool:
    if old.size != now.size:
        return False
    if old.pin is not None and old.pin == now.pin:
        return True
    shared = old.checksums.keys() & now.checksums.keys()
    if shared:
        return all(old.checksums[name] == now.checksums[name] for name in shared)
    return "sha256" in old.checksums and content() == old.checksums["sha256"]
