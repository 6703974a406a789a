"""``run``, ``plan``, ``status``, ``results`` and ``logs`` on plain files, as a user calls them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from anystore_doe.cli.main import main

PROGRAM = (sys.executable, "-m", "anystore_doe.cli")
TABLE = "rpm,input,output\n1500,in/a.txt,out/a\n1600,in/b.txt,out/b\n"
SCRIPT = "#!/bin/bash\necho rpm ${rpm}\ncat *.txt > result.out\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("A\n")
    (tmp_path / "in/b.txt").write_text("B\n")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "run.sh").write_text(SCRIPT)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, [str(word) for word in arguments])


def outputs(folder):
    return {
        str(p.relative_to(folder / "out")): p.read_text()
        for p in (folder / "out").rglob("*")
        if p.is_file() and "_anystore" not in p.parts
    }


def test_a_sweep_runs_and_the_same_command_again_does_nothing(folder):
    first = call("run", "t.csv", "-t", "run.sh", "-j2")
    assert (first.exit_code, outputs(folder)) == (0, {"a/result.out": "A\n", "b/result.out": "B\n"})
    assert first.stdout.startswith("t: 2 committed (")
    assert first.stderr.count("committed") == 2
    again = call("run", "t.csv", "-t", "run.sh", "-j2")
    assert (again.exit_code, again.stdout.startswith("t: 2 done before (")) == (0, True)


def test_run_as_json_says_the_same(folder):
    document = json.loads(call("run", "t.csv", "-t", "run.sh", "--json").stdout)
    assert (document["schema"], document["exit_code"], sorted(document["committed"])) == (1, 0, ["0001", "0002"])
    assert json.loads(call("run", "t.csv", "-t", "run.sh", "--json").stdout)["skipped"] == ["0001", "0002"]


def test_a_failed_run_is_told_with_its_last_line_and_its_folder(folder):
    (folder / "run.sh").write_text('test "${rpm}" = 1500 || { echo no mesh >&2; exit 3; }\n')
    result = call("run", "t.csv", "-t", "run.sh")
    assert result.exit_code == 1
    kept = folder / ".anystore-doe/t/runs/0002.1"
    assert f"    last line: no mesh\n    kept in:   {kept}\n" in result.stdout
    assert (kept / "work/b.txt").read_text() == "B\n"
    assert "1 committed, 1 failed" in result.stdout
    assert "logs 0002 t.csv" in result.stdout


def test_lines_of_dashes_are_no_last_lines(folder):
    (folder / "run.sh").write_text("echo no mesh >&2; echo ------- >&2; exit 3\n")
    assert "    last line: no mesh\n" in call("run", "t.csv", "-t", "run.sh").stdout


def test_plan_changes_nothing_and_a_dry_run_prints_the_same(folder):
    before = sorted(folder.rglob("*"))
    planned, dry = call("plan", "t.csv", "-t", "run.sh"), call("run", "t.csv", "-t", "run.sh", "-n")
    assert (planned.exit_code, dry.exit_code, dry.stdout) == (0, 0, planned.stdout)
    assert "2 to run (4 B in), 0 done" in planned.stdout
    assert sorted(folder.rglob("*")) == before


def test_plan_shows_rendered_templates_and_commands(folder):
    (folder / "engine.in.template").write_text("speed = ${rpm:.1f}\n")
    arguments = ["t.csv", "-t", "engine.in.template", "--", "solve", "${rpm}"]
    shown = call("plan", "--show", *arguments).stdout
    assert "=== run 0002: solve 1600\n" in shown
    assert "--- engine.in\nspeed = 1600.0\n" in shown
    row = json.loads(call("plan", "--show", "--json", *arguments).stdout)["rows"][0]
    assert (row["command"], row["templates"]) == (["solve", "1500"], {"engine.in": "speed = 1500.0\n"})
    assert row["environment"]["rpm"] == "1500"


def test_words_after_two_dashes_are_the_command_even_without_a_table(folder):
    (folder / "sweep.toml").write_text('table = "t.csv"\n')
    assert call("run", "--", "sh", "-c", "echo $rpm > x.out").exit_code == 0
    assert outputs(folder) == {"a/x.out": "1500\n", "b/x.out": "1600\n"}


def test_settings_are_relative_to_their_file_and_options_win(folder, monkeypatch):
    (folder / "sweep.toml").write_text('table = "t.csv"\ntemplates = ["run.sh"]\noutputs = ["nothing"]\n')
    (folder / "else").mkdir()
    monkeypatch.chdir(folder / "else")
    assert call("run", "-c", "../sweep.toml", "--outputs", "*.out").exit_code == 0
    assert set(outputs(folder)) == {"a/result.out", "b/result.out"}
    assert (folder / ".anystore-doe/t").is_dir()


def test_inputs_and_outputs_of_the_settings_start_at_their_file_and_those_of_options_here(folder, monkeypatch):
    (folder / "v.csv").write_text("rpm\n1\n")
    (folder / "sweep.toml").write_text('table = "v.csv"\ntemplates = ["run.sh"]\ninput = "in/a.txt"\noutput = "out"\n')
    (folder / "else/in").mkdir(parents=True)
    (folder / "else/in/a.txt").write_text("other\n")
    monkeypatch.chdir(folder / "else")
    assert call("run", "-c", "../sweep.toml").exit_code == 0
    assert outputs(folder) == {"0001/result.out": "A\n"}
    assert call("run", "-c", "../sweep.toml", "-i", "in/a.txt", "-o", "out").exit_code == 0
    assert outputs(folder / "else") == {"0001/result.out": "other\n"}


def test_only_selected_rows_run(folder):
    assert call("run", "t.csv", "-t", "run.sh", "--select", "2").exit_code == 0
    assert set(outputs(folder)) == {"b/result.out"}


def test_bad_rows_stop_everything_unless_they_are_skipped(folder):
    (folder / "in/b.txt").unlink()
    refused = call("run", "t.csv", "-t", "run.sh")
    assert (refused.exit_code, "line 3 (run 0002)" in refused.stderr) == (3, True)
    assert not (folder / "out").exists()
    skipped = call("run", "t.csv", "-t", "run.sh", "--skip-bad-rows")
    assert (skipped.exit_code, set(outputs(folder))) == (1, {"a/result.out"})
    assert "1 committed, 1 refused" in skipped.stdout
    assert call("plan", "t.csv", "-t", "run.sh").exit_code == 3


def test_what_is_committed_otherwise_is_replaced_only_on_demand(folder):
    call("run", "t.csv", "-t", "run.sh")
    (folder / "run.sh").write_text("echo new > new.out\n")
    assert call("run", "t.csv", "-t", "run.sh").exit_code == 3
    assert call("run", "t.csv", "-t", "run.sh", "--overwrite").exit_code == 0
    assert outputs(folder) == {"a/new.out": "new\n", "b/new.out": "new\n"}


def test_foreign_objects_are_refused_unless_allowed(folder):
    (folder / "out/a").mkdir(parents=True)
    (folder / "out/a/theirs").write_text("x")
    assert call("run", "t.csv", "-t", "run.sh").exit_code == 3
    assert call("run", "t.csv", "-t", "run.sh", "--allow-foreign").exit_code == 0
    assert outputs(folder)["a/theirs"] == "x"


def test_fail_fast_begins_no_further_run(folder):
    (folder / "run.sh").write_text("exit 1\n")
    kept_going = json.loads(call("run", "t.csv", "-t", "run.sh", "-j1", "--json", "-k").stdout)
    assert len(kept_going["failed"]) == 2
    fast = call("run", "t.csv", "-t", "run.sh", "-j1", "--lookahead", "0", "--json", "--fail-fast")
    assert fast.exit_code == 1
    assert [path.name for path in (folder / ".anystore-doe/t/runs").iterdir()].count("0002.2") == 0
    assert (folder / ".anystore-doe/t/runs/0001.2").is_dir()


def test_a_run_without_outputs_is_said_to_have_none(folder):
    result = call("run", "t.csv", "--", "true")
    assert (result.exit_code, "Warning: 2 runs (0001, 0002): no outputs were left" in result.stderr) == (0, True)


def test_more_slots_than_cores_are_one_warning(folder):
    result = call("plan", "t.csv", "-t", "run.sh", "-j", "500")
    assert result.stderr.count("Warning: 500 slots") == 1


# ── what is said afterwards ─────────────────────────────────────────────────────────────────────


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


# ── what is wrong is said ───────────────────────────────────────────────────────────────────────


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
        ("rpm,output\n1,gs://x/y\n", "no storage plugin serves gs://"),
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


# ── signals ─────────────────────────────────────────────────────────────────────────────────────


def wait_for(found, running):
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)


def heard(number):
    """Start a program that hears a signal which whoever started the tests may have ignored."""
    return lambda: signal.signal(number, signal.SIG_DFL)


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(folder):
    (folder / "run.sh").write_text('echo here > "$MARK"; while ! test -e "$GO"; do sleep 0.05; done; echo 1 > x.out\n')
    environ = {**os.environ, "MARK": str(folder / "mark"), "GO": str(folder / "go")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "--select", "1"]
    ignored = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731  short, and used once
    running = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, preexec_fn=ignored)
    wait_for((folder / "mark").exists, running)
    running.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    assert (running.wait(40), set(outputs(folder))) == (0, {"a/x.out"})


def test_columns_that_are_no_variables_are_said_not_to_be_exported(folder):
    (folder / "t.csv").write_text("bore (mm),rpm,output\n1,2,o/x\n")
    assert "Warning: no script finds 'bore (mm)' in its environment" in call("plan", "t.csv", "-t", "run.sh").stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_solvers_and_the_same_command_goes_on(folder, number):
    (folder / "run.sh").write_text('test -e "$GO" || { echo here > "$MARK.${rpm}"; sleep 60; }\necho ${rpm} > x.out\n')
    environ = {**os.environ, "MARK": str(folder / "mark"), "GO": str(folder / "go")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "-j1"]
    running = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard(number)
    )
    wait_for(lambda: list(folder.glob("mark.*")), running)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=40)
    assert (running.returncode, "2 not finished" in stdout) == (128 + number, True), stderr
    (folder / "go").touch()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, outputs(folder)) == (0, {"a/x.out": "1500\n", "b/x.out": "1600\n"}), done.stderr


def test_a_second_engine_in_the_same_work_root_is_refused(folder):
    (folder / "run.sh").write_text('echo here > "$MARK"; sleep 60\n')
    environ = {**os.environ, "MARK": str(folder / "mark")}
    command = [*PROGRAM, "run", "t.csv", "-t", "run.sh", "-j1"]
    running = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for((folder / "mark").exists, running)
        second = call("run", "t.csv", "-t", "run.sh")
        assert (second.exit_code, f"process {running.pid}" in second.stderr) == (7, True), second.output
    finally:
        running.terminate()
        running.wait(40)
