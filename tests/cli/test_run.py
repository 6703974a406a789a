"""``run`` and ``plan`` on plain files, as a user calls them."""

from __future__ import annotations

import json

from calling import call, outputs


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


def test_columns_that_are_no_variables_are_said_not_to_be_exported(folder):
    (folder / "t.csv").write_text("bore (mm),rpm,output\n1,2,o/x\n")
    assert "Warning: no script finds 'bore (mm)' in its environment" in call("plan", "t.csv", "-t", "run.sh").stderr
