from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.definition.table import read_table
from anystore_doe.errors import DefinitionError


def cells(text: str | bytes, source: str = "t.csv") -> list[tuple[str, ...]]:
    table = read_table(text, source=source)
    return [table.header, *(row.cells for row in table.rows)]


WELL_FORMED = {
    "plain": "a,b\n1,2\n",
    "bom": "\ufeffa,b\n1,2\n",
    "bom-in-bytes": b"\xef\xbb\xbfa,b\n1,2\n",
    "crlf": "a,b\r\n1,2\r\n",
    "old-mac": "a,b\r1,2\r",
    "quotes": '"a","b"\n"1","2"\n',
    "blank-lines": "\n\na,b\n\n  \n1,2\n\n",
    "blanks-after-commas": "a, b\n1, 2\n",
    "blanks-around-names": " a , b \n1,2\n",
    "no-last-line-end": "a,b\n1,2",
    "row-of-nothing": "a,b\n1,2\n,\n",
    "tabs-in-header": "a\tb\n1\t2\n",
}


@pytest.mark.parametrize("text", WELL_FORMED.values(), ids=WELL_FORMED)
def test_tables_of_any_usual_shape_read_the_same(text: str | bytes) -> None:
    assert cells(text) == [("a", "b"), ("1", "2")]


def test_a_tsv_file_may_hold_commas() -> None:
    assert cells("a,x\tb\n1,5\t2\n", "t.TSV") == [("a,x", "b"), ("1,5", "2")]


def test_quoted_cells_hold_commas_quotes_and_line_ends() -> None:
    assert cells('a,b\n"1,5","say ""hi""\nthere"\n')[1] == ("1,5", 'say "hi"\nthere')


def test_rows_know_the_line_they_start_on() -> None:
    table = read_table('a,b\n1,"x\ny\nz"\n\n2,3\r\n4,5\n', source="t.csv")
    assert [row.line for row in table.rows] == [2, 6, 7]
    assert table.where(table.rows[1]) == "t.csv:6"


def test_a_cell_of_ten_mebibytes_is_read_and_the_limit_of_the_process_is_put_back() -> None:
    before = csv.field_size_limit()
    long = "x" * (10 * 2**20)
    assert cells(f"a,b\n1,{long}\n")[1] == ("1", long)
    with pytest.raises(DefinitionError):
        cells('a,b\n1,"x')
    assert csv.field_size_limit() == before


BAD = {
    "empty": ("", "t.csv", "is empty"),
    "only-blank-lines": ("\n \n", "t.csv", "is empty"),
    "no-rows": ("a,b\n\n", "t.csv:1", "no rows"),
    "ragged-short": ("a,b\n1,2\n3\n", "t.csv:3", "1 cells, the header has 2"),
    "ragged-long": ("a,b\n1,2\n3,4,5\n", "t.csv:3", "3 cells, the header has 2"),
    "ragged-after-long-cell": ('a,b\n1,"x\ny"\n3\n', "t.csv:4", "1 cells"),
    "duplicate-header": ("a,b,a\n1,2,3\n", "t.csv:1", "two columns are named 'a'"),
    "duplicate-after-blanks": ("a, a\n1,2\n", "t.csv:1", "two columns are named 'a'"),
    "empty-header-name": ("a,,b\n1,2,3\n", "t.csv:1", "column 2 has no name"),
    "nul": ("a,b\n1,x\0y\n", "t.csv:2:4", "NUL"),
    "escape": ("a,b\n1,\x1b[2J\n", "t.csv:2:3", "control character \\x1b"),
    "unclosed-quote": ('a,b\n1,"two\n3,4\n', "t.csv:2:3", "never closed"),
    "unclosed-quote-in-the-middle": ('a,b\n1,"two\n3,"four"\n', "t.csv:2", "after the closing quote"),
    "text-after-quote": ('a,b\n1,"two"x\n', "t.csv:2", "after the closing quote"),
    "not-utf8": (b"a,b\n1,2\n3,\xe9\n", "t.csv:3:3", "not UTF-8"),
    "utf16": ("a,b\n1,2\n".encode("utf-16"), "t.csv:1:1", "looks like UTF-16"),
    "lone-surrogate": ("a,b\n1,\ud800\n", "t.csv:2:3", "surrogate"),
    "semicolons": ("a;b\n1;2\n", "t.csv:1", "semicolons"),
    "header-payload": ("a,$(x)\n1,2\n", "t.csv:1", "can not be written in a placeholder"),
    "header-brace": ("a,b}\n1,2\n", "t.csv:1", "can not be written in a placeholder"),
    "header-line-end": ('a,"b\nc"\n1,2\n', "t.csv:1", "can not be written in a placeholder"),
}


@pytest.mark.parametrize(("text", "where", "words"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused_with_its_place(text: str | bytes, where: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_table(text, source="t.csv")
    assert caught.value.where == where
    assert words in str(caught.value)
    assert caught.value.exit_code == 3


def test_every_ragged_row_is_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_table("a,b\n1\n1,2\n1,2,3\n", source="t.csv")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["t.csv:2", "t.csv:4"]


def test_thousands_of_bad_rows_do_not_flood_but_are_all_placed() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_table("a,b\n" + "1\n" * 3000, source="t.csv")
    lines = str(caught.value).splitlines()
    assert len(lines) == 51
    assert lines[-1].startswith("and 2950 more: t.csv:52, ")
    assert lines[-1].endswith(", t.csv:3001")


def test_messages_carry_no_control_characters() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_table("a,b\x9b31m\n1,2\n", source="t.csv")
    assert "\x9b" not in str(caught.value)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="${}`\\"), min_size=1)


@given(st.lists(st.lists(TEXT.map(str.strip).filter(bool), min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_a_csv_writer_wrote_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    assert cells(written.getvalue()) == [("a", "b", "c"), *map(tuple, rows)]


@given(st.binary(max_size=200) | st.text('a,"\n\r\t \ufeff\0;${`', max_size=60))
def test_any_bytes_give_a_table_or_a_definition_error(content: str | bytes) -> None:
    try:
        table = read_table(content, source="t.csv")
    except DefinitionError as error:
        place = error.where
    else:
        place = table.where(table.rows[0])
        assert all(len(row.cells) == len(table.header) for row in table.rows)
    assert place.startswith("t.csv")
