"""Which places of a sweep a store is asked to grant, and what becomes of the policies."""

from __future__ import annotations

import pytest

from anystore_doe.contract import Place, Policy
from anystore_doe.engine.prefixes import CROWD, few_prefixes
from anystore_doe.engine.rights import document_text, rights_of, size_of
from anystore_doe.errors import PlanError, UnsupportedError
from anystore_doe.testing import MemoryStorage


def keys(count: int, pattern: str) -> list[str]:
    return [pattern.format(n) for n in range(count)]


def test_a_few_places_are_named_one_by_one():
    assert few_prefixes(keys(CROWD, "output/{}/")) == tuple(keys(CROWD, "output/{}/"))


def test_many_places_below_one_folder_become_the_folder():
    assert few_prefixes([*keys(CROWD + 1, "output/{}/"), "input/a.zip"]) == ("input/a.zip", "output/")
    assert few_prefixes(keys(100, "cases/{}/out/")) == ("cases/",)
    assert few_prefixes(keys(9, "a/b/{}.zip")) == ("a/b/",)


def test_the_deepest_crowded_folder_is_taken():
    assert few_prefixes([*keys(9, "o/x/{}/"), *keys(9, "o/y/{}/"), "o/z/1/"]) == ("o/x/", "o/y/", "o/z/1/")


def test_many_places_at_the_root_stay_many():
    assert len(few_prefixes(keys(100, "{}/"))) == 100


def test_a_folder_that_holds_an_input_does_not_stand_for_outputs():
    outputs = keys(100, "data/{}/")
    assert few_prefixes(outputs, apart=["data/case.zip"]) == tuple(sorted(outputs))
    assert few_prefixes(outputs, apart=["data2/case.zip"]) == ("data/",)


def test_what_lies_in_another_place_is_not_named_twice():
    assert few_prefixes(["a/", "a/b.zip", "ab", "a"]) == ("a", "a/", "ab")
    assert few_prefixes(["/", "a/", "b"]) == ("/",)
    assert few_prefixes([]) == ()


def test_a_hundred_thousand_rows_are_no_work():
    assert few_prefixes(keys(100_000, "doe/out/{}/")) == ("doe/out/",)


class Store(MemoryStorage):
    """Writes policies of a language, with a limit."""

    kind, attach, limit = "aws-iam", "me", 0

    def __init__(self, url: str, **has: object) -> None:
        super().__init__()
        self.url = url
        vars(self).update(has)

    def grants(self, reads, writes, *, delete, form="identity", principal=""):
        if self.kind == "none":
            raise UnsupportedError("write a policy for", self.url, "its plugin knows no policies")
        rules = [f"read {self.url}/{key}" for key in reads] + [f"write {self.url}/{key}" for key in writes]
        said = {"version": 1, "rules": [*rules, "everybody may look"]}
        notes = ("a note", f"{form} {principal} {delete}")
        return Policy(
            kind=self.kind,
            document=said,
            attach=self.attach,
            notes=notes,
            limit=self.limit,
            too_long="split it",
            commands=("begin", f"attach to {self.url}"),
        )


def opener(*stores: Store):
    def open_storage(url: str) -> Place:
        store = next(store for store in stores if url.startswith(store.url))
        return Place(storage=store, key=url.removeprefix(store.url).strip("/"))

    return open_storage


def test_stores_of_one_language_and_identity_share_a_policy():
    a, b, c = Store("s3://a"), Store("s3://b"), Store("gs://c", kind="gcp-iam")
    rights = rights_of(["s3://a/x.zip", "gs://c/tree/"], ["s3://b/out/1", "s3://a/y"], opener(a, b, c), delete=True)
    assert [(one.kind, one.document["rules"]) for one in rights.policies] == [
        ("aws-iam", ["read s3://a/x.zip", "write s3://a/y/", "everybody may look", "write s3://b/out/1/"]),
        ("gcp-iam", ["read gs://c/tree/", "everybody may look"]),
    ]
    assert rights.policies[0].notes == ("a note", "identity  True")
    assert rights.without == rights.widened == ()


def test_two_identities_get_a_policy_each():
    a, b = Store("s3://a", attach="profile x"), Store("s3://b", attach="profile y")
    rights = rights_of(["s3://a/x"], ["s3://b/out"], opener(a, b))
    assert [one.attach for one in rights.policies] == ["profile x", "profile y"]


def test_form_and_principal_reach_the_store():
    rights = rights_of(["s3://a/x"], [], opener(Store("s3://a")), form="bucket-policy", principal="you")
    assert "bucket-policy you False" in rights.policies[0].notes


def test_a_store_without_policies_is_named_once():
    rights = rights_of(["file:///a/x", "file:///a/y"], ["file:///a/out"], opener(Store("file://", kind="none")))
    assert rights.policies == ()
    assert rights.without == ("file://: nothing to grant: its plugin knows no policies",)


def test_one_cloud_is_picked():
    stores = opener(Store("s3://a"), Store("gs://c", kind="gcp-iam"))
    assert [one.kind for one in rights_of(["s3://a/x", "gs://c/x"], [], stores, cloud="gcp").policies] == ["gcp-iam"]


def test_a_store_of_another_cloud_is_not_even_asked():
    class Picky(Store):
        cloud = "aws"

        def grants(self, *args, **more):
            raise AssertionError

    stores = opener(Picky("s3://a"), Store("gs://c", kind="gcp-iam"))
    rights = rights_of(["s3://a/x", "gs://c/x"], [], stores, cloud="gcp", principal="somebody of gcp")
    assert ([one.kind for one in rights.policies], rights.without) == (["gcp-iam"], ())


def test_commands_are_joined_and_what_is_the_same_is_done_once():
    rights = rights_of(["s3://a/x", "s3://b/x"], [], opener(Store("s3://a"), Store("s3://b")))
    assert rights.policies[0].commands == ("begin", "attach to s3://a", "attach to s3://b")


def test_inputs_of_other_settings_of_the_same_bucket_are_not_swallowed():
    one, other = Store("s3://a"), Store("s3://a")

    def open_storage(url: str) -> Place:
        return Place(storage=one if "case.zip" in url else other, key=url.removeprefix("s3://a/"))

    rights = rights_of(["s3://a/data/case.zip"], keys(20, "s3://a/data/{}"), open_storage)
    assert rights.widened == ()
    wide = rights_of(["s3://a/in/case.zip"], keys(20, "s3://a/data/{}"), open_storage)
    assert wide.widened == ("s3://a/data/",)


def test_the_root_of_a_store_is_everything_below_it():
    rights = rights_of(["s3://a"], ["s3://a"], opener(Store("s3://a")))
    assert rights.policies[0].document["rules"][:2] == ["read s3://a//", "write s3://a//"]


def test_a_policy_above_its_limit_is_refused_with_the_way_out():
    with pytest.raises(PlanError, match=r"aws-iam policy for me has \d+ characters.*at most 60 are taken") as raised:
        rights_of(keys(5, "s3://a/x{}/y"), [], opener(Store("s3://a", limit=60)))
    assert (raised.value.hint, raised.value.exit_code) == ("split it", 3)


def test_blanks_do_not_count_and_the_text_is_indented_where_it_fits():
    policy = Policy(kind="k", document={"a b": ["c"]}, limit=12)
    assert size_of(policy) == len('{"ab":["c"]}')
    assert document_text(policy) == '{"a b":["c"]}'
    assert document_text(Policy(kind="k", document={"a": 1})) == '{\n  "a": 1\n}'


def test_policies_that_contradict_each_other_are_not_merged():
    class Newer(Store):
        def grants(self, *args, **more):
            return Policy(kind="aws-iam", attach="me", document={"version": 2})

    with pytest.raises(PlanError, match="do not go together"):
        rights_of(["s3://a/x", "s3://b/x"], [], opener(Store("s3://a"), Newer("s3://b")))
