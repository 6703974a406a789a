"""``status``, ``results`` and ``logs`` on plain files: what is said of a sweep afterwards."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess

import pytest
from calling import TABLE, call


def test_results_are_a_table_of_columns_states_and_metrics(folder):
    (folder / "run.sh").write_text("test ${rpm} = 1500\ncp *.txt x.out\n")
    call("run", "t.csv", "-t", "run.sh", "--metrics", "sh -c 'printf \"p_max\\t=1+1\\n\"'")
    (folder / "run.sh").write_text("false\n")
    result = call("results", "t.csv")
    header, first, second = csv.reader(io.StringIO(result.stdout))
    ours = ["state", "exit_code", "attempts", "wall_s", "solve_s", "bytes"]
    assert header == ["run_id", "rpm", "input", "output", *ours, "p_max"]
    assert (first[4], first[5], first[6], first[9], first[10]) == ("committed", "0", "1", "2", "'=1+1")
    assert "2 cells got a '" in result.stderr
    assert second[0] == "0002"
    document = json.loads(call("results", "t.csv", "--json").stdout)
    assert document["results"][0]["metrics"] == {"p_max": "=1+1"}


def test_results_go_into_a_file(folder):
    call("run", "t.csv", "-t", "run.sh")
    assert call("results", "-o", "deep/results.csv").stdout == ""
    assert (folder / "deep/results.csv").read_text() == call("results").stdout


def test_results_go_through_a_link_and_onto_no_folder_or_pipe(folder):
    call("run", "t.csv", "-t", "run.sh")
    (folder / "old.csv").write_text("old")
    (folder / "link.csv").symlink_to("old.csv")
    call("results", "t.csv", "-o", "link.csv")
    assert (folder / "link.csv").is_symlink()
    assert (folder / "old.csv").read_text() == call("results", "t.csv").stdout
    for name in ("out", "out/", "new/"):
        result = call("results", "t.csv", "-o", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"Error: {name} is a folder, and -o means a file here\nHint:  write -o {name.rstrip('/')}/results.csv\n"
        )
    os.mkfifo(folder / "pipe")
    result = call("results", "t.csv", "-o", "pipe")
    assert (result.exit_code, "is a device, a pipe or a socket, no file" in result.stderr) == (2, True)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_status_without_a_table_takes_the_only_sweep_here_with_the_options_it_was_run_with(folder):
    (folder / "v.csv").write_text("rpm\n1\n2\n")
    assert call("run", "v.csv", "-t", "run.sh", "-i", "in/a.txt", "-o", "out", "--select", "1").exit_code == 0
    result = call("status")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:3]] == [
        ["0001", "committed"],
        ["0002", "pending"],
    ]
    assert result.stdout.endswith("v: 2 runs, 1 committed, 1 pending\n")
    document = json.loads(call("status", "--json").stdout)
    assert (document["schema"], document["counts"]) == (1, {"committed": 1, "pending": 1})


@pytest.mark.parametrize("command", ["status", "results"])
def test_an_output_that_only_run_was_told_is_asked_for_in_the_settings_file(folder, command):
    (folder / "v.csv").write_text("rpm\n1\n")
    (folder / "w.csv").write_text("rpm,my_output\n1,a\n")
    nowhere, plain = call(command, "v.csv"), call(command, "w.csv")
    assert (nowhere.exit_code, plain.exit_code) == (3, 3)
    assert """put output = "s3://…/${run_id}/" into sweep.toml""" in nowhere.stderr
    assert "-o '" not in nowhere.stderr
    assert 'put output_column = "my_output" into sweep.toml' in plain.stderr


def test_several_sweeps_here_have_to_be_named(folder):
    (folder / "u.csv").write_text(TABLE.replace("out/", "out/u"))
    call("run", "t.csv", "-t", "run.sh")
    call("run", "u.csv", "-t", "run.sh")
    result = call("status")
    assert (result.exit_code, "there are 2 sweeps here: t, u" in result.stderr) == (2, True)
    assert call("status", "u.csv").stdout.endswith("u: 2 runs, 2 committed\n")
    assert call("status", "--work-dir", ".anystore-doe/t").stdout.endswith("t: 2 runs, 2 committed\n")


def test_status_on_another_machine_reads_table_and_settings(folder):
    (folder / "sweep.toml").write_text('table = "t.csv"\ntemplates = ["run.sh"]\n')
    call("run")
    subprocess.run(["rm", "-r", ".anystore-doe"], check=True)
    assert "2 committed" in call("status").stdout


def test_status_needs_neither_templates_nor_a_command(folder):
    call("run", "t.csv", "-t", "run.sh")
    (folder / "run.sh").unlink()
    assert "2 committed" in call("status").stdout
    subprocess.run(["rm", "-r", ".anystore-doe"], check=True)
    assert "2 committed" in call("status", "t.csv").stdout


def test_a_damaged_memory_of_the_last_call_is_said(folder):
    call("run", "t.csv", "-t", "run.sh")
    (folder / ".anystore-doe/t/called.json").write_text("{")
    assert call("status").exit_code == 9
    (folder / "sweep.toml").write_text("[slots]\ncount = 1\n")
    assert call("status", "t.csv", "-c", "sweep.toml").exit_code == 0


def test_logs_come_from_the_store_and_from_the_kept_folder(folder):
    (folder / "run.sh").write_text("echo said ${rpm}\necho wrong >&2\ntest ${rpm} = 1500\n")
    call("run", "t.csv", "-t", "run.sh")
    committed, failed = call("logs", "0001"), call("logs", "2", "t.csv", "-f")
    assert (committed.stdout, committed.stderr) == ("said 1500\n", "wrong\n")
    assert (failed.stdout, failed.stderr) == ("said 1600\n", "wrong\n")
    assert call("logs", "0001", "--stderr").output == "wrong\n"


def test_a_long_log_is_read_whole(folder):
    (folder / "run.sh").write_text("seq 1 40000\n")
    call("run", "t.csv", "-t", "run.sh", "--select", "1")
    assert call("logs", "0001").stdout == "".join(f"{n}\n" for n in range(1, 40001))


def test_logs_of_a_run_that_was_never_tried_say_so(folder):
    call("run", "t.csv", "-t", "run.sh", "--select", "1")
    result = call("logs", "0002")
    assert (result.exit_code, "run 0002 is pending" in result.stderr) == (3, True)
    assert call("logs", "9").exit_code == 3
    assert call("logs", "1-2").exit_code == 2


def test_results_show_what_was_solved_when_the_table_was_edited_since(folder):
    (folder / "v.csv").write_text("rpm,notes\n1500,a\n1600,b\n")
    call("run", "v.csv", "-t", "run.sh", "-i", "in/a.txt", "-o", "out")
    (folder / "v.csv").write_text("rpm,notes\n1400,x\n1600,y\n1700,z\n")
    result = call("results", "v.csv")
    rows = [row[:4] for row in csv.reader(io.StringIO(result.stdout))]
    assert rows[1:] == [
        ["0001", "1500", "a", "committed"],
        ["0002", "1600", "b", "committed"],
        ["0003", "1700", "z", "pending"],
    ]
    assert "solved with other values than the table has now: 1 run (0001); " in result.stderr
