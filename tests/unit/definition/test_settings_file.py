from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.definition import Settings, SlotSettings, TemplateSpec, merge, parse_duration, read_settings
from anystore_doe.definition.toml_lines import line_of
from anystore_doe.errors import DefinitionError

FULL = """
table = "inputs.csv"
name = "pintle"
templates = ["run.sh", { file = "engine.in.template", name = "engine.in" }]
render = ["*.in"]
command = ["bash", "run.sh"]
input = ["s3://b/case.zip"]
output = "s3://b/out/${run_id}/"
input_columns = ["a"]
output_column = "b"
ignore_columns = ["c"]
input_files = ["mech.dat"]
outputs = ["**/*.out", "output/*.h5"]
push_inputs = true
push_failed = true
metrics = "python post.py"
require = ["thermo.out"]
chdir = "auto"
unpack = "always"
timeout = "12h"
pass_env = ["TOKEN"]
share_credentials = false
compat = "rescale"
fail_fast = true
scratch = "/scratch"
durability = "none"

[slots]
count = 2
cores = 8
lookahead = 3

[executor]
name = "local"
depth = 3

[storage."s3://my-simulation-data"]
config_file = "config"
profile = "default"
anonymous = false
"""


def test_every_key_is_read() -> None:
    settings = read_settings(FULL, where="sweep.toml")
    assert all(getattr(settings, key) is not None for key in Settings.__struct_fields__)
    assert settings.templates == ["run.sh", TemplateSpec(file="engine.in.template", name="engine.in")]
    assert settings.slots == SlotSettings(count=2, cores=8, lookahead=3)
    assert settings.storage == {
        "s3://my-simulation-data": {"config_file": "config", "profile": "default", "anonymous": False}
    }


def test_an_empty_file_says_nothing() -> None:
    assert read_settings("", where="sweep.toml") == Settings()


BAD = {
    "not-toml": ('table = "x"\nslots = [\n', "sweep.toml:3", "not TOML"),
    "unknown-key": ('table = "x"\ntimout = "1h"\n', "sweep.toml:2", "there is no key 'timout'"),
    "unknown-in-table": ("[slots]\ncount = 1\ncore = 2\n", "sweep.toml:3", "there is no key 'slots.core'"),
    "unknown-inline": ("name = 'x'\nslots = { coutn = 2 }\n", "sweep.toml:2", "there is no key 'slots.coutn'"),
    "unknown-dotted": ("\nslots.coutn = 2\n", "sweep.toml:2", "there is no key 'slots.coutn'"),
    "template-key": ('templates = [{ file = "x", nmae = "y" }]\n', "sweep.toml:1", "'templates.nmae'"),
    "not-built": ("\nretries = 1\n", "sweep.toml:2", "'retries' is not built yet"),
    "not-built-keep": ('keep = "failed"\n', "sweep.toml:1", "'keep' is not built yet"),
    "not-built-state": ('state = "s3://b/state"\n', "sweep.toml:1", "'state' is not built yet"),
    "only-an-option": ('work_dir = "x"\n', "sweep.toml:1", "is an option of one call"),
    "wrong-type": ("\n\ntable = 3\n", "sweep.toml:3", "table must be text, and is a whole number"),
    "wrong-type-in-table": (
        '[slots]\ncount = "2"\n',
        "sweep.toml:2",
        "slots.count must be a whole number, and is text",
    ),
    "wrong-type-list": ('require = "x.out"\n', "sweep.toml:1", "require must be a list, and is text"),
    "wrong-type-table": ("slots = 2\n", "sweep.toml:1", "slots must be a table, and is a whole number"),
    "wrong-word": ('unpack = "maybe"\n', "sweep.toml:1", "unpack must be auto, always or never"),
    "nested-storage": ('[storage."s3://b"]\nx = [1]\n', "sweep.toml:2", "x must be text, a number, true or false"),
    "not-utf8": (b'name = "\xe9"\n', "sweep.toml:1:9", "not UTF-8"),
}


@pytest.mark.parametrize(("text", "where", "words"), BAD.values(), ids=BAD)
def test_a_bad_settings_file_is_refused_with_line_and_key(text: str | bytes, where: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_settings(text, where="sweep.toml")
    assert caught.value.where.startswith(where)
    assert words in str(caught.value)


def test_the_nearest_key_is_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_settings("timout = 3\n", where="sweep.toml")
    assert caught.value.hint == "did you mean 'timeout'?"


def test_messages_show_no_value() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_settings('[storage."s3://b"]\nsecret = ["hunter2"]\n', where="sweep.toml")
    assert "hunter2" not in str(caught.value)


def test_the_command_line_wins_key_by_key() -> None:
    file = read_settings(FULL, where="sweep.toml")
    options = Settings(
        name="other", require=["x"], slots=SlotSettings(count=1), storage={"s3://my-simulation-data": {"profile": "p"}}
    )
    merged = merge(file, options)
    assert (merged.name, merged.require, merged.table) == ("other", ["x"], "inputs.csv")
    assert merged.slots == SlotSettings(count=1, cores=8, lookahead=3)
    assert merged.storage == {"s3://my-simulation-data": {"config_file": "config", "profile": "p", "anonymous": False}}


def test_an_option_that_says_false_wins() -> None:
    assert merge(Settings(push_inputs=True), Settings(push_inputs=False)).push_inputs is False


def test_another_executor_does_not_get_the_options_of_the_first() -> None:
    file = Settings(executor={"name": "slurm", "partition": "x"})
    assert merge(file, Settings(executor={"name": "local"})).executor == {"name": "local"}
    assert merge(file, Settings(executor={"name": "slurm"})).executor == {"name": "slurm", "partition": "x"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("12h", 43200), ("2d", 172800), ("1.5h", 5400), ("7", 7), (7, 7), (0.5, 0.5)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1s", "0", "0s", 0, -3, "1w", "1h30m", "nan", float("inf"), "1e3", "١s"])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(DefinitionError, match="is not a duration"):
        parse_duration(text, where="timeout")


def test_lines_of_keys_are_found() -> None:
    text = 'a = 1\n[b."x y".c]\n  d = 2\n"e.f".g = 3\n[h]\nb = 4\n'
    found = [
        line_of(text, path) for path in [("a",), ("b", "x y", "c", "d"), ("b", "x y", "c", "e.f", "g"), ("h", "b")]
    ]
    assert found == [1, 3, 4, 6]
    assert line_of(text, ("h", "z")) == 5
    assert line_of(text, ("nowhere",)) == 0


@given(st.text("ab=\n[]\"'. 1{},#\\", max_size=60))
def test_any_text_gives_settings_or_a_definition_error(text: str) -> None:
    try:
        read_settings(text, where="sweep.toml")
        place = "sweep.toml"
    except DefinitionError as error:
        place = error.where
    assert place.startswith("sweep.toml")
