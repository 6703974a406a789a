"""The printed bindings, judged by their conditions: all that a sweep asks is allowed, what lies beside it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from clouds import GcsBucket
from gcs_rights import ROLES, Asked, allowed, asked, listing, on_bucket, on_key
from recording import Recorder
from rights_sweep import (
    INPUT,
    OUTPUT,
    PREFIX,
    UNLISTABLE,
    UNREADABLE,
    UNWRITABLE,
    desk_for,
    go_on,
    printed,
    replace,
    run,
)
from sweeping import BUCKET, Desk

from anystore_doe.testing import Answer, FaultProxy, Rule

if TYPE_CHECKING:
    from anystore_doe.testing.servers import FakeGcsServer

DENIED = Answer(status=403, body=b'{"error": {"code": 403, "message": "denied (or it may not exist)"}}')


@dataclass(frozen=True)
class Recorded:
    """What a sweep asked for, without and with replacing, and the policies that were printed for it."""

    trace: list[Asked]
    replacing: list[Asked]
    policy: dict[str, Any]
    with_delete: dict[str, Any]


@pytest.fixture(scope="module")
def recorded(fake_gcs: FakeGcsServer, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a sweep of two rows; one fails and is tried again, then both are replaced."""
    quiet = desk_for(GcsBucket(fake_gcs, BUCKET, PREFIX), tmp_path_factory.mktemp("desk"))
    with Recorder(fake_gcs.endpoint_url) as recorder:
        _run_as_a_narrow_user_sees_it(quiet, recorder.url)
        desk = Desk(quiet.folder, {"STORAGE_EMULATOR_HOST": recorder.url})
        go_on(desk)
        replaced = len(recorder.exchanges)
        replace(desk)
    everything, trace = asked(recorder.exchanges), asked(recorder.exchanges[:replaced])
    return Recorded(
        trace=trace,
        replacing=everything[len(trace) :],
        policy=json.loads(printed(quiet)),
        with_delete=json.loads(printed(quiet, "--with-delete")),
    )


def _run_as_a_narrow_user_sees_it(desk: Desk, upstream: str) -> None:
    """Run with one failure; who may list some prefixes only is denied what is not there, and asks for a listing."""
    with FaultProxy(upstream) as proxy:
        proxy.add(
            Rule(method="GET", path="*commit.json", fault=DENIED), Rule(method="GET", path="*big.h5", fault=DENIED)
        )
        run(Desk(desk.folder, {"STORAGE_EMULATOR_HOST": proxy.url}))


def permissions(trace: list[Asked]) -> set[str]:
    return {one.permission for one in trace}


def test_the_trace_has_everything_that_a_sweep_does(recorded: Recorded) -> None:
    assert permissions(recorded.trace) == {"objects.get", "objects.list", "objects.create", "objects.delete"}
    prefixes = {one.prefix for one in recorded.trace if one.permission == "objects.list"}
    assert {f"{PREFIX}/mesh/", f"{OUTPUT}/"} <= prefixes
    assert any(prefix and prefix.endswith("/_anystore/commit.json") for prefix in prefixes)
    assert len(recorded.trace) > 50


def test_every_request_of_the_sweep_is_allowed(recorded: Recorded) -> None:
    assert [one.words for one in recorded.trace if not allowed(recorded.policy, one)] == []
    assert [one.words for one in recorded.replacing if not allowed(recorded.with_delete, one)] == []


def test_of_what_a_run_wrote_it_replaces_its_records_only_unless_more_was_asked_for(recorded: Recorded) -> None:
    replaced = {
        one.resource.rpartition("/_anystore/")[2] for one in recorded.trace if one.permission == "objects.delete"
    }
    assert replaced == {"claim.json", "attempts/1.json", "attempts/2.json"}
    deletions = [one for one in recorded.replacing if not allowed(recorded.policy, one)]
    assert len(deletions) >= 4
    assert permissions(deletions) == {"objects.delete"}


def test_with_one_permission_or_binding_fewer_part_of_the_sweep_is_denied(recorded: Recorded) -> None:
    for permission in permissions(recorded.trace):
        fewer = {role: has - {permission} for role, has in ROLES.items()}
        assert not all(allowed(recorded.policy, one, fewer) for one in recorded.trace)
    for policy, trace in ((recorded.policy, recorded.trace), (recorded.with_delete, recorded.replacing)):
        for left_out in policy["bindings"]:
            rest = {"bindings": [one for one in policy["bindings"] if one != left_out]}
            assert not all(allowed(rest, one) for one in trace), left_out


OUTSIDE = [
    *(on_key("objects.get", BUCKET, key) for key in UNREADABLE),
    *(on_key("objects.create", BUCKET, key) for key in UNWRITABLE),
    *(listing(BUCKET, prefix) for prefix in UNLISTABLE),
    listing(BUCKET, None),
    *(on_key("objects.delete", BUCKET, f"{OUTPUT}/{path}") for path in (
        "thermo.out", "_anystore/commit.json", "claim.json", "_anystore/attempts", "x_anystore/claim.json",
    )),
    on_key("objects.delete", BUCKET, f"{PREFIX}/mesh/_anystore/claim.json"),
    *(on_key(f"objects.{action}", BUCKET, f"{OUTPUT}/thermo.out") for action in (
        "update",
    )),
    on_key("objects.get", f"{BUCKET}-2", INPUT),
    on_key("objects.create", "another-bucket", f"{OUTPUT}/thermo.out"),
    *(on_bucket(permission, BUCKET) for permission in ("buckets.get", "multipartUploads.list")),
]  # fmt: skip


def test_the_requests_outside_are_forty_and_differ() -> None:
    assert len({one.words for one in OUTSIDE}) == 40


def test_every_request_outside_the_sweep_is_denied(recorded: Recorded) -> None:
    assert [one.words for one in OUTSIDE if allowed(recorded.policy, one)] == []
