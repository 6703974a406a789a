from __future__ import annotations

import os
import subprocess

import pytest

from anystore_doe.definition import column_exports, rendered_template, template_exports, unexported_columns
from anystore_doe.errors import DefinitionError

TABLE = "rpm,bore (mm),output\n1500,80.25,o/1\n"


def text_of(define, script: str, **more: object) -> str:
    return define(TABLE, {"run.sh": script}, **more).recipe.templates[0].text


UNTOUCHED = [
    "echo ${rpm}\n",
    "echo ${rpm:-d} ${rpm:=8d} ${rpm:+.2f} ${rpm:?x} ${rpm:0:2} ${rpm:1}\n",
    "echo ${rpm%.*} ${rpm//1/2} ${#rpm} ${rpm^^}\n",
    "# '${rpm}' and ${rpn}\n",
    "awk '{ print $1 }' x\n",
    "echo \\${rpn}\n",
]


@pytest.mark.parametrize("script", UNTOUCHED)
def test_a_shell_template_is_not_edited(define, script: str) -> None:
    assert text_of(define, script) == script


def test_formatted_placeholders_become_variables_that_bash_expands(define) -> None:
    script = (
        'echo ${rpm:.3f} "${rpm?string("0.0#")}" ${rpm:08.1f} ${bore (mm):.1f} ${rpm}\ncat <<EOF\n${rpm:.3f}\nEOF\n'
    )
    sweep = define(TABLE, {"run.sh": script})
    template, values = sweep.recipe.templates[0], sweep.runs[0].values
    assert list(template.exports.values()) == [
        ("rpm", ".3f"),
        ("rpm", "?0.0#"),
        ("rpm", "08.1f"),
        ("bore (mm)", ".1f"),
    ]
    env = {"PATH": os.environ["PATH"], **column_exports(values), **template_exports(sweep.recipe, values)}
    done = subprocess.run(
        ["bash"], input=rendered_template(template, values), env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1500.000 1500.0 001500.0 80.2 1500\n1500.000\n"


def test_two_templates_do_not_share_a_variable_for_two_formats(define) -> None:
    sweep = define(
        TABLE, {"a.sh": "echo ${rpm:.1f}\n", "b.sh": "echo ${rpm:.2f} ${rpm:.1f}\n"}, command=["bash", "a.sh"]
    )
    assert sorted(template_exports(sweep.recipe, sweep.runs[0].values).values()) == ["1500.0", "1500.00"]


@pytest.mark.parametrize(
    ("script", "where", "hidden"),
    [
        ("echo\necho '${rpm}'\n", "run.sh:2:7", "single quotes"),
        ("cat > x <<'EOF'\nrpm = ${rpm}\nEOF\n", "run.sh:2:7", "a quoted here-document"),
        ("echo $'${rpm}'\n", "run.sh:1:8", "$'…' quotes"),
        ("echo '${rpm:.3f}'\n", "run.sh:1:7", "single quotes"),
        ("echo '${rpm?string(\"0.0\")}'\n", "run.sh:1:7", "single quotes"),
        ("cat <<\\EOF\n${rpm%.*}\nEOF\n", "run.sh:2:1", "a quoted here-document"),
    ],
)
def test_a_column_that_bash_would_not_expand_is_refused(define, script: str, where: str, hidden: str) -> None:
    with pytest.raises(DefinitionError, match="does not expand") as caught:
        text_of(define, script)
    assert caught.value.where == where
    assert hidden in str(caught.value)
    assert caught.value.hint


def test_all_of_them_are_named_at_once(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        text_of(define, "echo '${rpm}'\necho ${rpn}\necho ${rmp:.2f}\n")
    places = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert places == ["run.sh:1:7", "run.sh:2:6", "run.sh:3:6"]


@pytest.mark.parametrize("script", ["echo ${rpn}\n", "echo $rpn\n", "echo ${rmp}\n", "echo ${RPM}\n", "echo ${rp_m}\n"])
def test_a_name_one_letter_from_a_column_is_refused(define, script: str) -> None:
    with pytest.raises(DefinitionError, match="names no column") as caught:
        text_of(define, script)
    assert caught.value.where == "run.sh:1:6"
    assert "did you mean 'rpm'?" in caught.value.hint


@pytest.mark.parametrize(
    "script",
    [
        "rpn=3\necho ${rpn}\n",
        "echo ${rpn:-3}\n",
        "echo ${rpn-3}\n",
        "read -r a rpn < x\necho ${rpn}\n",
        "for rpn in 1 2; do echo ${rpn}; done\n",
        "for ((rpn=0; rpn<3; rpn++)); do echo ${rpn}; done\n",
        "export rpn\necho ${rpn}\n",
        "printf -v rpn %s x\necho ${rpn}\n",
        "rpn[2]=3\necho ${rpn[2]}\n",
        "echo ${rpmmax} ${xyz} $r\n",
        "echo '${rpn}'\n",
    ],
)
def test_names_that_the_script_sets_are_left_alone(define, script: str) -> None:
    assert text_of(define, script) == script


def test_run_id_without_such_a_column_is_refused_with_what_to_write(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        text_of(define, "echo ${run_id}\n")
    assert caught.value.where == "run.sh:1:6"
    assert "$ANYSTORE_DOE_RUN_ID" in caught.value.hint
    assert text_of(define, "run_id=1\necho ${run_id}\n")


def test_columns_that_are_not_exported_are_told(define) -> None:
    assert unexported_columns(define(TABLE).runs[0].values) == ("bore (mm)",)
    assert column_exports(define(TABLE).runs[0].values) == {"rpm": "1500", "output": "o/1"}


def test_names_of_the_environment_are_left_alone(define) -> None:
    assert text_of(define, "echo ${rpn}\n", environ={"rpn": "1"})


@pytest.mark.parametrize("name", ["UID", "PWD", "HOME"])
def test_names_of_the_shell_are_left_alone(define, name: str) -> None:
    table = f"{name.lower()[:-1]}x,output\n1,o/1\n"
    assert define(table, {"run.sh": f"echo ${{{name}}}\n"})


def test_a_formatted_unknown_name_is_refused(define) -> None:
    with pytest.raises(DefinitionError, match=r"\$\{rpms:.2f\} names no column") as caught:
        text_of(define, "echo ${rpms:.2f}\n")
    assert caught.value.hint == "did you mean 'rpm'?"


def test_a_name_that_no_shell_can_have_is_refused_in_a_script(define) -> None:
    with pytest.raises(DefinitionError, match="no name that a shell can have"):
        text_of(define, "echo ${bore (mm)}\n")


def test_windows_line_ends_are_refused(define) -> None:
    with pytest.raises(DefinitionError, match="Windows line ends"):
        text_of(define, "echo a\r\necho b\r\n")


@pytest.mark.parametrize("payload", ["a[$(id)]", "${IFS}", "`id`", "$(id)"])
def test_a_value_that_a_shell_would_run_is_refused_with_its_line(define, payload: str) -> None:
    with pytest.raises(DefinitionError, match="a shell evaluates it") as caught:
        define(f"rpm,output\n1,o/1\n{payload},o/2\n", {"run.sh": "echo $((rpm))\n"})
    assert caught.value.where == "inputs.csv:3"


@pytest.mark.parametrize(
    "command", [["bash", "x"], ["env", "/bin/dash", "x"], ["./solve"], ["/opt/run.sh"], ["ssh", "h", "x"]]
)
def test_a_shell_in_the_command_counts_too(define, command: list[str]) -> None:
    with pytest.raises(DefinitionError, match="a shell evaluates it"):
        define("rpm,output\n$(id),o/1\n", command=command)


def test_without_any_shell_such_a_value_is_text(define) -> None:
    assert define("rpm,output\n$(id),o/1\n", command=["solve"]).runs[0].values["rpm"] == "$(id)"


@pytest.mark.parametrize(
    ("name", "text", "shell"),
    [
        ("run.sh", "x", True),
        ("run.bash", "x", True),
        ("run", "#!/bin/bash -e\n", True),
        ("run", "#! /usr/bin/env -S A=1 dash -e\n", True),
        ("run", "#!/bin/ksh\n", True),
        ("run", "#!/usr/bin/env python3\n", False),
        ("run.in", "x", False),
        ("run", "# bash\n", False),
    ],
)
def test_what_counts_as_a_shell_template(define, name: str, text: str, shell: bool) -> None:
    assert define(TABLE, {name: text}, command=["x"]).recipe.templates[0].shell is shell


def test_a_deeply_nested_script_is_refused_in_words(define) -> None:
    with pytest.raises(DefinitionError, match="nested too deeply"):
        text_of(define, "echo " + "$(" * 5000)
