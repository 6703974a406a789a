"""What makes a run the same run."""

from __future__ import annotations

import base64
from dataclasses import replace

import msgspec
import pytest

from anystore_doe.engine.fingerprint import changed_input, definition_digests, identities
from anystore_doe.model import InputFile, InputIdentity, PinnedInput, PinnedObject, Recipe, Run, Template

RUN = Run(
    run_id="0001",
    row=1,
    line=2,
    values={"rpm": "1500", "description": "first"},
    inputs=("s3://b/in.zip",),
    output="s3://b/out/1",
)
RECIPE = Recipe(
    command=("solve", "${rpm}"),
    templates=(Template(name="deck.in", text="rpm ${rpm}\n", source="deck.in", shell=False),),
    input_files=(InputFile(name="mech.dat", content_b64=base64.b64encode(b"H2").decode()),),
)


def digest(recipe: Recipe = RECIPE, run: Run = RUN, ignored: tuple[str, ...] = ()) -> str:
    return definition_digests(recipe, ignored)(run)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, values={**RUN.values, "rpm": "1600"}),
        replace(RUN, values={**RUN.values, "soi": "-8"}),
        replace(RUN, inputs=("s3://b/other.zip",)),
        replace(RUN, output="s3://b/out/2"),
    ],
)
def test_another_row_is_another_run(run: Run) -> None:
    assert digest(run=run) != digest()


@pytest.mark.parametrize(
    "more",
    [
        {"command": ("solve", "--fast", "${rpm}")},
        {"templates": (replace(RECIPE.templates[0], text="RPM ${rpm}\n"),)},
        {"templates": (replace(RECIPE.templates[0], name="other.in"),)},
        {"input_files": (replace(RECIPE.input_files[0], content_b64=base64.b64encode(b"H3").decode()),)},
        {"outputs": ("*.out",)},
        {"push_inputs": True},
        {"metrics": ("post",)},
        {"require": ("a",)},
        {"render": ("*.in",)},
        {"chdir": "x"},
        {"unpack": "never"},
        {"compat": "rescale"},
    ],
)
def test_another_recipe_is_another_run(more: dict[str, object]) -> None:
    assert digest(replace(RECIPE, **more)) != digest()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "more",
    [{"timeout_s": 5.0}, {"pass_env": ("X",)}, {"share_credentials": True}, {"push_failed": True}, {"durable": False}],
)
def test_how_a_run_is_run_does_not_make_it_another(more: dict[str, object]) -> None:
    assert digest(replace(RECIPE, **more)) == digest()  # type: ignore[arg-type]


def test_labels_and_ignored_columns_do_not_count() -> None:
    assert digest(run=replace(RUN, run_id="x", values={**RUN.values, "description": "second"})) == digest()
    other = replace(RUN, values={**RUN.values, "rpm": "1600"})
    same = replace(RECIPE, command=("solve",), templates=())
    assert digest(same, other, ("rpm",)) == digest(same, RUN, ("rpm",))


def pinned(url: str = "s3://b/a", *, pin: str | None = "p1", size: int = 3, **checksums: str) -> PinnedInput:
    found = PinnedObject(path="a", url=url, size=size, pin=pin, checksums=checksums)
    return PinnedInput(url=url, kind="file", objects=(found,))


def committed(pin: str | None = "p1", size: int = 3, **checksums: str) -> tuple[InputIdentity, ...]:
    return (InputIdentity(url="s3://b/a", pin=pin, size=size, checksums=checksums),)


@pytest.mark.parametrize(
    ("old", "now", "content", "same"),
    [
        (committed(), pinned(), None, True),
        (committed(), pinned(pin="p2"), None, False),
        (committed(md5="1"), pinned(pin="p2", md5="1"), None, True),
        (committed(md5="1"), pinned(pin="p2", md5="2"), None, False),
        (committed(md5="1", crc32c="9"), pinned(pin="p2", crc32c="9"), None, True),
        (committed(sha256="1"), pinned(pin="p2"), "1", True),
        (committed(sha256="1"), pinned(pin="p2"), "2", False),
        (committed(sha256="1"), pinned(pin="p2"), None, False),
        (committed(), pinned(size=4), None, False),
        (committed(pin=None), pinned(pin=None), None, False),
    ],
)
def test_the_same_content_is_the_same_input(
    old: tuple[InputIdentity, ...], now: PinnedInput, content: str | None, same: bool
) -> None:
    assert (changed_input(old, [now], lambda _found: content) is None) is same


def test_inputs_that_came_or_went_are_named() -> None:
    assert "s3://b/new is a new input" in str(changed_input((), [pinned("s3://b/new")], lambda _f: None))
    assert "s3://b/a is no longer an input" in str(changed_input(committed(), [], lambda _f: None))


def test_a_commit_keeps_the_store_s_checksum_else_the_digest() -> None:
    kept = identities([pinned(md5="1"), pinned("s3://b/b")], {"s3://b/a": "x", "s3://b/b": "y"})
    assert [dict(one.checksums) for one in kept] == [{"md5": "1"}, {"sha256": "y"}]


def tree(*files: tuple[str, int, str | None], **checksums: str) -> PinnedInput:
    objects = tuple(
        PinnedObject(path=path, url=f"s3://b/t/{path}", size=size, pin=pin, checksums=checksums)
        for path, size, pin in files
    )
    return PinnedInput(url="s3://b/t/", kind="tree", objects=objects)


def test_of_a_tree_a_commit_keeps_the_same_few_bytes_however_many_objects_it_has() -> None:
    big = tree(*((f"{n}.in", 1, f"p{n}") for n in range(5000)))
    kept = identities([big], {found.url: "d" for found in big.objects})
    assert len(msgspec.json.encode(kept)) < 400
    assert (kept[0].url, kept[0].size) == ("s3://b/t/", 5000)


A = tree(("a", 1, "p1"), ("b", 2, "p2"))


@pytest.mark.parametrize(
    ("old", "now", "content", "same"),
    [
        (A, A, None, True),
        (A, tree(("a", 1, "p1"), ("b", 2, "p3")), None, False),
        (A, tree(("a", 1, "p1"), ("c", 2, "p2")), None, False),
        (A, tree(("a", 1, "p1")), None, False),
        (A, tree(("a", 2, "p1"), ("b", 1, "p2")), None, False),
        (tree(("a", 1, None)), tree(("a", 1, None)), None, False),
        (tree(("a", 1, "p1"), md5="1"), tree(("a", 1, "p2"), md5="1"), None, True),
        (tree(("a", 1, "p1"), md5="1"), tree(("a", 1, "p2"), md5="2"), None, False),
        (A, tree(("a", 1, "q1"), ("b", 2, "q2")), "fetched", True),
        (A, tree(("a", 1, "q1"), ("b", 2, "q2")), "other", False),
        (A, tree(("a", 1, "q1"), ("b", 2, "q2")), None, False),
    ],
)
def test_the_same_content_is_the_same_tree(old: PinnedInput, now: PinnedInput, content: str | None, same: bool) -> None:
    kept = identities([old], {found.url: "fetched" for found in old.objects})
    assert (changed_input(kept, [now], lambda _found: content) is None) is same
