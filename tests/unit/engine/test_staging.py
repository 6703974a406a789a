"""Stage in: inputs that bring the same path, names that no file can have, templates in the way of folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anystore_doe.contract import Place, Watch
from anystore_doe.engine.pinning import Pinner
from anystore_doe.engine.staging import fetch_inputs, render_files
from anystore_doe.errors import ObjectNotFoundError, RunError
from anystore_doe.model import Recipe, Template
from anystore_doe.testing.memory import MemoryStorage

if TYPE_CHECKING:
    from pathlib import Path

NO_ARCHIVES = type("NoArchives", (), {"for_name": lambda self, name: None, "by_content": lambda self, head: None})()


class Counting(MemoryStorage):
    """Counts what is read."""

    reads = 0

    def read(self, key: str, start: int = 0, end: int | None = None, *, pin: str | None = None) -> bytes:
        self.reads += 1
        return super().read(key, start, end, pin=pin)


@pytest.fixture
def store() -> Counting:
    return Counting()


def pinner(store: MemoryStorage) -> Pinner:
    def opened(url: str) -> Place:
        return Place(storage=store, key=url.removeprefix("reference://memory/").rstrip("/"))

    return Pinner(Recipe(command=("true",)), open_storage=opened, archives=NO_ARCHIVES)


def put(store: MemoryStorage, key: str) -> str:
    store.push(b"x", key, watch=Watch())
    return f"reference://memory/{key}"


@pytest.mark.parametrize(
    ("keys", "urls"),
    [
        (("1/a", "2/t/a/b"), ("1/a", "2/t/")),
        (("1/a", "2/t/a/b"), ("2/t/", "1/a")),
        (("1/a", "2/t/a/b/c"), ("1/a", "2/t/")),
        (("1/a", "2/a"), ("1/a", "2/a")),
        (("1/t/x/a", "2/t/x/a"), ("1/t/", "2/t/")),
    ],
)
def test_inputs_that_bring_the_same_path_are_named(
    store: Counting, tmp_path: Path, keys: tuple[str, ...], urls: tuple[str, ...]
) -> None:
    for key in keys:
        put(store, key)
    pins = pinner(store)
    inputs = tuple(pins.pin(f"reference://memory/{url}") for url in urls)
    with pytest.raises(RunError, match="two inputs bring the same path") as caught:
        fetch_inputs(
            inputs,
            tmp_path,
            tmp_path / "parcels",
            open_storage=lambda url: Place(storage=store, key=url.removeprefix("reference://memory/")),
            watch=Watch(),
        )
    assert all(f"memory/{key}" in str(caught.value) for key in keys)


def test_inputs_may_share_folders(store: Counting, tmp_path: Path) -> None:
    for key in ("1/t/x/a", "2/t/x/b"):
        put(store, key)
    pins = pinner(store)
    staged, _ = fetch_inputs(
        [pins.pin("reference://memory/1/t/"), pins.pin("reference://memory/2/t/")],
        tmp_path,
        tmp_path / "parcels",
        open_storage=lambda url: Place(storage=store, key=url.removeprefix("reference://memory/")),
        watch=Watch(),
    )
    assert sorted(staged.brought) == ["x/a", "x/b"]


@pytest.mark.parametrize("name", ["..", "x" * 256, "bell\a"])
def test_an_input_whose_name_no_file_can_have_is_refused(store: Counting, name: str) -> None:
    put(store, "in/ok")
    store._objects[f"in/{name}"] = store._objects["in/ok"]  # the memory store would refuse to write it
    with pytest.raises(RunError, match="has a name that no file can have"):
        pinner(store).pin(f"reference://memory/in/{name}")


def test_content_is_digested_once_for_all_rows(store: Counting) -> None:
    pins = pinner(store)
    (found,) = pins.pin(put(store, "case.in")).objects
    assert pins.digest(found) == pins.digest(found)
    assert store.reads == 1


def test_an_input_that_is_not_there_costs_no_memory_per_row(store: Counting) -> None:
    pins = pinner(store)
    lengths = set()
    for _ in range(5):
        with pytest.raises(ObjectNotFoundError) as caught:
            pins.pin("reference://memory/nowhere")
        at, length = caught.value.__traceback__, 0
        while at is not None:
            at, length = at.tb_next, length + 1
        lengths.add(length)
    assert len(lengths) == 1


def test_a_template_named_as_a_folder_of_the_input_is_the_runs_failure(tmp_path: Path) -> None:
    (tmp_path / "run.sh").mkdir()
    template = Template(name="run.sh", text="true\n", source="run.sh", shell=True)
    with pytest.raises(RunError, match=r"the template run\.sh: the inputs brought a folder"):
        render_files(Recipe(command=("true",), templates=(template,)), {}, tmp_path, tmp_path)
