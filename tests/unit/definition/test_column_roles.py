from __future__ import annotations

import pytest

from anystore_doe.errors import DefinitionError

REFUSED = """
PATH LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV IFS SECONDS UID EUID PPID RANDOM PWD OLDPWD SHELL SHELLOPTS PS4
PROMPT_COMMAND HOME USER TMPDIR PYTHONPATH PYTHONSTARTUP PERL5OPT RUBYOPT NODE_OPTIONS GCONV_PATH LOCPATH
NLSPATH OMPI_MCA_plm_rsh_agent ANYSTORE_DOE_RUN_ID anystore_doe_slot RESCALE_JOB_ID AWS_SECRET_ACCESS_KEY
AWS_PROFILE aws_secret_access_key AZURE_CLIENT_SECRET GOOGLE_APPLICATION_CREDENTIALS CLOUDSDK_CONFIG
https_proxy NO_PROXY GIT_SSH_COMMAND SLURM_JOB_ID
"""


@pytest.mark.parametrize("name", REFUSED.split())
def test_a_column_that_would_steer_the_run_is_refused(define, name: str) -> None:
    with pytest.raises(DefinitionError, match="may not be named") as caught:
        define(f"rpm,{name},output\n1,2,o/a\n")
    assert caught.value.where == "inputs.csv:1"


@pytest.mark.parametrize("name", ["rpm", "path", "seconds", "s3_input", "gcs_input", "arm_length", "OMP_NUM_THREADS"])
def test_harmless_names_are_columns(define, name: str) -> None:
    assert name in define(f"{name},output\n1,o/a\n").runs[0].values


def test_the_columns_of_the_article_work_as_they_are(define) -> None:
    sweep = define(
        "s3_input,s3_output\ns3://b/input/hsdi.zip,s3://b/output/hsdi/\ns3://b/input/p.zip,s3://b/output/p/\n"
    )
    assert [(run.run_id, run.inputs, run.output) for run in sweep.runs] == [
        ("0001", ("s3://b/input/hsdi.zip",), "s3://b/output/hsdi"),
        ("0002", ("s3://b/input/p.zip",), "s3://b/output/p"),
    ]
    assert sweep.runs[0].values == {"s3_input": "s3://b/input/hsdi.zip", "s3_output": "s3://b/output/hsdi/"}


def test_paths_are_relative_to_the_table_and_keep_the_slash_of_a_tree(define) -> None:
    run = define("mesh_input,case_input,output\n../mesh/,file:///x//case.zip,/abs/o/\n").runs[0]
    assert run.inputs == ("file:///mesh/", "file:///x/case.zip")
    assert run.output == "file:///abs/o"


def test_an_empty_input_cell_is_no_input(define) -> None:
    runs = define("a_input,b_input,output\nx/a,,o/1\n,,o/2\n").runs
    assert [run.inputs for run in runs] == [("file:///doe/x/a",), ()]


def test_a_column_named_like_an_input_that_holds_numbers_is_a_value(define) -> None:
    run = define("power_input,output\n75,o/1\n").runs[0]
    assert run.inputs == ()
    assert run.values["power_input"] == "75"


def test_input_column_says_otherwise(define) -> None:
    run = define("case,mesh_input,output\nhsdi.zip,m/x,o/1\n", input_columns=["case"]).runs[0]
    assert run.inputs == ("file:///doe/hsdi.zip",)


def test_output_column_says_otherwise(define) -> None:
    run = define("log_output,where\na/b,o1\n", output_column="where").runs[0]
    assert run.output == "file:///doe/o1"


@pytest.mark.parametrize("key", ["input_columns", "ignore_columns", "output_column"])
def test_an_unknown_column_in_an_option_is_refused_with_the_nearest(define, key: str) -> None:
    with pytest.raises(DefinitionError, match="no such column") as caught:
        define(**{key: "rmp" if key == "output_column" else ["rmp"]})
    assert caught.value.hint == "did you mean 'rpm'?"


def test_a_column_can_not_be_input_and_output(define) -> None:
    with pytest.raises(DefinitionError, match="both input and output"):
        define("place\na/b\n", input_columns=["place"], output_column="place")


def test_two_outputs_are_refused(define) -> None:
    with pytest.raises(DefinitionError, match="several columns look like outputs: 'a_output', 'b_output'"):
        define("a_output,b_output\no/1,o/2\n")


def test_no_output_at_all_says_what_to_do(define) -> None:
    with pytest.raises(DefinitionError, match="no column says where") as caught:
        define("rpm\n1500\n")
    assert "-o" in caught.value.hint


def test_an_empty_output_cell_names_its_line(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        define("rpm,output\n1,o/1\n2,\n")
    assert caught.value.where == "inputs.csv:3"


def test_one_common_case_serves_all_rows(define) -> None:
    sweep = define("cr\n14\n16\n", input=["s3://b/${cr}.zip", "common/"], output="s3://b/out/${run_id}/")
    assert [run.inputs for run in sweep.runs] == [
        ("s3://b/14.zip", "file:///here/common/"),
        ("s3://b/16.zip", "file:///here/common/"),
    ]
    assert [run.output for run in sweep.runs] == ["s3://b/out/0001", "s3://b/out/0002"]


def test_a_common_output_without_a_placeholder_gets_the_run_id(define) -> None:
    assert [run.output for run in define("cr\n14\n16\n", output="res").runs] == [
        "file:///here/res/0001",
        "file:///here/res/0002",
    ]


def test_a_cell_wins_over_the_common_urls(define) -> None:
    runs = define("x,input,output\n1,x/a,o/1\n2,,\n", input="c.zip", output="all/${run_id}").runs
    assert [(run.inputs, run.output) for run in runs] == [
        (("file:///doe/x/a",), "file:///doe/o/1"),
        (("file:///here/c.zip",), "file:///here/all/0002"),
    ]


@pytest.mark.parametrize("value", ["../x", "..", "a/../../b", "", "  "])
def test_a_value_can_not_climb_out_of_a_common_output(define, value: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(f"name,x\n{value},1\n", output="s3://b/out/${name}/")
    assert caught.value.where == "inputs.csv:2"


def test_an_unknown_placeholder_in_a_common_url_is_refused(define) -> None:
    with pytest.raises(DefinitionError, match="names no column") as caught:
        define("name\na\n", output="s3://b/${nmae}/")
    assert caught.value.hint == "did you mean 'name'?"


def test_run_ids_are_the_column_or_padded_row_numbers(define) -> None:
    assert [run.run_id for run in define("run_id,output\nb,o/1\na,o/2\n").runs] == ["b", "a"]
    assert define("x,output\n" + "".join(f"{i},o/{i}\n" for i in range(10001))).runs[-1].run_id == "10001"


@pytest.mark.parametrize(
    "bad", ["", "..", ".x", "x.", "-rf", "a/b", "a b", "é", "a\\b", "$(x)", "x" * 129, "a:b", "a\tb", "con*"]
)
def test_a_run_id_that_is_no_safe_name_is_refused(define, bad: str) -> None:
    with pytest.raises(DefinitionError, match="run_id") as caught:
        define(f'run_id,output\nok,o/1\n"{bad}",o/2\n')
    assert caught.value.where == "inputs.csv:3"


@pytest.mark.parametrize("twice", ["a", "A"])
def test_a_run_id_used_twice_names_both_lines(define, twice: str) -> None:
    with pytest.raises(DefinitionError, match="is used twice: also on line 2") as caught:
        define(f"run_id,output\na,o/1\n{twice},o/2\n")
    assert caught.value.where == "inputs.csv:3"


@pytest.mark.parametrize(
    ("name", "meant"), [("s3_inptu", "s3_input"), ("inputs", "input"), ("S3_Outptu", "S3_output"), ("imput", "input")]
)
def test_a_column_of_urls_that_is_nearly_called_input_or_output_is_refused(define, name: str, meant: str) -> None:
    with pytest.raises(DefinitionError, match=f"the column '{name}' holds places") as caught:
        define(f"{name},rpm\ns3://b/a.zip,1\ns3://b/b.zip,2\n", output="s3://b/o")
    assert f"did you mean '{meant}'?" in caught.value.hint


@pytest.mark.parametrize(
    ("header", "settings"),
    [
        ("s3_inptu", {"input_columns": ["s3_inptu"]}),
        ("s3_inptu", {"ignore_columns": ["s3_inptu"]}),
        ("inputs", {"input": "${inputs}"}),
        ("s3_inptu", {"input_columns": ["rpm"]}),
        ("geometry", {}),
    ],
)
def test_a_column_whose_part_is_said_is_not_taken_for_misspelt(define, header: str, settings: dict) -> None:
    sweep = define(f"{header},rpm\ns3://b/a.zip,1\n", output="s3://b/o", **settings)
    assert sweep.runs[0].values[header] == "s3://b/a.zip"


def test_a_nearly_input_that_holds_no_url_is_a_value(define) -> None:
    assert define("inlet,output\n0.3,o/1\n").runs[0].values["inlet"] == "0.3"


def test_an_input_column_of_bare_file_names_is_refused(define) -> None:
    with pytest.raises(DefinitionError, match="holds file names without a folder, such as") as caught:
        define("case_input,output\ngood.zip,o/1\nother.zip,o/2\n")
    assert "write ./good.zip to stage them" in caught.value.hint
    assert "--ignore-column case_input keeps them values" in caught.value.hint
