from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.definition import absolute_url
from anystore_doe.definition.overlaps import overlaps
from anystore_doe.definition.urls import BadUrlError
from anystore_doe.errors import DefinitionError
from anystore_doe.model import Run

ONE_SPELLING = {
    "a/b": "file:///base/a/b",
    "a/b/": "file:///base/a/b/",
    "./a//b": "file:///base/a/b",
    "../a": "file:///a",
    "/a/b": "file:///a/b",
    "//a": "file:///a",
    "file:///a/b": "file:///a/b",
    "file:////a//b": "file:///a/b",
    "a b%20c?d#e": "file:///base/a b%20c?d#e",
    "file:///a%20b?c#d": "file:///a%20b?c#d",
    "S3://Bucket/Key": "s3://Bucket/Key",
    "s3://b//k": "s3://b//k",
    "sftp://user@host/k": "sftp://user@host/k",
    "x:y": "file:///base/x:y",
}


@pytest.mark.parametrize(("text", "url"), ONE_SPELLING.items())
def test_every_place_has_one_spelling(text: str, url: str) -> None:
    assert absolute_url(text, "/base") == url
    assert absolute_url(url, "/elsewhere") == url


BAD = ["", "~/x", "s3://", "file:///", "file://host/x", "s3://b/../c", "s3://b/./c", "s3://b/..", "a\nb", "s3://b/\x7f"]


SECRET = ["sftp://user:secret@host/k", "s3://AKIA:sec/ret/secret@b/k", "abfs://c:secret@a.dfs.core.windows.net/k"]


@pytest.mark.parametrize("text", [*BAD, *SECRET])
def test_what_names_no_place_is_refused_without_showing_a_secret(text: str) -> None:
    with pytest.raises(BadUrlError) as caught:
        absolute_url(text, "/base")
    assert "secret" not in str(caught.value)


OVERLAPPING = {
    "same": "input,output\n,s3://b/o\n,s3://b/o/\n",
    "same-in-two-spellings": "input,output\n,/doe/o/x\n,o/x\n",
    "nested": "input,output\n,s3://b/o\n,s3://b/o/x\n",
    "nested-the-other-way": "input,output\n,s3://b/o/x\n,s3://b/o\n",
    "output-in-an-input-tree": "input,output\ns3://b/i/,s3://b/o\n,s3://b/i/x\n",
    "output-is-an-input": "input,output\ns3://b/i.zip,s3://b/o\n,s3://b/i.zip\n",
    "output-around-an-input": "input,output\ns3://b/o2/i.zip,s3://b/o\n,s3://b/o2\n",
}


@pytest.mark.parametrize("table", OVERLAPPING.values(), ids=OVERLAPPING)
def test_rows_in_each_others_way_are_refused_and_both_named(define, table: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(table)
    assert "run 0001 (line 2) and run 0002 (line 3): " in str(caught.value)


def test_a_run_may_not_write_around_its_own_input(define) -> None:
    with pytest.raises(DefinitionError, match=r"run 0001 \(line 2\): the input .* lies inside the output"):
        define("input,output\ns3://b/o/i.zip,s3://b/o\n")


def test_an_output_may_not_lie_in_our_own_folder(define) -> None:
    with pytest.raises(DefinitionError, match="_anystore"):
        define("output\ns3://b/_anystore/x\n")


def test_neighbours_with_a_common_start_are_no_overlap(define) -> None:
    assert len(define("output\ns3://b/o\ns3://b/o1\ns3://b/o-1\ns3://b/o.x\n").runs) == 4


def test_runs_may_share_inputs(define) -> None:
    table = "a_input,b_input,output\ns3://b/i/,s3://b/i/x/,s3://b/o/1\ns3://b/i/,s3://b/i/x/,s3://b/o/2\n"
    assert len(define(table).runs) == 2


KEYS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(lambda parts: "s3://x/" + "/".join(parts))


@given(st.lists(st.tuples(KEYS, st.lists(KEYS, max_size=2)), min_size=1, max_size=5))
def test_overlaps_are_found_as_by_comparing_all_pairs(rows: list[tuple[str, list[str]]]) -> None:
    runs = [
        Run(run_id=str(n), row=n, line=n + 1, values={}, inputs=tuple(i), output=o) for n, (o, i) in enumerate(rows, 1)
    ]

    def within(one: str, other: str) -> bool:
        return (one + "/").startswith(other + "/") or (other + "/").startswith(one + "/")

    expected = any(
        (one is not other and within(one.output, other.output)) or any(within(one.output, i) for i in other.inputs)
        for one in runs
        for other in runs
    )
    assert bool(list(overlaps(runs))) == expected
