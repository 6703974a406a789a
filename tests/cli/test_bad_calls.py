"""What is wrong with a call, a table, a template or a settings file is said, and nothing is started."""

from __future__ import annotations

import pytest
from calling import call


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, "run table t.csv: there is no such file"),
        ("", "t.csv: the run table is empty"),
        ("rpm,output\n", "t.csv:1: the run table has a header and no rows"),
        ("rpm,rpm,output\n1,2,o\n", "t.csv:1: two columns are named 'rpm'"),
        ("rpm,output\n1,o,3\n", "t.csv:2: this row has 3 cells, the header has 2"),
        ("rpm,output\n1,o\0\n", "t.csv:2:4: there is a NUL character"),
        ('rpm,output\n1,"o\n', "t.csv:2:3: the quote that opens here is never closed"),
        ("run_id,output\na,o/x\na,o/y\n", "t.csv:3:"),
        ("run_id,output\n../a,o/x\n", "t.csv:2:"),
        ("PATH,output\n1,o/x\n", "PATH"),
        ("LD_PRELOAD,output\n1,o/x\n", "LD_PRELOAD"),
        ("AWS_SECRET_ACCESS_KEY,output\n1,o/x\n", "AWS_SECRET_ACCESS_KEY"),
        ("rpm,output\n1,o/x\n2,o/x\n", "run 0001 (line 2) and run 0002 (line 3)"),
        ("rpm,output\n1,o/x\n2,o/x/y\n", "run 0001 (line 2) and run 0002 (line 3)"),
        ("rpm,input,output\n1,in/,in/x\n", "t.csv:2"),
        ("rpm,output\n$(id),o/x\n", "t.csv:2"),
        ("rpm\n1\n", "no column says where the outputs of a run go"),
        ("rpm,output\n1,nosuch://x/y\n", "nosuch"),
        ("rpm,output\n1,toy://x/y\n", "no storage plugin serves toy://"),
        ("rpm,input,output\n1,in/none.zip,o/x\n", "line 2 (run 0001)"),
    ],
)
def test_a_bad_table_starts_nothing_and_names_the_place(folder, table, said):
    (folder / "t.csv").unlink()
    if table is not None:
        (folder / "t.csv").write_text(table)
    result = call("run", "t.csv", "-t", "run.sh")
    assert (result.exit_code, said in result.stderr) == (3, True), result.output
    assert not (folder / "out").exists()
    assert not (folder / ".anystore-doe").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo ${rpn}\n", "rpm"), ("echo '${rpm}'\n", "run.sh:1"), (None, "template run.sh: there is no such file")],
)
def test_a_bad_template_starts_nothing(folder, script, said):
    (folder / "run.sh").unlink()
    if script:
        (folder / "run.sh").write_text(script)
    result = call("run", "t.csv", "-t", "run.sh")
    assert (result.exit_code, said in result.stderr) == (3, True), result.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run"], 2, "no run table is named"),
        (["run", "t.csv"], 3, "there is no command"),
        (["run", "t.csv", "--"], 2, "there is no command after --"),
        (["run", "t.csv", "-t", "run.sh", "-j0"], 2, "'-j' / '--slots'"),
        (["run", "t.csv", "-t", "run.sh", "--timeout", "soon"], 3, "soon"),
        (["run", "t.csv", "-t", "run.sh", "--select", "9"], 3, "'9'"),
        (["run", "t.csv", "-t", "run.sh", "--executor", "cloudy"], 3, "'cloudy'"),
        (["run", "t.csv", "-t", "run.sh", "-c", "none.toml"], 3, "settings file none.toml: there is no such file"),
        (["run", "t.csv", "-t", "run.sh", "--input-file", "none"], 3, "input file none: there is no such file"),
        (["plan", "t.csv", "-t", "run.sh", "--executor", "cloudy"], 3, "'cloudy'"),
        (["status", "none.csv"], 3, "run table none.csv: there is no such file"),
        (["results"], 2, "no run table is named"),
    ],
)
def test_a_bad_call_ends_with_its_code(folder, arguments, code, said):
    result = call(*arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.output


def test_a_settings_file_is_refused_with_file_line_and_key(folder):
    (folder / "sweep.toml").write_text('table = "t.csv"\n[slots]\ncout = 2\n')
    result = call("run")
    assert (result.exit_code, result.stderr.startswith("Error: sweep.toml:3: ")) == (3, True), result.stderr


def test_an_input_file_that_holds_keys_is_refused_naming_config_file(folder):
    (folder / "config").write_text(
        "[default]\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\naws_secret_access_key = " + "s" * 40
    )
    result = call("run", "t.csv", "-t", "run.sh", "--input-file", "config")
    assert (result.exit_code, "config_file" in result.stderr, "s" * 40 in result.output) == (3, True, False)
