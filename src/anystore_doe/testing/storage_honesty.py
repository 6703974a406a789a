"""What a storage says about itself is so, and nothing but our errors gets out of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import LocalResourceError, ObjectNotFoundError, StorageError, UnsupportedError, UsageError
from anystore_doe.testing.storage_box import StorageSuite
from anystore_doe.testing.suite import must_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anystore_doe.testing.storage_box import Box

CALLS: Mapping[str, Callable[[Box], object]] = {
    "list": lambda box: list(box.storage.walk(box.key())),
    "write": lambda box: box.push("a", b"x"),
    "delete": lambda box: box.storage.delete([box.key("a")]),
    "ranges": lambda box: box.storage.read(box.key("a"), 0, 1),
    "create_only": lambda box: box.push("a", b"x", create_only=True),
    "compare_and_set": lambda box: box.push("a", b"x", replacing="some pin"),
}


EVERY_CALL: Mapping[str, Callable[[Box, Path], object]] = {
    "stat": lambda box, _: box.storage.stat(box.key("a")),
    "find": lambda box, _: box.storage.find(box.key("a")),
    "fetch": lambda box, local: box.fetch("a", local / "dest"),
    "read": lambda box, _: box.storage.read(box.key("a")),
    "walk": lambda box, _: list(box.storage.walk(box.key())),
    "push": lambda box, _: box.push("a", b"x"),
    "push of a file": lambda box, local: box.push("a", local / "source"),
    "push create_only": lambda box, _: box.push("new", b"x", create_only=True),
    "push replacing": lambda box, _: box.push("a", b"x", replacing="some pin"),
    "delete": lambda box, _: box.storage.delete([box.key("a")]),
}


class HonestyTests(StorageSuite):
    """What a storage says about itself is so."""

    @pytest.mark.parametrize("capability", CALLS)
    def test_what_is_off_is_refused_as_unsupported(self, box: Box, capability: str) -> None:
        if getattr(box.storage.capabilities, capability):
            pytest.skip(f"{capability} is on; this tests that it is refused when off")
        with must_raise(UnsupportedError, rule=f"{capability} is off: refuse it with this error, or switch it on"):
            CALLS[capability](box)

    def test_only_our_errors_get_out_of_a_store_that_is_broken(self, box: Box, tmp_path: Path) -> None:
        box.put("a")
        (tmp_path / "source").write_bytes(b"x")
        broken = self.break_store(box.place)
        if broken is None:
            pytest.skip(
                "override `break_store(self, place)`: this tests which errors get out of a store that is broken"
            )
        got_out, refused = {}, 0
        with broken:
            for name, call in EVERY_CALL.items():
                try:
                    call(box, tmp_path)
                except (StorageError, LocalResourceError):
                    refused += 1
                except Exception as error:  # noqa: BLE001  whatever a provider lets out
                    got_out[name] = repr(error)
        assert got_out == {}, "turn errors of the system and of libraries into a StorageError, `from` the first"
        assert refused, "every call went well: `break_store` must leave the store unusable while its context lasts"

    def test_conditions_need_writing_and_pins_need_pins(self, box: Box) -> None:
        can = box.storage.capabilities
        needy = [name for name in ("create_only", "compare_and_set", "checksums") if getattr(can, name)]
        assert can.write or not needy, f"{needy} say how well it writes, and write is off"
        if can.pinned_reads or can.compare_and_set:
            assert box.put("a").pin

    def test_the_url_is_a_root_and_the_repr_shows_it(self, box: Box) -> None:
        assert box.storage.url.endswith("://") or not box.storage.url.endswith("/")
        assert box.storage.url in repr(box.storage)

    def test_no_secret_is_ever_shown(self, box: Box, folder: Path) -> None:
        with must_raise(ObjectNotFoundError, rule="what is not there is an ObjectNotFoundError") as missing:
            box.fetch("no/such", folder / "dest")
        shown = [repr(box.storage), str(box.storage), box.storage.url, str(missing.value), repr(missing.value)]
        shown += [missing.value.hint, missing.value.url]
        telling = [text for text in shown for secret in self.secrets if secret in text]
        assert telling == [], "a secret is shown: keep it out of repr, url and errors"

    def test_a_policy_names_its_prefixes_and_deletes_only_when_asked(self, box: Box) -> None:
        reads, writes = ["kit-in/a", "kit-in/tree/"], ["kit-out/b/"]
        try:
            policy = box.storage.grants(reads, writes, delete=False)
        except UnsupportedError:
            return
        document = json.dumps(policy.document)
        assert policy.kind
        assert [name for name in ("kit-in/a", "kit-in/tree", "kit-out/b") if name not in document] == []
        assert json.dumps(box.storage.grants(reads, writes, delete=True).document) != document
        with must_raise(UnsupportedError, UsageError, rule="a form of policy that is unknown is refused"):
            box.storage.grants(reads, writes, delete=False, form="no such form")

    def test_another_client_sees_what_this_one_wrote(self, box: Box, folder: Path) -> None:
        other = self.another(box.place)
        if other is None:
            pytest.skip("override `another(self, place)`: this tests what a second client sees")
        box.put("a", b"here")
        other.fetch(box.key("a"), folder / "dest", watch=Watch())
        assert (folder / "dest").read_bytes() == b"here"
        box.drop("a")
        assert other.find(box.key("a")) is None
        other.close()
        other.close()
