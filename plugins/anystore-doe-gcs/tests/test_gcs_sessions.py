"""The upload session of a large object: asked about after a fault, cancelled after a failure and after a kill."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from anystore_doe.errors import AccessDeniedError, ObjectExistsError, StorageError
from anystore_doe.testing import Answer, Cut, Delay, LoseReply, Rule

if TYPE_CHECKING:
    from pathlib import Path

PART = 16 * 2**20
ASKED = {"method": "PUT", "headers": {"content-range": "bytes [*]/*"}}
FORBIDDEN = Answer(status=403, body=b'{"error": {"code": 403, "message": "no"}}')


def sent(number: int) -> dict:
    """Match the request that sends part ``number`` of a large object."""
    return {"method": "PUT", "headers": {"content-range": f"bytes {(number - 1) * PART}-*"}}


def reached(size: int) -> Answer:
    """What the store says of a session that has ``size`` bytes; fake-gcs-server ends the session when it is asked."""
    return Answer(status=308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})


def notes(context) -> list[Path]:
    return list((context.state_folder / "open-uploads").glob("*.json"))


@pytest.mark.parametrize(
    ("fault", "has"),
    [
        (LoseReply(), 2 * PART),
        (Answer(status=503), PART),
        (Cut(after=3 * 2**20, of="request"), PART),
    ],
    ids=["lost", "503", "cut"],
)
def test_a_part_whose_fate_is_unknown_is_asked_about(through_proxy, proxy, watch, large_file, large, fault, has):
    proxy.add(Rule(**sent(2), fault=fault), Rule(**ASKED, fault=reached(has)))
    through_proxy.push(large_file, "k", watch=watch)
    assert through_proxy.read("k") == large
    ranges = [seen.headers["content-range"].partition("/")[0] for seen in proxy.seen("PUT")]
    first, second, last = (
        f"bytes {a}-{b}" for a, b in ((0, PART - 1), (PART, 2 * PART - 1), (2 * PART, 40 * 2**20 + 4))
    )
    assert ranges == [first, second, "bytes *", *([second] if has == PART else []), last]


def test_a_part_that_is_taken_in_half_goes_on_there(through_proxy, proxy, watch, large_file):
    """Played, as fake-gcs-server takes parts whole: what is sent is what counts."""
    half = PART + PART // 2
    proxy.add(Rule(**sent(2), fault=reached(half)), Rule(**ASKED, fault=reached(0)))
    with pytest.raises(StorageError):  # the real server has less than the proxy says
        through_proxy.push(large_file, "k", watch=watch)
    ranges = [seen.headers["content-range"] for seen in proxy.seen("PUT")]
    assert ranges[2] == f"bytes {half}-{2 * PART - 1}/{40 * 2**20 + 5}"
    assert proxy.seen("PUT")[2].received_bytes == PART // 2


def test_a_store_that_forgot_what_it_had_is_not_sent_the_rest(through_proxy, proxy, watch, large_file, context):
    proxy.add(Rule(**sent(2), fault=Answer(status=503)), Rule(**ASKED, fault=reached(0)))
    with pytest.raises(StorageError, match="the store has 0 bytes of the upload"):
        through_proxy.push(large_file, "k", watch=watch)
    assert through_proxy.find("k") is None
    assert notes(context) == []


def test_a_push_that_fails_cancels_its_session(through_proxy, proxy, watch, large_file, context):
    proxy.add(Rule(**sent(2), fault=FORBIDDEN))
    with pytest.raises(AccessDeniedError):
        through_proxy.push(large_file, "k", watch=watch)
    (cancelled,) = proxy.seen("DELETE")
    assert "upload_id=" in cancelled.query
    assert cancelled.status == 499
    assert notes(context) == []


def test_a_cancellation_that_does_not_reach_the_store_keeps_its_note(through_proxy, proxy, watch, large_file, context):
    proxy.add(Rule(**sent(2), fault=FORBIDDEN), Rule(method="DELETE", fault=Answer(status=503), count=None))
    with pytest.raises(AccessDeniedError):
        through_proxy.push(large_file, "k", watch=watch)
    (note,) = notes(context)
    assert note.stat().st_mode & 0o077 == 0  # who knows the session's URL may write the object


KILLED = """
import logging, sys
from pathlib import Path
from anystore_doe.contract import StorageContext, Watch
from anystore_doe_gcs import GcsOptions, open_gcs
url, endpoint, source, state = sys.argv[1:]
context = StorageContext(logger=logging.getLogger("x"), state_folder=Path(state))
def advanced(n):
    print(n, flush=True)
storage = open_gcs(url, GcsOptions(endpoint_url=endpoint), context)
storage.push(Path(source), "killed", watch=Watch(advanced))
"""


def test_the_session_of_a_killed_process_is_cancelled_by_the_next_one(
    proxy, server, bucket, context, large_file, open_at, watch
):
    proxy.add(Rule(**sent(2), fault=Delay(s=math.inf), count=None))
    arguments = [f"gs://{bucket}", proxy.url, str(large_file), str(context.state_folder)]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline()  # a part has arrived
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (note,) = notes(context)
    session = json.loads(note.read_bytes())["upload_id"].partition("?")[2]
    proxy.clear()
    open_at(server.endpoint_url).push(large_file, "other", watch=watch)
    assert notes(context) == [note]  # another endpoint's: not ours to judge
    open_at(proxy.url).push(large_file, "next", watch=watch)
    assert [seen.query for seen in proxy.seen("DELETE")] == [session]
    assert notes(context) == []


def test_a_condition_stands_on_the_request_that_begins_the_session(through_proxy, proxy, watch, large_file):
    """The look before a large push saves the bytes; what decides is the condition (fake-gcs-server ignores it here)."""
    through_proxy.push(large_file, "k", create_only=True, watch=watch)
    assert "ifGenerationMatch=0" in proxy.seen("POST")[-1].query
    pin = through_proxy.stat("k").pin
    through_proxy.push(large_file, "k", replacing=pin, watch=watch)
    assert f"ifGenerationMatch={pin}" in proxy.seen("POST")[-1].query
    proxy.add(Rule(method="POST", fault=Answer(status=412)), Rule(**sent(3), fault=Answer(status=412)))
    for _ in range(2):
        with pytest.raises(ObjectExistsError):
            through_proxy.push(large_file, "other", create_only=True, watch=watch)
