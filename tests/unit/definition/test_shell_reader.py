"""What the reader of shell scripts says about a placeholder, held against what a real bash does with it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anystore_doe.definition.shell import expansions

if TYPE_CHECKING:
    from pathlib import Path

EXPANDED = [
    "echo ${v}",
    'echo "${v}"',
    'echo "it\'s ${v}"',
    "echo \\'${v}\\'",
    "echo \"a'${v}'b\"",
    "echo 'a'${v}'b'",
    "cat <<EOF\n'${v}'\nEOF",
    "cat <<-EOF\n\t${v}\n\tEOF",
    "cat <<A; cat <<B\nx\nA\n'${v}'\nB",
    "cat <<'A'; echo ${v}\n'\nA",
    "cat <<'A'\n'\nA\necho ${v}",
    "echo $(( ${v} ))",
    "echo $(( 1 << 2 )) ${v}",
    "(( 1 << 2 ))\necho ${v}",
    "for ((i=0; i<1<<1; i++)); do echo ${v}; done",
    "((echo a); echo ${v})",
    "echo $((echo a; echo b) | tail -1) ${v}",
    "echo $(echo ')' ${v})",
    "echo $(case x in x) echo ${v};; esac)",
    "echo $(case x in (x) echo ')' ${v};; esac) 'q'",
    "case x in\n x) echo ${v};;\nesac",
    "if true; then case x in x) echo ${v};; esac; fi",
    "f() { case x in x) echo $(echo ${v});; esac; }; f",
    "echo `echo ${v}`",
    'echo "`echo ${v}`"',
    "echo a#'b' ${v}",
    "echo $# ${v}",
    "x=abc; echo ${#x} ${x#a} ${v}",
    "echo ${x:-${v}}",
    "echo \"${x:-'${v}'}\"",
    'echo ${x:-"${v}"}',
    "echo ${v/\\}/x}",
    "echo \\\\${v}",
    'echo "\\"${v}\\""',
    "# it's a comment\necho ${v}",
    "echo x # it's\necho ${v}",
    "echo $'it\\'s' ${v}",
    'echo $"x ${v}"',
    "cat <<< ${v}",
    "[[ x =~ ^(x|y)$ ]] && echo ${v}",
    "a=( 'x' ${v} )\necho ${a[1]}",
    "echo $$'x' ${v}",
    "echo ${v:-$(echo '}')}",
    "cat <<EOF\n$(echo 'x') ${v}\nEOF",
    "cat <<EOF\n\\\\${v}\nEOF",
    'cat <<E"O"F\nx\nEOF\necho ${v}',
    "echo $(cat <<'EOF'\n'\nEOF\n) ${v}",
    "echo $(( 16#ff )) ${v}",
]
HIDDEN = [
    "echo '${v}'",
    "echo 'a\n${v}\nb'",
    "echo \"x\"'${v}'",
    "echo $'${v}'",
    "echo $'it\\'s ${v}'",
    "cat <<'EOF'\n${v}\nEOF",
    'cat <<"EOF"\n${v}\nEOF',
    "cat <<\\EOF\n${v}\nEOF",
    "cat <<E'O'F\n${v}\nEOF",
    "cat <<-'EOF'\n\t${v}\n\tEOF",
    "cat <<A <<'B'\nx\nA\n${v}\nB",
    "echo $(echo '${v}')",
    "echo \"$(echo '${v}')\"",
    "echo `echo '${v}'`",
    "echo ${x:-'${v}'}",
    "echo $(cat <<'EOF'\n${v}\nEOF\n)",
    "true <<'EOF' || echo ${v}\n${v}\nEOF",
    "case x in x) echo '${v}';; esac",
]
NOT_THERE = ["echo x # ${v}", "# ${v}", "echo \\${v}", 'echo "\\${v}"', "cat <<EOF\n\\${v}\nEOF", "echo x;# ${v}"]


def seen_by_bash(script: str, values: dict[str, str]) -> str:
    env = {"PATH": os.environ["PATH"], **values}
    done = subprocess.run(
        ["bash"], input=script + "\n", env=env, capture_output=True, text=True, timeout=10, check=False
    )
    return done.stdout + done.stderr


def read(script: str) -> list[str]:
    found = expansions(script + "\n", where="run.sh")
    return [one.hidden for one in found if one.braced and one.body.startswith("v")]


@pytest.mark.parametrize("script", EXPANDED)
def test_bash_expands_what_the_reader_calls_expanded(script: str) -> None:
    assert read(script) == [""]
    assert "4242" in seen_by_bash(script, {"v": "4242"})


@pytest.mark.parametrize("script", HIDDEN)
def test_bash_does_not_expand_what_the_reader_calls_hidden(script: str) -> None:
    assert any(read(script))
    assert "4242" not in seen_by_bash(script, {"v": "4242"})


@pytest.mark.parametrize("script", NOT_THERE)
def test_comments_and_escaped_dollars_are_no_placeholders(script: str) -> None:
    assert read(script) == []
    assert "4242" not in seen_by_bash(script, {"v": "4242"})


def test_the_place_of_the_quote_is_told() -> None:
    (found,) = expansions("echo a\necho 'x\n${v}'\n", where="run.sh")
    assert (found.start, found.opened) == (15, 12)


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    many = st.lists(inner, min_size=1, max_size=3).map("".join)
    return st.one_of(
        many.map(lambda t: f'"{t}"'),
        many.map(lambda t: f"$(echo {t})"),
        many.map(lambda t: f"${{unset:-{t}}}"),
        many.map(lambda t: f"$(case x in x) echo {t};; esac)"),
        many.map(lambda t: f"$(cat <<EOF\n{t}\nEOF\n)"),
        many.map(lambda t: f"$(cat <<'EOF'\n{t}\nEOF\n)"),
    )


# No $'…' here: bash 5.2 forgets such quotes in "$(echo ${unset:-$'…'})", which is its own affair.
LEAVES = st.sampled_from(
    ["@", "@", "a", " ", "'@'", "'a'", "\\@", "\\\\", "$((1 << 1))", "${#unset}", "\\'", "$#", "a#b", "=~"]
)
SCRIPT = st.lists(st.recursive(LEAVES, pieces, max_leaves=8), min_size=1, max_size=4).map(
    lambda parts: "echo " + "".join(parts)
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SCRIPT)
def test_bash_and_the_reader_agree_about_nested_quotes(tmp_path: Path, script: str) -> None:
    names = [f"v{n}x" for n in range(script.count("@"))]
    for name in names:
        script = script.replace("@", f"${{{name}}}", 1)
    output = seen_by_bash(script, {name: f"<{name}>" for name in names})
    if "syntax error" in output or "unexpected EOF" in output or "bad substitution" in output or "here-doc" in output:
        return
    found = {one.body: one.hidden for one in expansions(script + "\n", where="x") if one.body in names}
    for name in names:
        assert (f"<{name}>" in output) == (found.get(name) == ""), (script, name, output)


@given(st.text("'\"`$(){}\\\n <EOF-#;|&a=:v", max_size=60))
def test_any_text_is_read_to_its_end(script: str) -> None:
    for found in expansions(script, where="x"):
        assert 0 <= found.start < found.end <= len(script)
        assert script[found.start] == "$"


@pytest.mark.parametrize("opened", ["$((", "((", "`$((", '"$((', "${x:-$(("])
def test_unclosed_expansions_are_read_in_reasonable_time(opened: str) -> None:
    assert "v" in {one.body for one in expansions(opened * 60 + "${v}", where="x")}
