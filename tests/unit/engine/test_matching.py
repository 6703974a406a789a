"""Globs over relative paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.engine.matching import matcher


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.out", "thermo.out", True),
        ("*.out", "a/thermo.out", False),
        ("**/*.out", "thermo.out", True),
        ("**/*.out", "a/b/thermo.out", True),
        ("output/*.h5", "output/post.h5", True),
        ("output/*.h5", "output/x/post.h5", False),
        ("output/**", "output/x/post.h5", True),
        ("post[0-9].h5", "post1.h5", True),
        ("post[!0-9].h5", "post1.h5", False),
        ("a[/]b", "a/b", False),
        ("a?b", "a/b", False),
        ("x[1", "x[1", True),
        ("x.out", "xaout", False),
        ("**", "a\nb", True),
    ],
)
def test_a_glob_stays_in_its_folder_unless_told(glob: str, path: str, matches: bool) -> None:
    assert matcher([glob])(path) is matches


def test_no_globs_match_nothing() -> None:
    assert not matcher([])("a")


def test_any_of_several_globs_suffices() -> None:
    assert [matcher(["*.a", "*.b"])(f"x.{s}") for s in "abc"] == [True, True, False]


@given(st.text(alphabet="ab/*?[]!^-\\.()|$\n", max_size=30), st.text(alphabet="ab/.\n", max_size=12))
def test_no_glob_is_a_broken_pattern(glob: str, path: str) -> None:
    matcher([glob])(path)


@given(st.text(alphabet=st.characters(exclude_characters="*?["), min_size=1, max_size=20))
def test_a_glob_without_signs_matches_itself_only(text: str) -> None:
    assert matcher([text])(text)
    assert not matcher([text])(text + "x")
