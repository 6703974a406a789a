"""What the built pages say, beside what the code has."""

import dataclasses
import inspect
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import click
import pytest
from docs_pages import DOCS, ROOT

from anystore_doe import errors
from anystore_doe.cli.main import COMMANDS, main
from anystore_doe.contract import hooks
from anystore_doe.definition import Settings, SlotSettings
from anystore_doe.model import STEPS, AttemptRecord, Claim, Commit, RunEvent
from anystore_doe.registry import Registry

pytestmark = pytest.mark.timeout(300)

HOOKS = {name: f for name, f in vars(hooks).items() if hasattr(f, f"{hooks.NAME}_spec")}
ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.AnystoreDoeError) and kind.__module__ == errors.__name__
]


def commands() -> list[tuple[str, click.Command]]:
    found = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        found.append((name, command))
        found += [(f"{name} {below}", one) for below, one in getattr(command, "commands", {}).items()]
    return found


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the pages as a release does: any warning, and any link to nowhere, is an error."""
    out = tmp_path_factory.mktemp("docs")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def page(built):
    def text(name: str) -> str:
        html = (built / f"{name}.html").read_text(encoding="utf-8").partition("<article")[2]
        return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())

    return text


def test_pages_load_nothing_from_the_network(built):
    asked = re.compile(r"""<(?:script|img|iframe)[^>]+src=["']https?:|<link[^>]+rel="stylesheet"[^>]+href="https?:""")
    for file in built.rglob("*.html"):
        assert not asked.search(file.read_text(encoding="utf-8")), file.name


def test_no_page_names_a_path_of_the_machine_it_was_built_on(built):
    for file in built.rglob("*.html"):
        assert str(ROOT) not in file.read_text(encoding="utf-8"), file.name


def test_there_are_hooks():
    assert len(HOOKS) == 4


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_arguments(name):
    heading = f"## {name}({', '.join(inspect.signature(HOOKS[name]).parameters)})"
    assert heading in (DOCS / "reference/hooks.md").read_text(encoding="utf-8").splitlines()


def test_a_command_of_a_group_is_a_command_too():
    assert "plugins new" in dict(commands())


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_appears_with_all_of_its_options_and_their_words(name, command, page):
    text = page("reference/cli")
    assert f"anystore-doe {name}" in text
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            for flag in (*option.opts, *option.secondary_opts):
                assert flag in text
            words = " ".join((option.help or "").partition("  [")[0].split())
            assert words
            assert words.replace("'", "’") in text.replace("'", "’")


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_appears_with_its_exit_code(kind, page):
    text = page("reference/errors")
    assert f"{kind.__name__} {kind.exit_code} " in text
    assert f"exception anystore_doe.errors.{kind.__name__}" in text
    assert re.search(rf"^\| {kind.exit_code} \|", (DOCS / "reference/errors.md").read_text(), re.MULTILINE)


def test_the_tree_in_the_modules_docstring_has_every_error_with_its_exit_code():
    drawn = dict(re.findall(r"(\w+Error) +(\d+) ", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in ERRORS}


def test_every_key_of_the_settings_file_appears(page):
    text = page("reference/settings")
    nested = {"slots", "executor", "storage"}
    for key in Settings.__struct_fields__:
        assert key in nested or f" {key} " in text, key
    for key in SlotSettings.__struct_fields__:
        assert f" slots.{key} " in text


def test_every_option_of_every_store_appears_with_its_words(page):
    text = page("reference/settings")
    ours = [o.entry for o in Registry.discover({}).storage_offers() if o.plugin.distribution.startswith("anystore-doe")]
    assert {"file", "s3", "*"} <= {scheme for entry in ours for scheme in entry.schemes}
    for entry in ours:
        for field in dataclasses.fields(entry.options):
            assert f"{field.name} " in text
            assert field.metadata["help"].split(".")[0].split("'")[0] in text
            assert not field.metadata["env"] or field.metadata["env"] in text
            assert not field.metadata["secret"] or re.search(rf"{field.name} .*?Secret: never printed", text)


@pytest.mark.parametrize("kind", [Claim, AttemptRecord, Commit], ids=lambda kind: kind.__name__)
def test_every_field_of_every_record_appears(kind, page):
    text = page("reference/records")
    for field in dataclasses.fields(kind):
        assert f" {field.name} " in text


def test_every_field_of_an_event_and_every_step_appears(page):
    text = page("reference/events")
    for name in [*(field.name for field in dataclasses.fields(RunEvent)), *STEPS]:
        assert name in text


def test_every_variable_that_a_solver_finds_appears(page):
    source = (ROOT / "src/anystore_doe/engine/environment.py").read_text(encoding="utf-8")
    names = re.findall(r'^        "([A-Z_]+)": ', source, re.MULTILINE)
    assert {"RUN_ID", "SLOT", "MACHINEFILE"} <= set(names)
    text = page("reference/environment")
    for name in names:
        assert f"ANYSTORE_DOE_{name} " in text


def test_what_is_not_built_is_named_on_no_page_but_the_list_of_what_is_missing():
    refused = re.compile(r"anystore-doe (?:doctor|verify|clean|why|cancel|retry|report)\b|--retry|--verify\b|--state\b")
    for file in sorted(DOCS.rglob("*.md")):
        if "_build" not in Path(file).parts:
            assert not refused.search(file.read_text(encoding="utf-8")), file.name
