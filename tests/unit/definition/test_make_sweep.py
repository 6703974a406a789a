from __future__ import annotations

import base64
import time

import pytest

from anystore_doe.definition import SlotSettings, TemplateSpec, template_spec
from anystore_doe.errors import DefinitionError
from anystore_doe.model import StoreSettings

AWS_CONFIG = b"""[default]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
"""


def test_settings_become_the_recipe_and_the_sweep(define) -> None:
    sweep = define(
        outputs=["**/*.out"],
        require=["thermo.out"],
        chdir="case",
        unpack="never",
        timeout="10m",
        durability="none",
        compat="rescale",
        pass_env=["TOKEN"],
        ignore_columns=["rpm"],
        slots=SlotSettings(count=2, cores=8, lookahead=0),
        executor={"name": "other", "depth": 3},
        storage={"s3://b": {"profile": "p", "plugin": "x"}},
    )
    recipe = sweep.recipe
    assert (recipe.outputs, recipe.require, recipe.chdir) == (("**/*.out",), ("thermo.out",), "case")
    assert (recipe.unpack, recipe.timeout_s, recipe.durable, recipe.compat) == ("never", 600.0, False, "rescale")
    assert (sweep.slots, sweep.cores_per_slot, sweep.lookahead) == (2, 8, 0)
    assert (sweep.executor, dict(sweep.executor_options)) == ("other", {"depth": 3})
    assert sweep.stores == (StoreSettings(prefix="s3://b", options={"profile": "p"}, plugin="x"),)
    assert (sweep.name, sweep.ignore_columns, recipe.pass_env) == ("inputs", ("rpm",), ("TOKEN",))


@pytest.mark.parametrize(
    ("source", "name"), [("s3://b/x/my table.v2.csv", "my_table.v2"), ("/d/inputs.csv", "inputs"), (".csv", "sweep")]
)
def test_the_name_is_the_tables_stem_made_safe(define, source: str, name: str) -> None:
    assert define(source=source).name == name


def test_an_unsafe_name_is_refused(define) -> None:
    with pytest.raises(DefinitionError, match="not a safe name"):
        define(name="../x")


BAD_PATHS = ["/abs", "../x", "a/../b", "a//b", "", "./x", "-x", "a\\b", "_anystore/x", "a\nb"]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("key", ["outputs", "require", "render"])
def test_a_glob_that_leaves_the_work_folder_is_refused(define, key: str, path: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(**{key: [path]})
    assert caught.value.where == key


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path])
def test_chdir_stays_in_the_work_folder(define, path: str) -> None:
    with pytest.raises(DefinitionError, match="chdir is"):
        define(chdir=path)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_template_stays_in_the_work_folder(define, path: str) -> None:
    with pytest.raises(DefinitionError, match="would be written to"):
        define(templates={path: "x"}, command=["solve"])


@pytest.mark.parametrize("other", ["engine.in", "ENGINE.IN"])
def test_two_files_of_one_name_are_refused(define, other: str) -> None:
    with pytest.raises(DefinitionError, match="would both be written to"):
        define(templates={"engine.in": "x"}, files={other: b"y"}, command=["solve"])


@pytest.mark.parametrize(
    "content",
    [
        AWS_CONFIG,
        b'{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG"}',
        b"[default]\naws_session_token=IQoJb3JpZ2luX2VjEJr//abcdefgh\n",
        b"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9vYmFyYmF6cXV4==;",
        b'{"type": "service_account", "private_key": "-----BEGIN"}',
        b"-----BEGIN RSA PRIVATE KEY-----\n",
        b'{"refresh_token": "1//abc"}',
        b"id: AKIAIOSFODNN7EXAMPLE\nkey: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    ],
)
def test_an_input_file_that_holds_keys_is_refused_and_never_shown(define, content: bytes) -> None:
    with pytest.raises(DefinitionError, match="looks like it holds") as caught:
        define(files={"config": content})
    assert "config_file" in caught.value.hint
    assert "wJalr" not in str(caught.value) + caught.value.hint


def test_shared_on_purpose_it_is_private(define) -> None:
    files = define(files={"config": AWS_CONFIG, "mech.dat": b"x"}, share_credentials=True).recipe.input_files
    assert [(file.name, file.private) for file in files] == [("config", True), ("mech.dat", False)]
    assert base64.b64decode(files[0].content_b64) == AWS_CONFIG


@pytest.mark.parametrize(
    "content", [b"rpm = 1500\n", b"\x00\xff" * 500, b"region = eu-west-1\n", b"AKIAIOSFODNN7EXAMPLE"]
)
def test_ordinary_files_are_carried(define, content: bytes) -> None:
    assert base64.b64decode(define(files={"x.dat": content}).recipe.input_files[0].content_b64) == content


def test_a_template_that_holds_keys_is_refused(define) -> None:
    script = "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
    with pytest.raises(DefinitionError, match="looks like it holds") as caught:
        define(templates={"run.sh": script})
    assert "wJalr" not in str(caught.value)


@pytest.mark.parametrize(
    "script", ["echo $AWS_SECRET_ACCESS_KEY\n", 'aws configure set aws_secret_access_key "$KEY"\n']
)
def test_a_template_that_only_names_a_key_is_fine(define, script: str) -> None:
    assert define(templates={"run.sh": script})


@pytest.mark.parametrize("prefix", ["my-bucket", "/data", "s3:/b"])
def test_a_storage_prefix_is_a_url(define, prefix: str) -> None:
    with pytest.raises(DefinitionError, match="not a URL"):
        define(storage={prefix: {}})


@pytest.mark.parametrize(
    ("said", "file", "name"),
    [
        ("run.sh", "run.sh", "run.sh"),
        ("d/engine.in.template", "d/engine.in.template", "engine.in"),
        ("engine.t:engine.in", "engine.t", "engine.in"),
        ("s3://b/run.sh", "s3://b/run.sh", "run.sh"),
        ("s3://b/a.t:run.sh", "s3://b/a.t", "run.sh"),
        ("a:b/c.sh", "a:b/c.sh", "c.sh"),
    ],
)
def test_template_and_name_split_at_the_last_colon_without_a_slash(said: str, file: str, name: str) -> None:
    assert template_spec(said) == TemplateSpec(file=file, name=name)


def test_a_hundred_thousand_rows_take_seconds(define) -> None:
    rows = "".join(f"{i},{i / 7},case {i},s3://b/in/{i}.zip,s3://b/out/{i}/,{i}\n" for i in range(100_000))
    templates = {"run.sh": "echo ${a:.3f} $c\n", "engine.in": "n = ${b:.2e}\nx = ${a}\n"}
    started = time.process_time()
    sweep = define("a,b,c,s3_input,s3_output,e\n" + rows, templates)
    assert len(sweep.runs) == 100_000
    assert time.process_time() - started < 30
