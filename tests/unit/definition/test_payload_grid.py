"""What a table says never runs: payloads in every place of a sweep, carried out with a real bash.

A payload is either refused, or the sweep is carried out as the engine would, and the canary file must not appear.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from anystore_doe.definition import column_exports, render_command, rendered_template, template_exports
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

    from anystore_doe.model import Sweep

PAYLOADS = [
    "$(touch C)",
    "`touch C`",
    "; touch C",
    "| touch C",
    "&& touch C",
    "& touch C &",
    "1\ntouch C\n",
    "1\r\ntouch C\r\n",
    '"; touch C; "',
    "'; touch C; '",
    "'\"; touch C; \"'",
    "a[$(touch C)]",
    "a[`touch C`]",
    "a[0$(touch C)0]+1",
    "${x:-$(touch C)}",
    "${x:=`touch C`}",
    "$((a[$(touch C)]))",
    "<(touch C)",
    "a[<(touch C)]",
    ">C",
    "> C <",
    "EOF\ntouch C\n",
    "EOF\ntouch C\n: <<EOF",
    ")); touch C; ((",
    "]]; touch C; [[ 1",
    "$'\\n'touch C",
    "{touch,C}",
    "() { :; }; touch C",
    "--rcfile=C",
    "-c touch C",
    "\\$(touch C)",
    "$\\(touch C)",
    "x=1; touch C #",
    "#\ntouch C",
    "0 -o -e a[$(touch C)]",
    "${IFS}touch${IFS}C",
]

SCRIPTS = {
    "bare": "echo ${V}\n",
    "bare command word": "true ${V} $V\n",
    "double quotes": 'echo "x ${V} y"\n',
    "single quotes": "echo 'x ${V} y'\n",
    "ansi quotes": "echo $'x ${V} y'\n",
    "here-document": "cat <<EOF\nx = ${V}\nEOF\n",
    "here-document with tabs": "cat <<-EOF\n\tx = ${V}\n\tEOF\n",
    "quoted here-document": "cat <<'EOF'\nx = ${V}\nEOF\n",
    "here-string": "cat <<< ${V}\n",
    "arithmetic": "echo $(( V + 1 ))\n",
    "arithmetic, expanded": "echo $(( ${V} + 1 ))\n",
    "arithmetic command": "(( V > 3 )) && echo more\n",
    "let": 'let "y = V"\n',
    "declare -i": "declare -i y=$V\necho $y\n",
    "array index": "a=(1 2)\necho ${a[$V]}\n",
    "substring": "s=abc\necho ${s:V:1}\n",
    "[[ -eq ]]": "[[ ${V} -eq 1 ]] && echo one\n",
    "[[ -eq ]], by name": "[[ V -eq 1 ]] && echo one\n",
    "[ -eq ]": "[ ${V} -eq 1 ] && echo one\n",
    "test -v": 'test -v "$V"\n',
    "printf -v": 'printf -v "$V" x\n',
    "indirect": "echo ${!V}\n",
    "comment": "echo x # ${V}\n",
    "case": "case ${V} in ${V}) echo same;; esac\n",
    "for": "for i in ${V}; do echo $i; done\n",
    "command substitution": "echo $(echo ${V}) `echo ${V}`\n",
    "file name": 'echo x > "case_${V//\\//_}.out"\n',
    "read": 'read y <<< "${V}"\necho $(( y ))\n',
    "formatted": "echo ${V:.3f}\n",
    "pattern": 'echo "${V?string("0.0#")}"\n',
}


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def carry_out(sweep: Sweep, folder: Path) -> None:
    """Do with the first run what a worker does with it: environment, templates, command."""
    run, recipe = sweep.runs[0], sweep.recipe
    for template in recipe.templates:
        (folder / template.name).write_text(rendered_template(template, run.values))
    env = {"PATH": os.environ["PATH"], **column_exports(run.values), **template_exports(recipe, run.values)}
    argv = render_command(recipe.command, run.values)
    subprocess.run(argv, cwd=folder, env=env, capture_output=True, timeout=10, stdin=subprocess.DEVNULL, check=False)


def executions(define, folder: Path, table: str, templates: dict[str, str], **settings: object) -> tuple[int, int]:
    """Return how many payloads were carried out, and how many of these ran."""
    carried = ran = 0
    for number, payload in enumerate(PAYLOADS):
        work = folder / str(number)
        work.mkdir()
        canary = work / "canary"
        try:
            made = define(table.replace("PAYLOAD", quoted(payload.replace("C", str(canary)))), templates, **settings)
        except DefinitionError:
            continue
        carried += 1
        carry_out(made, work)
        ran += canary.exists()
    return carried, ran


@pytest.mark.parametrize("place", SCRIPTS)
def test_no_payload_runs_from_a_shell_template(define, tmp_path: Path, place: str) -> None:
    carried, ran = executions(define, tmp_path, "V,output\nPAYLOAD,o/1\n", {"run.sh": SCRIPTS[place]})
    assert ran == 0
    refused_whole = place in {"single quotes", "ansi quotes", "quoted here-document", "formatted", "pattern"}
    assert (carried == 0) == refused_whole


def test_no_payload_runs_from_a_deck(define, tmp_path: Path) -> None:
    templates = {"run.sh": "cat engine.in\n", "engine.in": "x = ${V}\n"}
    assert executions(define, tmp_path, "V,output\nPAYLOAD,o/1\n", templates)[1] == 0


def test_no_payload_adds_a_line_to_a_deck_that_bash_reads(define, tmp_path: Path) -> None:
    templates = {"run.sh": ". ./engine.in\n", "engine.in": "x=0 # ${V}\n"}
    carried, ran = executions(define, tmp_path, "V,output\nPAYLOAD,o/1\n", templates)
    assert carried
    assert ran == 0


@pytest.mark.parametrize(
    "table",
    {
        "run_id": "run_id,output\nPAYLOAD,o/1\n",
        "header": "PAYLOAD,output\n1,o/1\n",
        "output URL": "V,output\n1,PAYLOAD\n",
        "input URL": "V,input,output\n1,PAYLOAD,o/1\n",
    }.items(),
    ids=lambda item: item[0],
)
def test_no_payload_runs_from_the_tables_own_places(define, tmp_path: Path, table: tuple[str, str]) -> None:
    script = 'echo "$output" $output ${input:-} $(( ${run_id:-0} ))\n'
    settings = {"output_column": "output", "input_columns": ["input"] if "input" in table[1] else None}
    assert executions(define, tmp_path, table[1], {"run.sh": script}, **settings)[1] == 0


@pytest.mark.parametrize(
    "command",
    [
        ["bash", "run.sh", "${V}"],
        ["bash", "run.sh", "--value=${V}"],
        ["bash", "-c", "echo ${V}"],
        ["bash", "-ec", "echo ${V}"],
        ["bash", "-o", "pipefail", "-c", "echo ${V}"],
        ["env", "sh", "-c", "echo '${V}'"],
        ["python3", "-c", "print(${V})"],
        ["python3", "-c", "print('''${V}''')"],
        ["perl", "-e", "print(${V})"],
        ["awk", "BEGIN { print ${V} }"],
        ["echo", "${V}"],
        ["bash", "${V}"],
    ],
    ids=" ".join,
)
def test_no_payload_runs_from_the_command(define, tmp_path: Path, command: list[str]) -> None:
    script = {"run.sh": "echo $(( $1 )) ${a[$1]} $1\n"}
    assert executions(define, tmp_path, "V,output\nPAYLOAD,o/1\n", script, command=command)[1] == 0


PROGRAMS = {
    "post.py": "import sys\nprint(${V})\n",
    "quoted.py": "import sys\nprint('${V}', \"${V}\", '''${V}''')\n",
    "post.pl": "print ${V};\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_payload_runs_from_a_program_of_another_language(define, tmp_path: Path, name: str) -> None:
    command = ["perl" if name.endswith(".pl") else "python3", name]
    payloads = "__import__('os').system('touch C')", "system('touch C')", "' + str(open('C', 'w')) + '"
    for number, payload in enumerate([*payloads, *PAYLOADS]):
        work = tmp_path / str(number)
        work.mkdir()
        canary = work / "canary"
        table = f"V,output\n{quoted(payload.replace('C', str(canary)))},o/1\n"
        try:
            made = define(table, {name: PROGRAMS[name]}, command=command)
        except DefinitionError:
            continue
        carry_out(made, work)
        assert not canary.exists(), payload


@pytest.mark.parametrize("script", ["echo $(( V ))\n", "[[ V -eq 1 ]]\n", "a=(1 2)\necho ${a[$V]}\n"])
def test_the_canary_sings_when_nothing_guards_the_shell(tmp_path: Path, script: str) -> None:
    env = {"PATH": os.environ["PATH"], "V": f"a[$(touch {tmp_path / 'canary'})]"}
    subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=10, check=False)
    assert (tmp_path / "canary").exists()
