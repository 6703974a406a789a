"""Templates, values and files that would not do what they look like: refused with file and line."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from bad_input import RUN, desk_of, everything, refused

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "rpm,output\n1500,out/a\n1600,out/b\n"


def test_a_misspelt_column_is_refused_and_the_hint_names_the_right_one(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": TABLE, "run.sh": "#!/bin/bash\n\necho ${rpn} > x.out\n"})
    words = refused(desk)
    assert words.error == "run.sh:3:6: ${rpn} names no column, and nothing sets it"
    desk.write("run.sh", (desk.folder / "run.sh").read_text().replace("rpn", words.meant))
    desk(*RUN)
    assert (desk.folder / "out/b/x.out").read_text() == "1600\n"


def test_a_misspelt_column_in_a_deck_or_a_command_is_refused_too(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": TABLE, "engine.in.template": "# ${rpm}\nrpm ${rpn:.1f}\n"})
    words = refused(desk, "run", "t.csv", "-t", "engine.in.template", "--", "cat", "engine.in")
    assert (words.error, words.meant) == ("engine.in.template:2:5: ${rpn:.1f} names no column", "rpm")
    words = refused(desk, *RUN, "--", "bash", "run.sh", "${rpn}")
    assert "${rpn} names no column" in words.error
    assert words.meant == "rpm"


@pytest.mark.parametrize(
    ("script", "where", "stands", "mended"),
    [
        ("echo start\necho 'rpm ${rpm}' > x.out\n", "run.sh:2:11", "in single quotes", 'echo "rpm ${rpm}" > x.out\n'),
        (
            "cat > x.out <<'EOF'\nrpm ${rpm}\nEOF\n",
            "run.sh:2:5",
            "in a quoted here-document",
            "cat > x.out <<EOF\nrpm ${rpm}\nEOF\n",
        ),
    ],
)
def test_a_placeholder_that_the_shell_would_not_expand_is_refused(tmp_path: Path, script, where, stands, mended):
    desk = desk_of(tmp_path, {"t.csv": TABLE, "run.sh": script})
    words = refused(desk)
    assert words.error == f"{where}: the shell does not expand ${{rpm}} here: it stands {stands}"
    wanted = "double quotes" if "single" in stands else "leave out the quotes around the word after << on line 1"
    assert wanted in words.hint
    desk.write("run.sh", mended)
    desk(*RUN)
    assert (desk.folder / "out/a/x.out").read_text() == "rpm 1500\n"


def test_values_that_a_shell_would_evaluate_are_refused_by_row_and_never_run(tmp_path: Path):
    mark = tmp_path / "evaluated"
    values = [f"$(touch {mark})", f"`touch {mark}`", f"a[$(touch {mark})]", "${HOME}", "1500"]
    rows = "".join(f'"{value}",out/{number}\n' for number, value in enumerate(values))
    script = 'echo $((rpm)) "${rpm}" ${rpm} > x.out\n[[ rpm -eq 1 ]] || true\n'
    desk = desk_of(tmp_path, {"t.csv": "rpm,output\n" + rows, "run.sh": script})
    words = refused(desk)
    for line in (2, 3, 4, 5):
        assert f"t.csv:{line}: column 'rpm': '" in words.error
    assert "t.csv:6" not in words.error
    assert "a shell evaluates it" in words.error
    assert not mark.exists()


def test_a_value_that_does_not_fit_its_format_is_refused_with_row_and_template(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": "rpm,output\n1500,o/a\nfast,o/b\n", "run.sh": "echo ${rpm:.1f}\n"})
    assert refused(desk).error == "t.csv:3: column 'rpm': 'fast' is not a number (used in run.sh:1:6)"


def test_a_missing_or_unreadable_template_is_refused(tmp_path: Path):
    desk = desk_of(tmp_path, {"t.csv": TABLE, "crlf.sh": b"echo ${rpm}\r\n", "bytes.sh": b"echo \xff\n"})
    words = refused(desk, "run", "t.csv", "-t", "runs.sh")
    assert (words.error, words.meant) == ("template runs.sh: there is no such file", "run.sh")
    assert "bytes.sh:1:6: this is not UTF-8 text" in refused(desk, "run", "t.csv", "-t", "bytes.sh").error
    words = refused(desk, "run", "t.csv", "-t", "crlf.sh")
    assert ("Windows line ends" in words.error, words.hint) == (True, "sed -i 's/\\r$//' crlf.sh")


KEYS = {
    "config": "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {}\n",
    "sa.json": '{{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\n{}"}}',
    "azure.env": "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey={}==\n",
}


@pytest.mark.parametrize("name", KEYS)
def test_an_input_file_that_holds_keys_is_refused_and_config_file_is_named(tmp_path: Path, name):
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"
    desk = desk_of(tmp_path, {"t.csv": TABLE, name: KEYS[name].format(secret)})
    words = refused(desk, *RUN, "--input-file", name, secrets=[secret, "AKIAIOSFODNN7EXAMPLE"])
    assert words.error.startswith(f"{name}: the input file '{name}' looks like it holds ")
    setting, _, rest = words.hint.partition(": ")[2].partition("; or ")
    assert tomllib.loads(setting) == {"storage": {"s3://bucket": {"config_file": name}}}
    assert "--share-credentials" in rest
    desk.write("sweep.toml", setting + "\n")
    desk(*RUN, "-c", "sweep.toml")
    assert not [path for path, body in everything(desk).items() if secret.encode() in body and path != name]
