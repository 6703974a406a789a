"""Errors become words, bugs become files, and exit codes are those of the design."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from anystore_doe.cli.boundary import Boundary
from anystore_doe.cli.main import COMMANDS, HIDDEN, main
from anystore_doe.cli.options import debug_option
from anystore_doe.errors import AnystoreDoeError, PlanError, StateError

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")


def group(raised: BaseException | None = None, code: int | None = None) -> click.Group:
    @click.group(cls=Boundary)
    @debug_option
    def program() -> None:
        pass

    @program.command()
    @debug_option
    def act() -> int | None:
        if raised is not None:
            raise raised
        return code

    return program


def test_our_errors_are_a_sentence_a_hint_and_the_exit_code_of_their_class():
    result = CliRunner().invoke(group(StateError("it is torn", hint="mend it")), ["act"])
    assert result.exit_code == 9
    assert result.stderr == "Error: it is torn\nHint:  mend it\n"
    assert result.stdout == ""


def test_an_exit_code_on_the_instance_wins():
    error = PlanError("no rights")
    error.exit_code = 4
    assert CliRunner().invoke(group(error), ["act"]).exit_code == 4


def test_control_characters_can_not_steer_the_terminal():
    result = CliRunner().invoke(group(AnystoreDoeError("a\x1b[2Jb\rc", hint="\x9bd")), ["act"])
    assert result.stderr == "Error: a\\x1b[2Jb\\x0dc\nHint:  \\x9bd\n"


def test_a_command_returns_its_exit_code():
    assert CliRunner().invoke(group(code=1), ["act"]).exit_code == 1
    assert CliRunner().invoke(group(), ["act"]).exit_code == 0


@pytest.mark.parametrize("arguments", [["act", "--debug"], ["--debug", "act"]])
def test_debug_shows_the_traceback_before_and_after_the_command(arguments):
    result = CliRunner().invoke(group(StateError("torn")), arguments)
    assert result.exit_code == 9
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: torn\n")


def test_a_bug_is_kept_in_a_private_file_and_its_words_are_not_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = CliRunner().invoke(group(ValueError("hush")), ["act"])
    (file,) = tmp_path.iterdir()
    assert result.exit_code == 70
    assert "hush" not in result.output
    assert str(file) in result.stderr
    assert "ValueError: hush" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_bug_with_debug_shows_its_traceback():
    result = CliRunner().invoke(group(ValueError("shown")), ["act", "--debug"])
    assert (result.exit_code, "ValueError: shown" in result.stderr) == (70, True)


def test_an_interrupt_ends_with_130():
    result = CliRunner().invoke(group(KeyboardInterrupt()), ["act"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "/x/y"), MemoryError()])
def test_a_machine_that_ran_out_is_said_as_such(error):
    result = CliRunner().invoke(group(error), ["act"])
    assert result.exit_code == 8
    assert result.stderr.startswith("Error: this machine")


def test_another_system_error_is_a_bug():
    assert CliRunner().invoke(group(OSError(5, "Input/output error")), ["act"]).exit_code == 70


@pytest.mark.parametrize("arguments", [["nonsense"], ["ls"], ["plugins", "--nonsense"], ["--nonsense"]])
def test_usage_errors_end_with_2(arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_a_reader_that_went_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run([*PROGRAM, "plugins"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    if name not in HIDDEN:
        assert f"anystore-doe {name}" in result.stdout.partition("Example:")[2]
        assert "--debug" in result.stdout


def test_the_help_names_every_command_but_hidden_ones():
    shown = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:")[2].partition("Example:")[0]
    assert [line.split()[0] for line in shown.splitlines() if line.strip()] == [c for c in COMMANDS if c not in HIDDEN]


def modules_of(*arguments: str) -> set[str]:
    code = (
        "import sys; from anystore_doe.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


HEAVY = {"asyncio", "rich", "fsspec", "s3fs", "botocore", "aiobotocore", "msgspec", "numpy", "zstandard", "isal"}


def test_help_loads_click_and_little_else():
    loaded = modules_of("--help")
    assert not loaded & (HEAVY | {"pluggy", "importlib.metadata", "dataclasses"})
    assert len([name for name in loaded if name.startswith("anystore_doe")]) <= 6


def test_listing_plugins_loads_offers_and_nothing_that_does_the_work():
    loaded = modules_of("plugins")
    assert not loaded & (HEAVY | {"logging", "queue", "secrets", "subprocess", "tarfile"})
    ours = {name for name in loaded if name.split(".")[0] == "anystore_doe"}
    rooms = {name.split(".")[1] for name in ours if "." in name}
    assert rooms == {"builtin", "cli", "contract", "errors", "registry", "testing"}
    assert len(ours) <= 35


def test_the_module_runs_as_the_program():
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("anystore-doe, version ")
