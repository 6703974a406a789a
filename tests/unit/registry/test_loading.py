"""The loader keeps going whatever a plugin does, and says what it did."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from anystore_doe.contract import ArchiveEntry, StorageEntry, hookimpl
from anystore_doe.model import RunEvent
from anystore_doe.registry import Registry


def plugin(monkeypatch, name: str, **functions) -> EntryPoint:
    """Put a module of hook implementations where an entry point finds it."""
    module = ModuleType(f"plugin_of_test_{name}")
    for hook, function in functions.items():
        setattr(module, hook, hookimpl(function))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return EntryPoint(name, module.__name__, "anystore_doe")


def offering(*schemes: str) -> list[StorageEntry]:
    return [StorageEntry(schemes=schemes, open=lambda *_: None, summary="for tests")]


def test_a_plugin_that_does_not_import_is_noted_and_the_others_work(monkeypatch):
    good = plugin(monkeypatch, "good", anystore_doe_storages=lambda: offering("good"))
    registry = Registry.discover({}, [EntryPoint("gone", "no_such_module_here", "anystore_doe"), good])
    assert isinstance(registry.broken["gone"], ModuleNotFoundError)
    assert [offer.entry.schemes for offer in registry.storage_offers()] == [("good",)]


def test_a_plugin_that_ends_the_program_while_it_is_imported_does_not(monkeypatch, tmp_path):
    (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.discover({}, [EntryPoint("exits", "plugin_that_exits", "anystore_doe")])
    assert isinstance(registry.broken["exits"], SystemExit)


def test_a_misspelt_hook_breaks_its_own_plugin_only(monkeypatch):
    bad = plugin(monkeypatch, "a_bad", anystore_doe_storage=lambda: None, anystore_doe_archives=lambda: None)
    good = plugin(monkeypatch, "b_good", anystore_doe_storages=lambda: offering("good"))
    registry = Registry.discover({}, [bad, good])
    assert list(registry.broken) == ["a_bad"]
    assert "anystore_doe_storage" in str(registry.broken["a_bad"])
    assert len(registry.storage_offers()) == 1


def test_a_hook_with_an_argument_that_does_not_exist_breaks_its_plugin(monkeypatch):
    bad = plugin(monkeypatch, "a_bad", anystore_doe_storages=lambda colour: offering("bad"))
    good = plugin(monkeypatch, "b_good", anystore_doe_storages=lambda: offering("good"))
    registry = Registry.discover({}, [bad, good])
    assert list(registry.broken) == ["a_bad"]
    assert [offer.entry.schemes for offer in registry.storage_offers()] == [("good",)]


def test_a_generator_hook_that_raises_half_way_marks_its_plugin_broken(monkeypatch):
    def half():
        yield from offering("half")
        raise RuntimeError("no more")

    registry = Registry.discover({}, [plugin(monkeypatch, "half", anystore_doe_storages=half)])
    assert registry.storage_offers() == []
    assert str(registry.broken["half"]) == "no more"


def test_an_offer_of_another_kind_marks_its_plugin_broken(monkeypatch):
    entry = ArchiveEntry(suffixes=(".x",), magic=(), open=lambda: None, summary="")
    registry = Registry.discover({}, [plugin(monkeypatch, "mixed", anystore_doe_storages=lambda: [entry])])
    assert registry.storage_offers() == []
    assert "ArchiveEntry" in str(registry.broken["mixed"])


@pytest.mark.parametrize("name", ["good", " GOOD ,other", "x,good"])
def test_the_block_list_keeps_a_plugin_from_being_imported(monkeypatch, name):
    entry = plugin(monkeypatch, "good", anystore_doe_storages=lambda: offering("good"))
    monkeypatch.delitem(sys.modules, entry.value)
    registry = Registry.discover({"ANYSTORE_DOE_BLOCK_PLUGINS": name}, [entry])
    assert registry.broken == {}
    assert [blocked.name for blocked in registry.blocked] == ["good"]
    assert registry.storage_offers() == []


def test_the_block_list_knows_distributions():
    registry = Registry.discover({"ANYSTORE_DOE_BLOCK_PLUGINS": "anystore_doe"})
    assert "anystore-doe" in {blocked.distribution for blocked in registry.blocked}
    assert "anystore-doe" not in {found.distribution for found in registry.plugins.values()}


def test_an_observer_that_raises_is_noted_once_and_the_next_is_told(monkeypatch, caplog):
    seen = []

    def bad(event):
        raise ValueError("observer")

    entries = [
        plugin(monkeypatch, "bad", anystore_doe_run_event=bad),
        plugin(monkeypatch, "good", anystore_doe_run_event=lambda event: seen.append(event)),
        plugin(monkeypatch, "deaf", anystore_doe_run_event=lambda: seen.append(None)),
    ]
    registry = Registry.discover({}, entries)
    event = RunEvent(sweep="s", run_id="1", attempt=1, step="solve", state="started", at=0.0)
    registry.notify(event)
    registry.notify(event)
    assert seen.count(event) == 2
    assert seen.count(None) == 2
    assert str(registry.broken["bad"]) == "observer"
    assert len(caplog.records) == 1


def test_our_own_plugins_load_and_nothing_is_broken():
    registry = Registry.discover({})
    registry.storage_offers(), registry.executor_offers(), registry.archive_offers()
    assert registry.broken == {}
    assert "file" in registry.plugins
