"""The printed role and condition, judged by their grammar: all that a sweep asks is allowed, nothing beside it."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from azure_rights import BLOBS, Asked, allowed, asked, listing, on_blob
from clouds import AzureBucket
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

if TYPE_CHECKING:
    from anystore_doe.testing.servers import AzuriteServer

STARS = (".*", ".+")
"""Whether ``*`` may stand for nothing is not documented: what is printed must not depend on it."""


@dataclass(frozen=True)
class Recorded:
    """What a sweep asked for, without and with replacing, and the policies that were printed for it."""

    trace: list[Asked]
    replacing: list[Asked]
    policy: dict[str, Any]
    with_delete: dict[str, Any]


@pytest.fixture(scope="module")
def recorded(azurite: AzuriteServer, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a sweep of two rows; one fails and is tried again, then both are replaced."""
    quiet = desk_for(AzureBucket(azurite, BUCKET, PREFIX), tmp_path_factory.mktemp("desk"))
    with Recorder(azurite.endpoint_url) as recorder:
        relayed = azurite.connection_string.replace(azurite.endpoint_url, recorder.url)
        desk = Desk(quiet.folder, {"AZURE_STORAGE_CONNECTION_STRING": relayed})
        run(desk)
        go_on(desk)
        replaced = len(recorder.exchanges)
        replace(desk)
    return Recorded(
        trace=asked(recorder.exchanges[:replaced], azurite.account_name),
        replacing=asked(recorder.exchanges[replaced:], azurite.account_name),
        policy=json.loads(printed(quiet)),
        with_delete=json.loads(printed(quiet, "--with-delete")),
    )


def actions(trace: list[Asked]) -> set[str]:
    return {one.action.removeprefix(f"{BLOBS}/") for one in trace}


def test_the_trace_has_everything_that_a_sweep_does(recorded: Recorded) -> None:
    assert actions(recorded.trace) == {"read", "write"}
    assert actions(recorded.replacing) == {"read", "write", "delete"}
    prefixes = {one.prefix for one in recorded.trace if one.listing}
    assert {f"{PREFIX}/mesh/", f"{OUTPUT}/"} <= prefixes
    assert len(recorded.trace) > 50


@pytest.mark.parametrize("star", STARS)
def test_every_request_of_the_sweep_is_allowed(recorded: Recorded, star: str) -> None:
    assert [one.words for one in recorded.trace if not allowed(recorded.policy, one, star=star)] == []
    assert [one.words for one in recorded.replacing if not allowed(recorded.with_delete, one, star=star)] == []


def test_deletions_are_denied_unless_they_were_asked_for(recorded: Recorded) -> None:
    denied = [one for one in recorded.replacing if not allowed(recorded.policy, one)]
    assert len(denied) >= 4
    assert actions(denied) == {"delete"}


def test_with_one_action_fewer_part_of_the_sweep_is_denied(recorded: Recorded) -> None:
    for policy, trace in ((recorded.policy, recorded.trace), (recorded.with_delete, recorded.replacing)):
        for action in policy["roleDefinitions"][0]["DataActions"]:
            fewer = copy.deepcopy(policy)
            fewer["roleDefinitions"][0]["DataActions"].remove(action)
            assert not all(allowed(fewer, one) for one in trace), action


def test_with_one_place_fewer_part_of_the_sweep_is_denied(recorded: Recorded) -> None:
    condition = recorded.policy["roleAssignments"][0]["condition"]
    places = list(re.finditer(rf"'{PREFIX}/[^']*'", condition))
    assert len(places) == 2 + 2 + 2 + 6 + 2  # inputs, mesh and file, outputs; listed twice each; written
    unused = []
    for place in places:
        fewer = copy.deepcopy(recorded.policy)
        fewer["roleAssignments"][0]["condition"] = f"{condition[: place.start()]}'-'{condition[place.end() :]}"
        if all(allowed(fewer, one, star=".+") for one in recorded.trace):
            unused.append(place[0])
    assert unused == [f"'{PREFIX}/mesh/*'", f"'{OUTPUT}/*'"]  # listed from their tops, but for attempts that failed


OUTSIDE = [
    *(on_blob("read", BUCKET, key) for key in UNREADABLE),
    *(on_blob("write", BUCKET, key) for key in UNWRITABLE),
    *(listing(BUCKET, prefix) for prefix in (*UNLISTABLE, None, INPUT)),
    *(on_blob("delete", BUCKET, key) for key in (f"{OUTPUT}/thermo.out", f"{OUTPUT}/_anystore/claim.json", INPUT)),
    *(on_blob(action, BUCKET, f"{OUTPUT}/thermo.out") for action in (
        "add/action", "move/action", "tags/write", "permanentDelete/action", "modifyPermissions/action",
    )),
    on_blob("read", f"{BUCKET}-2", INPUT),
    on_blob("write", "another-container", f"{OUTPUT}/thermo.out"),
]  # fmt: skip


def test_the_requests_outside_are_forty_and_differ() -> None:
    assert len({one.words for one in OUTSIDE}) == 40


@pytest.mark.parametrize("star", STARS)
def test_every_request_outside_the_sweep_is_denied(recorded: Recorded, star: str) -> None:
    assert [one.words for one in OUTSIDE if allowed(recorded.policy, one, star=star)] == []
