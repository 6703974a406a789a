"""Run tables that can not be meant: refused with file and line before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bad_input import RUN, desk_of, refused

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Bucket

GOOD = "rpm,output\n1500,out/a\n"


@pytest.mark.parametrize(
    ("table", "said", "hint"),
    [
        ("", ["t.csv: the run table is empty"], "the first line names the columns"),
        ("\n \n", ["t.csv: the run table is empty"], "the first line names the columns"),
        ("\nrpm,output\n\n", ["t.csv:2: the run table has a header and no rows"], ""),
        ("rpm,output,rpm\n1,o/a,2\n", ["t.csv:1: two columns are named 'rpm'"], ""),
        ("rpm,,output\n1,2,o/a\n", ["t.csv:1: column 2 has no name"], ""),
        (
            "rpm,output\n1,o/a\n2,o/b,7\n\n3\n",
            ["t.csv:3: this row has 3 cells, the header has 2", "t.csv:5: this row has 1 cells, the header has 2"],
            "a cell that holds a comma needs double quotes around it",
        ),
        ("rpm,output\n1,o/a\n2\0,o/b\n", ["t.csv:3:2: there is a NUL character"], ""),
        ('rpm,output\n1,"o/a\n2,o/b\n', ["t.csv:2:3: the quote that opens here is never closed"], "written twice"),
        (
            "run_id,output\nhsdi,o/a\npintle,o/b\nHSDI,o/c\n",
            ["t.csv:4: the run_id 'HSDI' is used twice: also on line 2"],
            "more than the case of their letters",
        ),
        (
            "run_id,output\n../../etc,o/a\n-rf,o/b\n.hidden,o/c\n,o/d\na b,o/e\nfine,o/f\n",
            ["t.csv:2: ", "'../../etc'", "t.csv:3: ", "'-rf'", "t.csv:4: ", "t.csv:5: ", "is empty", "t.csv:6: "],
            "use 1 to 128 letters, digits and ._-+=@",
        ),
        ("rpm;output\n1;o/a\n", ["t.csv:1: the columns are separated by semicolons"], "commas or tabs"),
        ("rpm,output\n1,o/ä\n".encode("utf-16"), ["t.csv:1:1: this is not UTF-8 text", "UTF-16"], "CSV UTF-8"),
        ("rpm,output\n1,o/ä\n".encode("latin-1"), ["t.csv:2:5: this is not UTF-8 text"], "save it as UTF-8"),
        ("rpm,output\n1,\n", ["t.csv:1: the cells of the column 'output' are empty"], "-o 's3://…/${run_id}/'"),
        ("rpm\n1\n", ["t.csv:1: no column says where the outputs of a run go"], "-o 's3://…/${run_id}/'"),
    ],
)
def test_a_table_that_can_not_be_read_is_refused_with_file_and_line(tmp_path: Path, table, said, hint):
    words = refused(desk_of(tmp_path, {"t.csv": table}))
    assert [part for part in said if part not in words.error] == [], words.stderr
    assert hint in words.hint
    assert bool(hint) == bool(words.hint)


def test_columns_that_would_steer_the_run_are_refused_without_showing_their_values(tmp_path: Path):
    header = "PATH,LD_PRELOAD,AWS_SECRET_ACCESS_KEY,BASH_ENV,rpm,output"
    desk = desk_of(tmp_path, {"t.csv": f"{header}\n/evil,evil.so,wJalrXUtnFEMI,evil.sh,1500,out/a\n"})
    words = refused(desk, secrets=["wJalrXUtnFEMI"])
    for name in ("PATH", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "BASH_ENV"):
        assert f"t.csv:1: a column may not be named '{name}'" in words.error
    assert "rename it, for example to 'case_path'" in words.hint
    renamed = "case_path,case_preload,case_key,case_env,rpm,output"
    desk.write("t.csv", (desk.folder / "t.csv").read_text().replace(header, renamed))
    desk(*RUN)


def test_a_missing_table_is_named_with_what_may_be_meant(tmp_path: Path):
    desk = desk_of(tmp_path, {"data/inputs.csv": GOOD})
    words = refused(desk, "run", "data/input.csv", "-t", "run.sh")
    assert words.error == "run table data/input.csv: there is no such file"
    desk("run", words.meant, "-t", "run.sh")
    assert refused(desk, "run", "data", "-t", "run.sh").error == "run table data: this is a folder"
    words = refused(desk, "run", "nowhere/x.csv", "-t", "run.sh")
    assert (words.error, words.hint) == ("run table nowhere/x.csv: there is no such file", "")


def test_a_missing_table_in_a_bucket_is_named_with_the_command_that_lists_what_is_there(tmp_path: Path, bucket: Bucket):
    bucket.put("tables/inputs.csv", b"rpm,output\n1,out/a\n")
    desk = desk_of(tmp_path, environ=bucket.environ)
    words = refused(desk, "run", f"{bucket.url}/tables/none.csv", "-t", "run.sh", buckets=[bucket])
    assert words.error == f"run table {bucket.url}/tables/none.csv: there is no such file"
    assert "inputs.csv" in desk(*words.hint.split()[1:]).stdout


def test_outputs_without_a_slash_are_taken_for_folders_here_only_when_that_is_said(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": "rpm,output\n1,case_a\n2,case_b\n"})
    words = refused(desk)
    assert "t.csv:1: no cell of the column 'output' holds a '/'" in words.error
    desk(*RUN, words.option, words.hint.split()[-1])
    assert (desk.folder / "case_b/x.out").read_text() == "rpm is 2\n"


def test_control_characters_of_a_table_do_not_reach_the_terminal(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": "run_id,output\n\u009b2Jgone,out/a\n"})
    words = refused(desk)
    assert "\u009b" not in words.stderr
    assert "t.csv:2: the run_id '\\x9b2Jgone' is not a safe name" in words.error
