"""The kit's own door: its names, found late, and asserts that show what they compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import anystore_doe.testing


def test_every_name_is_found_and_none_is_forgotten():
    assert {name for names in anystore_doe.testing._MODULES.values() for name in names} == set(
        anystore_doe.testing.__all__
    )
    for name in anystore_doe.testing.__all__:
        assert getattr(anystore_doe.testing, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NoSuch'"):
        _ = anystore_doe.testing.NoSuch


@pytest.mark.parametrize("module", ["worker_process.executor", "barriers", "servers", "proxy", "memory"])
def test_what_workers_and_the_demo_use_imports_neither_pytest_nor_an_sdk(module):
    code = (
        f"import anystore_doe.testing.{module}, sys\n"
        "print(sorted({'pytest', 'moto', 'botocore', 'fsspec', 'flask'} & {*sys.modules}))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "[]\n"


def test_every_module_with_tests_is_rewritten_so_that_its_asserts_show_what_they_compared():
    folder = Path(anystore_doe.testing.__file__).parent
    suites = {file.stem for file in folder.glob("*.py") if re.search(r"^    def test_", file.read_text(), re.MULTILINE)}
    assert suites <= set(anystore_doe.testing._WITH_ASSERTS)


AUTHOR = """
import pytest
from dataclasses import replace
from anystore_doe.contract import Place
from anystore_doe.testing import MemoryStorage, StorageContract

class Wrong(MemoryStorage):
    def stat(self, key):
        return replace(super().stat(key), size=4711)

class TestWrong(StorageContract):
    big_bytes = 300_000
    many = 5
    deviations = {"test_a_folder_is_no_object": "it is said to fail, and passes"}

    @pytest.fixture
    def place(self):
        return Place(storage=Wrong(), key="kit")
"""


def test_a_plugin_author_sees_what_was_compared_and_a_deviation_that_is_none(tmp_path):
    (tmp_path / "test_author.py").write_text(AUTHOR)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "-W", "error"]
    chosen = "test_stat_tells or test_a_folder_is_no_object"
    child = subprocess.run([*command, "-k", chosen, str(tmp_path)], capture_output=True, text=True, check=False)
    assert child.returncode == 1
    assert "4711" in child.stdout
    assert "[XPASS(strict)] it is said to fail, and passes" in child.stdout
    assert "2 failed" in child.stdout


STEP_BY_STEP = """
import pytest
from anystore_doe.contract import Capabilities, Place, Storage
from anystore_doe.errors import ObjectNotFoundError
from anystore_doe.testing import StorageContract

class Begun(Storage):
    url = "begun://kit"
    capabilities = Capabilities()

    def stat(self, key):
        raise ObjectNotFoundError("stat", self.url_of(key))

    def fetch(self, key, dest, *, pin=None, watch):
        raise PermissionError(key)

class TestBegun(StorageContract):
    @pytest.fixture
    def place(self):
        return Place(storage=Begun(), key="kit")
"""


def test_an_author_who_begins_with_stat_and_fetch_is_told_which_hooks_the_kit_needs_then(tmp_path):
    (tmp_path / "test_author.py").write_text(STEP_BY_STEP)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "-W", "error"]
    chosen = "test_stat_tells or keeps_the_old_file or test_what_is_off"
    child = subprocess.run([*command, "-rs", "-k", chosen, str(tmp_path)], capture_output=True, text=True, check=False)
    asked = "write is off: override `seed(self, place, key, data)` and `remove(self, place, key)` in your test class"
    assert child.stdout.count(asked) == 2, child.stdout
    rule = "PermissionError where ObjectNotFoundError was expected: what is not there is an ObjectNotFoundError"
    assert rule in child.stdout
    assert "3 failed, 6 passed" in child.stdout
    assert "contextlib.py" not in child.stdout, "a frame of the kit's own helpers is shown"
