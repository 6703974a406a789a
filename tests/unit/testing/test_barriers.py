"""The store with barriers is a store like any other, notes its transfers, and holds them until a file is there."""

import json
import logging
import os
import subprocess
import sys
import threading
import time

import pytest

from anystore_doe.contract import Place, StorageContext, Watch
from anystore_doe.errors import (
    CancelledTransferError,
    DefinitionError,
    ObjectNotFoundError,
    StorageError,
    UnknownSchemeError,
)
from anystore_doe.testing.barriers import (
    BarrierOptions,
    anystore_doe_storages,
    note,
    open_barrier,
    read_events,
    read_holds,
    split,
    write_plugin,
)
from anystore_doe.testing.executor_bench import until
from anystore_doe.testing.storage_contract import StorageContract

CONTEXT = StorageContext(logger=logging.getLogger(__name__))


def opened(tmp_path, **options):
    root, key = split(f"barrier://{tmp_path}/store")
    return Place(storage=open_barrier(root, BarrierOptions(**options), CONTEXT), key=key)


class TestBarrierStorage(StorageContract):
    big_bytes = 20 * 2**20 + 1
    many = 30

    @pytest.fixture
    def place(self, tmp_path):
        return opened(tmp_path, events=str(tmp_path / "events"))


def test_begin_and_end_of_transfers_are_noted_in_order(tmp_path):
    events = tmp_path / "events"
    place = opened(tmp_path, events=str(events))
    key = place.at("a")
    place.storage.push(b"x", key, watch=Watch())
    place.storage.fetch(key, tmp_path / "dest", watch=Watch())
    with pytest.raises(ObjectNotFoundError):
        place.storage.fetch(place.at("b"), tmp_path / "dest", watch=Watch())
    noted = [(event.verb, event.key[-1], event.edge) for event in read_events(events)]
    begun_and_ended = [("push", "a", "begin"), ("push", "a", "end"), ("fetch", "a", "begin"), ("fetch", "a", "end")]
    assert noted == [*begun_and_ended, ("fetch", "b", "begin"), ("fetch", "b", "failed")]
    times = [event.at_s for event in read_events(events)]
    assert times == sorted(times)
    assert [event.key for event in read_events(events, verb="push", edge="end")] == [key]


def test_a_held_transfer_waits_for_its_file_and_others_do_not(tmp_path):
    go, events = tmp_path / "go", tmp_path / "events"
    place = opened(tmp_path, events=str(events), hold=f"push */held* = {go}")
    thread = threading.Thread(target=place.storage.push, args=(b"x", place.at("held")), kwargs={"watch": Watch()})
    thread.start()
    place.storage.push(b"x", place.at("other"), watch=Watch())
    for _ in until(10):
        if read_events(events, key="*/held"):
            break
    assert place.storage.find(place.at("held")) is None
    go.touch()
    thread.join(20)
    assert place.storage.stat(place.at("held")).size == 1


def test_a_held_transfer_fails_at_its_deadline_and_names_the_file(tmp_path):
    place = opened(tmp_path, hold=f"fetch * = {tmp_path}/never", deadline_s=0.1)
    place.storage.push(b"x", place.at("a"), watch=Watch())
    with pytest.raises(StorageError, match=r"barrier:///.*/a: held for 0.1 s, and no .*/never"):
        place.storage.fetch(place.at("a"), tmp_path / "dest", watch=Watch())


def test_a_held_transfer_can_be_cancelled(tmp_path):
    place = opened(tmp_path, hold=f"push * = {tmp_path}/never")
    watch = Watch()
    timer = threading.Timer(0.1, watch.cancel)
    timer.start()
    with pytest.raises(CancelledTransferError):
        place.storage.push(b"x", place.at("a"), watch=watch)
    timer.join()


@pytest.mark.parametrize("text", ["push", "push *", "delete * = /x", "push * =", "=", "push=/x"])
def test_a_hold_that_is_none_is_refused(text):
    with pytest.raises(DefinitionError, match="PATTERN = FILE"):
        read_holds(text)


def test_holds_may_have_spaces_and_equal_signs_in_their_patterns():
    (first, second) = read_holds("push */a b=c* = /x/y; fetch *=/z;")
    assert (first.verb, first.pattern, str(first.file)) == ("push", "*/a b=c*", "/x/y")
    assert (second.verb, second.pattern, str(second.file)) == ("fetch", "*", "/z")


def test_urls_split_as_those_of_the_store_behind():
    assert split("barrier:///a/b?c#d") == ("barrier://", "a/b?c#d")


def test_a_barrier_before_a_store_that_is_not_there_says_so():
    from anystore_doe.testing.barriers import _inner_entry

    with pytest.raises(UnknownSchemeError):
        _inner_entry("no-such-scheme")


def test_s3_can_stand_behind_it():
    pytest.importorskip("anystore_doe_s3.storage")
    root, key = split("barrier+s3://bucket/a b/c")
    assert (root, key) == ("barrier+s3://bucket", "a b/c")
    storage = open_barrier(root, BarrierOptions(), CONTEXT)
    assert storage.url_of(key) == "barrier+s3://bucket/a b/c"
    storage.close()


def test_events_of_several_processes_never_mix(tmp_path):
    events = tmp_path / "events"
    code = (
        "import sys; from pathlib import Path; from anystore_doe.testing.barriers import note\n"
        "for n in range(200): note(Path(sys.argv[1]), 'push', 'k' * 300, 'begin')"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(events)]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(read_events(events)) == 600
    assert len({event.pid for event in read_events(events)}) == 3


def test_the_monotonic_clock_is_the_same_in_another_process(tmp_path):
    events = tmp_path / "events"
    before = time.monotonic()
    code = (
        "import sys; from pathlib import Path; from anystore_doe.testing.barriers import note\n"
        "note(Path(sys.argv[1]), 'solve', 'x', 'begin')"
    )
    subprocess.run([sys.executable, "-c", code, str(events)], check=True)
    (event,) = read_events(events)
    assert before < event.at_s < time.monotonic()
    note(events, "solve", "x", "end")
    assert [e.pid == os.getpid() for e in read_events(events)] == [False, True]


def test_a_written_plugin_is_found_by_other_processes(tmp_path):
    folder = write_plugin(tmp_path / "plugins", "anystore-doe-barrier", "anystore_doe.testing.barriers")
    write_plugin(folder, "anystore-doe-other", "other_plugin", source="VALUE = 1\n")
    code = (
        "import json; from importlib.metadata import entry_points as e\n"
        "print(json.dumps({p.name: p.load().__name__ for p in e(group='anystore_doe') if p.dist.version == '1.0'}))"
    )
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    child = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert json.loads(child.stdout) == {
        "anystore-doe-barrier": "anystore_doe.testing.barriers",
        "anystore-doe-other": "other_plugin",
    }


def test_the_hook_offers_its_schemes():
    assert [entry.schemes for entry in anystore_doe_storages()] == [("barrier", "barrier+file", "barrier+s3")]
