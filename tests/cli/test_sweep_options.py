"""Every option of ``run`` says something in the settings, or is looked at by the command itself."""

from __future__ import annotations

import click
import msgspec
import pytest

from anystore_doe.cli.main import main
from anystore_doe.cli.sweep_options import said
from anystore_doe.definition import Settings

PLAIN = click.Context(main.get_command(click.Context(main), "run")).command


def parsed(*arguments: str) -> dict:
    context = PLAIN.make_context("run", list(arguments))
    return context.params


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["t.csv"], {"table": "t.csv"}),
        (["-t", "a.sh", "-t", "b:c"], {"templates": ["a.sh", "b:c"]}),
        (["--render", "*.in"], {"render": ["*.in"]}),
        (["--input-file", "f"], {"input_files": ["f"]}),
        (["-i", "s3://b/x", "-i", "y"], {"input": ["s3://b/x", "y"]}),
        (["-o", "s3://b/o"], {"output": "s3://b/o"}),
        (["--input-column", "a"], {"input_columns": ["a"]}),
        (["--output-column", "a"], {"output_column": "a"}),
        (["--outputs", "*.h5"], {"outputs": ["*.h5"]}),
        (["--ignore-column", "a"], {"ignore_columns": ["a"]}),
        (["--push-inputs"], {"push_inputs": True}),
        (["--push-failed"], {"push_failed": True}),
        (["--metrics", "python m.py"], {"metrics": "python m.py"}),
        (["--require", "x"], {"require": ["x"]}),
        (["--chdir", "auto"], {"chdir": "auto"}),
        (["--unpack", "never"], {"unpack": "never"}),
        (["-j", "3"], {"slots": {"count": 3, "cores": None, "lookahead": None}}),
        (["--cores-per-slot", "8"], {"slots": {"count": None, "cores": 8, "lookahead": None}}),
        (["--lookahead", "0"], {"slots": {"count": None, "cores": None, "lookahead": 0}}),
        (["--executor", "x"], {"executor": {"name": "x"}}),
        (["--timeout", "12h"], {"timeout": "12h"}),
        (["--scratch", "/s"], {"scratch": "/s"}),
        (["--pass-env", "A", "--pass-env", "B"], {"pass_env": ["A", "B"]}),
        (["--share-credentials"], {"share_credentials": True}),
        (["-k"], {"fail_fast": False}),
        (["--keep-going"], {"fail_fast": False}),
        (["--fail-fast"], {"fail_fast": True}),
        ([], {}),
    ],
)
def test_an_option_is_said_in_the_settings(arguments, expected):
    settings = msgspec.to_builtins(said(parsed(*arguments), ()))
    assert {name: value for name, value in settings.items() if value is not None} == expected


def test_the_command_is_said_in_the_settings():
    assert said(parsed(), ("bash", "x")).command == ["bash", "x"]


LOOKED_AT = {
    "config",
    "select",
    "work_dir",
    "overwrite",
    "allow_foreign",
    "skip_bad_rows",
    "as_json",
    "dry_run",
    "debug",
}
ELSEWHERE = {"keep_going": "fail_fast", "cores_per_slot": "slots", "lookahead": "slots"}


def test_no_option_is_silently_dropped():
    names = {parameter.name for parameter in PLAIN.params} - LOOKED_AT - {"help"}
    assert {ELSEWHERE.get(name, name) for name in names} <= set(Settings.__struct_fields__)


def test_plan_takes_what_run_takes():
    plan = {name for p in main.get_command(click.Context(main), "plan").params for name in p.opts}
    run = {name for p in PLAIN.params for name in p.opts}
    assert run - plan == {"-n", "--dry-run"}
    assert plan - run == {"--show"}
