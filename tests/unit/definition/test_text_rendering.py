from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.definition import render_command, render_text, render_url, rendered_template
from anystore_doe.definition.formats import BadFormatError, check_format, format_value
from anystore_doe.errors import DefinitionError

VALUES = {"v": "0.9", "z": "9810", "rpm": "1500", "a:b": "colon", "bore (mm)": "80", "name": "case 1a"}

RENDERED = {
    "x = ${v}\n": "x = 0.9\n",
    "${v}${z}": "0.99810",
    "${ v }": "0.9",
    "${bore (mm)} ${bore (mm):.1f}": "80 80.0",
    "${a:b}": "colon",
    "${v:.3f} ${v:.2e} ${v:.0%}": "0.900 9.00e-01 90%",
    "${rpm:06d} ${rpm:x} ${rpm:8.1f}|": "001500 5dc   1500.0|",
    "${name:>10s}|": "   case 1a|",
    '${v?string("0.00##")}': "0.90",
    '${z?string("0.00##")}': "9810.00",
    "${v?string('0.0')}": "0.9",
    "$${v}": "${v}",
    "$$${v}": "$${v}",
    "$v $ { $} }": "$v $ { $} }",
    "a\\${v}": "a\\0.9",
}


@pytest.mark.parametrize(("text", "rendered"), RENDERED.items())
def test_placeholders_are_replaced(text: str, rendered: str) -> None:
    assert render_text(text, VALUES, where="engine.in") == rendered


BAD = {
    "x\n  ${rpn}": ("engine.in:2:3", "names no column", "did you mean 'rpm'?"),
    "${rpm": ("engine.in:1:1", "not closed", "$${"),
    "${rpm\n}": ("engine.in:1:1", "not closed", "$${"),
    "${rpm:.3}": ("engine.in:1:1", "the format '.3'", ""),
    "${rpm:-3}": ("engine.in:1:1", "the format '-3'", ""),
    "${rpm:}": ("engine.in:1:1", "the format", ""),
    "${rpm:9999999f}": ("engine.in:1:1", "the format", ""),
    '${rpm?string("x")}': ("engine.in:1:1", "the pattern", ""),
    "${name:.3f}": ("engine.in:1:1", "column 'name': 'case 1a' is not a number", ""),
    "${v:d}": ("engine.in:1:1", "is not a whole number", ""),
    "${}": ("engine.in:1:1", "names no column", "$${"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_placeholder_is_refused_with_its_place(text: str) -> None:
    where, words, hint = BAD[text]
    with pytest.raises(DefinitionError) as caught:
        render_text(text, VALUES, where="engine.in")
    assert caught.value.where == where
    assert words in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(("where", "text"), [("case/run.sh", "x ${v}"), ("run", "#!/bin/sh\necho ${v}")])
def test_nothing_is_pasted_into_a_shell_script(where: str, text: str) -> None:
    with pytest.raises(DefinitionError, match="shell script"):
        render_text(text, VALUES, where=where)


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x85"])
def test_a_value_does_not_add_lines_to_a_text(define, end: str) -> None:
    with pytest.raises(DefinitionError, match="holds a line end"):
        render_text("${x}", {"x": f"1{end}2"}, where="engine.in")
    with pytest.raises(DefinitionError) as caught:
        define(f'x,output\n1,o/1\n"1{end}2",o/2\n', {"engine.in": "a\n${x}\n"}, command=["solve"])
    assert caught.value.where == "inputs.csv:3"
    assert "engine.in:2:1" in str(caught.value)


def test_a_value_that_is_no_number_names_row_column_and_template(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        define("rpm,output\n1,o/1\nfast,o/2\n", {"engine.in": "n = ${rpm:.1f}\n"}, command=["solve"])
    assert str(caught.value) == "inputs.csv:3: column 'rpm': 'fast' is not a number (used in engine.in:1:5)"


def test_an_unknown_column_in_a_deck_is_refused(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(templates={"engine.in": "a\nb = ${rpn}\n"}, command=["solve"])
    assert (caught.value.where, caught.value.hint) == ("engine.in:2:5", "did you mean 'rpm'?")


def test_run_id_in_a_deck_needs_a_column(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(templates={"engine.in": "${run_id}\n"}, command=["solve"])
    assert caught.value.hint.startswith("add a run_id column")


def test_a_template_is_rendered_for_each_run(define) -> None:
    sweep = define(templates={"engine.in": "n = ${rpm:.1f}\n"}, command=["solve"])
    template = sweep.recipe.templates[0]
    assert [rendered_template(template, run.values) for run in sweep.runs] == ["n = 1500.0\n", "n = 1600.0\n"]


def test_a_template_that_is_not_utf8_is_refused_with_its_line(define) -> None:
    with pytest.raises(DefinitionError) as caught:
        define(templates={"engine.in": b"a\nb\xe9\n"}, command=["solve"])
    assert caught.value.where == "engine.in:2:2"


@pytest.mark.parametrize(
    ("text", "pattern", "shown"),
    [
        ("0.9", "0.00##", "0.90"),
        ("9810", "0.00##", "9810.00"),
        ("1.49", "0.0", "1.5"),
        ("1.23456", "0.00##", "1.2346"),
        ("0.125", "0.00", "0.12"),
        ("0.135", "0.00", "0.14"),
        ("2.675", "0.00", "2.68"),
        ("7", "000", "007"),
        ("0.5", "#.##", "0.5"),
        ("0.5", "#.00", ".50"),
        ("1234.5", "#0", "1234"),
        ("-1.5", "0.0", "-1.5"),
        ("1e3", "0.0", "1000.0"),
        ("5", "0.##", "5"),
        ("0", "#", "0"),
    ],
)
def test_digit_patterns(text: str, pattern: str, shown: str) -> None:
    assert format_value(text, f"?{pattern}") == shown


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "inf", "1_000", "1,5", "0x10", "١", "1e99999", "1e999999999", "9" * 900]
)
@pytest.mark.parametrize("fmt", [".3f", "?0.00", "d"])
def test_what_is_no_usual_number_is_refused(text: str, fmt: str) -> None:
    with pytest.raises(BadFormatError):
        format_value(text, fmt)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30), st.integers(0, 8))
def test_a_pattern_of_digits_is_the_rounded_number(number: Decimal, places: int) -> None:
    shown = format_value(str(number), "?0." + "0" * places) if places else format_value(str(number), "?0")
    assert abs(Decimal(shown) - number) * 2 <= Decimal(1).scaleb(-places)
    assert len(shown.partition(".")[2]) == places


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([".3f", ".2e", "+.1g", "12.4f", "G"]))
def test_a_format_is_that_of_python(number: float, fmt: str) -> None:
    assert format_value(repr(number), fmt) == format(number, fmt)


@given(st.text("0#.dfes%,_<>^+- x", max_size=8))
def test_a_format_is_checked_or_refused_in_words(fmt: str) -> None:
    try:
        check_format(fmt)
    except BadFormatError:
        return
    assert isinstance(format_value("12", fmt) if fmt else "", str)


@given(st.text("${}?:.v \nstring(\"')0#", max_size=40))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        render_text(text, {"v": "1"}, where="engine.in")
        place = "engine.in:"
    except DefinitionError as error:
        place = error.where
    assert place.startswith("engine.in:")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_literal_text_comes_back(text: str) -> None:
    assert render_text(text.replace("${", "$${"), {}, where="engine.in.x") == text or text.startswith(
        ("#!", "\ufeff#!")
    )


def test_words_of_a_command_stay_words() -> None:
    assert render_command(["solve", "--n=${rpm:.0f}", "${name}"], VALUES) == ("solve", "--n=1500", "case 1a")


def test_a_url_knows_the_run_id() -> None:
    assert render_url("s3://b/${run_id}/${rpm}", VALUES, "0001") == "s3://b/0001/1500"
