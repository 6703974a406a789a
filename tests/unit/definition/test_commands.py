from __future__ import annotations

import pytest

from anystore_doe.errors import DefinitionError


def test_a_command_is_split_as_a_shell_would(define) -> None:
    assert define(command="solve --title 'a b' ${rpm}").recipe.command == ("solve", "--title", "a b", "${rpm}")


def test_metrics_are_split_too(define) -> None:
    assert define(metrics="python post.py").recipe.metrics == ("python", "post.py")


@pytest.mark.parametrize("key", ["command", "metrics"])
def test_an_unclosed_quote_in_a_command_is_refused(define, key: str) -> None:
    with pytest.raises(DefinitionError, match="no closing quotation") as caught:
        define(**{key: "solve 'x", "command": "solve 'x" if key == "command" else "solve"})
    assert caught.value.where == key


def test_the_only_shell_template_is_the_command(define) -> None:
    sweep = define(templates={"run.sh": "true\n", "engine.in": "x\n"})
    assert sweep.recipe.command == ("bash", "run.sh")


@pytest.mark.parametrize(
    ("templates", "words"),
    [({"engine.in": "x"}, "no shell template"), ({"a.sh": "x", "b.sh": "y"}, "2 shell templates ('a.sh', 'b.sh')")],
)
def test_without_a_command_there_must_be_one_script(define, templates: dict[str, str], words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(templates=templates)
    assert words in str(caught.value)
    assert "--" in caught.value.hint


def test_an_unknown_column_in_the_command_is_refused(define) -> None:
    with pytest.raises(DefinitionError, match="names no column") as caught:
        define(command=["solve", "-n", "${rpn}"])
    assert caught.value.where == "command, word 3:1:1"
    assert caught.value.hint == "did you mean 'rpm'?"


@pytest.mark.parametrize(
    "command",
    [
        ["bash", "-c", "solve ${rpm}"],
        ["sh", "-ec", "x", "${rpm}"],
        ["python3.11", "-c", "f(${rpm})"],
        ["ssh", "h", "${rpm}"],
    ],
)
def test_a_value_does_not_become_part_of_a_program(define, command: list[str]) -> None:
    with pytest.raises(DefinitionError, match="part of a program text") as caught:
        define(command=command)
    assert "$rpm without braces" in caught.value.hint


def test_an_option_of_a_program_is_no_program_text(define) -> None:
    assert define(command=["solve", "-c", "${rpm}"])


def test_a_value_that_looks_like_an_option_is_refused_where_it_starts_a_word(define) -> None:
    table = "rpm,output\n-1.5e3,o/1\n--exec=x,o/2\n"
    assert define(table, command=["solve", "--rpm=${rpm}"])
    with pytest.raises(DefinitionError, match="taken for an option") as caught:
        define(table, command=["solve", "${rpm}"])
    assert caught.value.where == "inputs.csv:3"


def test_a_value_that_no_environment_can_hold_is_refused(define) -> None:
    long = "x" * 140_000
    with pytest.raises(DefinitionError, match="140,000 bytes does not fit") as caught:
        define(f"rpm,output\n1,o/1\n{long},o/2\n")
    assert caught.value.where == "inputs.csv:3"
    assert define(f"the table,output\n{long},o/2\n").runs[0].values["the table"] == long
