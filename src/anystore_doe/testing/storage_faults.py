"""The suite of faults for providers that speak HTTP: what network and server do to a transfer, played by a proxy."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from anystore_doe.contract import Watch
from anystore_doe.errors import (
    AccessDeniedError,
    CancelledTransferError,
    CredentialsError,
    InputChangedError,
    ObjectExistsError,
    PreconditionFailedError,
    StorageError,
)
from anystore_doe.testing.faults import REQUEST_ID, Answer, Cut, Delay, Flip, LoseReply, Rule, Swap, Truncate
from anystore_doe.testing.storage_box import StorageSuite, some_bytes
from anystore_doe.testing.suite import difference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anystore_doe.testing.faults import Fault
    from anystore_doe.testing.proxy import FaultProxy
    from anystore_doe.testing.storage_box import Box

PATIENCE_S = 20.0
"""When a cancelled transfer has ended at the latest, on a busy machine."""

BURSTS: dict[str, Fault] = {
    "500": Answer(status=500),
    "502": Answer(status=502, body=b"<html>not from the store</html>"),
    "503": Answer(status=503, headers={"Retry-After": "0"}),
    "429": Answer(status=429, headers={"Retry-After": "0"}),
    "lost": LoseReply(),
    "reset": Cut(reset=True),
}
"""What passes: played twice, then the server answers."""


class HttpFaultsContract(StorageSuite):
    """Holds a provider to its contract while requests and replies are cut, lost, flipped and refused.

    Subclass it beside :class:`~anystore_doe.testing.storage_contract.StorageContract`, and give two fixtures:
    ``proxy``, a :class:`~anystore_doe.testing.proxy.FaultProxy` in front of the server, and ``place``, opened through
    that proxy with pauses of milliseconds between tries.

    Attributes:
        expired: What the server answers when credentials are expired; ``None``: it has no such answer.
        denied: What it answers to who may not, as ``s3_error`` and its like make it; ``None``: it has no such answer.
    """

    expired: Answer | None = None
    denied: Answer | None = None

    def requests(self, doing: Literal["fetch", "push"], key: str) -> Mapping[str, str]:
        """Return the ``method``, ``path`` and ``query`` patterns of the requests that move an object's bytes.

        ``push`` is about a small object, written in one request. Override it where a store does not answer ``GET``
        and ``PUT`` at ``*/key``.
        """
        return {"method": "GET" if doing == "fetch" else "PUT", "path": f"*/{key.rpartition('/')[2]}"}

    def play(self, box: Box, proxy: FaultProxy, doing: Literal["fetch", "push"], *faults: Fault) -> None:
        """Play ``faults`` one after the other on the requests that fetch or push ``k``."""
        asked = {"method": "*", "path": "*", "query": "*", **self.requests(doing, box.key("k"))}
        rule = Rule(fault=LoseReply(), method=asked["method"], path=asked["path"], query=asked["query"])
        proxy.clear()
        proxy.add(*(replace(rule, fault=fault) for fault in faults))

    @pytest.mark.parametrize("reset", [False, True])
    def test_a_cut_body_is_completed(self, box: Box, proxy: FaultProxy, folder: Path, reset: bool) -> None:
        data = some_bytes(1_000_003)
        box.put("k", data)
        self.play(box, proxy, "fetch", Cut(after=400_000, reset=reset))
        box.fetch("k", folder / "dest")
        assert not difference((folder / "dest").read_bytes(), data)
        assert [p.name for p in folder.iterdir()] == ["dest"]

    def test_a_body_that_is_always_cut_leaves_what_was_there(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        box.put("k", some_bytes(50_000))
        (folder / "dest").write_bytes(b"mine")
        self.play(box, proxy, "fetch", *[Cut(after=100)] * 100)
        with pytest.raises(StorageError):
            box.fetch("k", folder / "dest")
        assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("dest", b"mine")]

    def test_a_body_that_is_too_short_is_no_object(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        data = some_bytes(50_000)
        box.put("k", data)
        self.play(box, proxy, "fetch", Truncate(to=40_000))
        box.fetch("k", folder / "dest")
        assert not difference((folder / "dest").read_bytes(), data)

    def test_a_flipped_bit_is_noticed_and_fetched_again(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        self.needs(box, "checksums")
        data = some_bytes(50_000)
        box.put("k", data)
        self.play(box, proxy, "fetch", Flip(at=777))
        box.fetch("k", folder / "dest")
        assert not difference((folder / "dest").read_bytes(), data)

    def test_an_object_that_is_swapped_mid_body_is_never_mixed(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        self.needs(box, "pinned_reads")
        old, new = some_bytes(1_000_003, 1), some_bytes(1_000_003, 2)
        pin = self.pinned(box.put("k", old))
        swap = Swap(call=lambda: self.seed(box.place, box.key("k"), new), after=400_000, then_cut=True)
        self.play(box, proxy, "fetch", swap)
        with pytest.raises(InputChangedError):
            box.fetch("k", folder / "dest", pin=pin)
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("burst", BURSTS)
    def test_a_fetch_outlives_what_passes(self, box: Box, proxy: FaultProxy, folder: Path, burst: str) -> None:
        box.put("k", b"data")
        self.play(box, proxy, "fetch", *[BURSTS[burst]] * 2)
        box.fetch("k", folder / "dest")
        assert (folder / "dest").read_bytes() == b"data"

    @pytest.mark.parametrize("burst", BURSTS)
    def test_a_push_outlives_what_passes(self, box: Box, proxy: FaultProxy, folder: Path, burst: str) -> None:
        self.needs(box, "write")
        self.play(box, proxy, "push", *[BURSTS[burst]] * 2)
        box.push("k", b"new")
        assert box.content("k", folder) == b"new"

    def test_a_store_that_stays_down_is_given_up(self, box: Box, proxy: FaultProxy) -> None:
        self.needs(box, "write")
        proxy.clear()
        proxy.add(Rule(fault=Answer(status=503), count=None))
        with pytest.raises(StorageError) as raised:
            box.push("k", b"x")
        assert raised.value.retryable
        assert raised.value.exit_code == StorageError.exit_code
        assert raised.value.url == box.url("k")
        assert "503" in str(raised.value)
        assert len(proxy.seen()) < 100

    def test_expired_credentials_are_said_and_not_tried_again(self, box: Box, proxy: FaultProxy) -> None:
        if self.expired is None:
            pytest.skip("this server has no answer for expired credentials")
        proxy.clear()
        proxy.add(Rule(fault=self.expired, count=None))
        with pytest.raises(CredentialsError, match="expired"):
            box.storage.stat(box.key("k"))
        assert len(proxy.seen()) <= 3  # the reason of a HEAD's refusal may be asked for

    def test_a_refusal_says_where_and_what_the_server_calls_it_and_the_request(
        self, box: Box, proxy: FaultProxy
    ) -> None:
        if self.denied is None:
            pytest.skip("this server has no answer for who may not")
        proxy.clear()
        proxy.add(Rule(fault=self.denied, count=None))
        attempts: list[Callable[[], object]] = [lambda: box.storage.stat(box.key("k"))]
        if box.storage.capabilities.write:
            attempts.append(lambda: box.push("k", b"x"))
        for attempt in attempts:
            with pytest.raises(AccessDeniedError) as raised:
                attempt()
            assert raised.value.url == box.url("k")
            assert raised.value.hint
            assert raised.value.code
            assert f"({raised.value.code}, request {REQUEST_ID})" in str(raised.value)

    def test_a_request_that_the_server_does_not_name_has_no_name(self, box: Box, proxy: FaultProxy) -> None:
        proxy.clear()
        proxy.add(Rule(fault=Answer(status=403), count=None))
        with pytest.raises(AccessDeniedError) as raised:
            box.storage.stat(box.key("k"))
        assert raised.value.request_id == ""
        assert "request" not in str(raised.value)

    def test_a_server_that_hangs_does_not_keep_a_cancelled_fetch(
        self, box: Box, proxy: FaultProxy, folder: Path
    ) -> None:
        box.put("k", b"x")
        self.play(box, proxy, "fetch", *[Delay(s=math.inf)] * 10)
        watch = Watch()
        timer = threading.Timer(0.5, watch.cancel)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(CancelledTransferError):
            box.fetch("k", folder / "dest", watch=watch)
        timer.join()
        assert time.monotonic() - begin < PATIENCE_S
        assert list(folder.iterdir()) == []

    def test_a_creation_whose_reply_is_lost_is_known_as_ours(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        self.needs(box, "write", "create_only")
        self.play(box, proxy, "push", LoseReply())
        info = box.push("k", b"ours", create_only=True)
        assert box.storage.stat(box.key("k")).pin == info.pin
        assert box.content("k", folder) == b"ours"

    def test_a_creation_that_was_refused_by_a_race_is_not_ours(self, box: Box, proxy: FaultProxy, folder: Path) -> None:
        self.needs(box, "write", "create_only")
        others = Swap(call=lambda: self.seed(box.place, box.key("k"), b"theirs"))
        self.play(box, proxy, "push", Answer(status=503), others)
        with pytest.raises(ObjectExistsError):
            box.push("k", b"ours", create_only=True)
        assert box.content("k", folder) == b"theirs"

    def test_a_replacement_whose_reply_is_lost_is_known_as_ours(self, box: Box, proxy: FaultProxy) -> None:
        self.needs(box, "write", "compare_and_set")
        first = self.pinned(box.push("k", b"1"))
        self.play(box, proxy, "push", LoseReply())
        second = box.push("k", b"2", replacing=first)
        assert box.storage.stat(box.key("k")).pin == second.pin
        with pytest.raises(PreconditionFailedError):
            box.push("k", b"3", replacing=first)

    def test_a_push_that_is_cut_on_its_way_leaves_nothing(self, box: Box, proxy: FaultProxy, tmp_path: Path) -> None:
        self.needs(box, "write")
        (tmp_path / "source").write_bytes(some_bytes(200_000))
        self.play(box, proxy, "push", *[Cut(after=1000, of="request")] * 100)
        with pytest.raises(StorageError):
            box.push("k", tmp_path / "source")
        proxy.clear()
        assert box.storage.find(box.key("k")) is None
        assert self._nothing_left(box) == ()

    def _nothing_left(self, box: Box) -> Sequence[str]:
        return tuple(self.leftovers(box.place))
