"""The run table: CSV or TSV text to rows with their line numbers."""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anystore_doe.definition.findings import Findings, position, shown
from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONGEST_CELL = 2**31 - 1
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


@dataclass(frozen=True, slots=True)
class Row:
    """One data row: the 1-based line it starts on, and as many cells as the header has names."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A run table.

    Attributes:
        source: Path or URL, for messages.
        text: What it was read from.
        header_line: 1-based.
        header: Column names without surrounding blanks, all different, none empty.
        rows: At least one; blank lines, and rows of empty cells only, are left out.
    """

    source: str
    text: str
    header_line: int
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def where(self, row: Row) -> str:
        """Return ``file:line`` of a row."""
        return f"{self.source}:{row.line}"


def read_table(text: str | bytes, *, source: str) -> Table:
    """Read a run table.

    UTF-8 with or without byte-order mark, any line ends, double quotes, blank lines and blanks after commas are
    fine. It is tab-separated when ``source`` ends in ``.tsv``, or when the header holds tabs and no commas.

    Raises:
        DefinitionError: it is empty, has no rows, is not UTF-8, holds a control character (other than tab and
            line ends), a quote that is not closed, a row of another length than the header, or a column name that
            is empty, used twice or can not be written in a placeholder.
    """
    decoded = _decoded(text, source)
    if bad := _FORBIDDEN.search(decoded):
        what = "a NUL character" if bad[0] == "\0" else f"the control character \\x{ord(bad[0]):02x}"
        raise DefinitionError(f"there is {what}", where=f"{source}:{position(decoded, bad.start())}")
    records = list(_records(decoded, source))
    if not records:
        raise DefinitionError("the run table is empty", where=source, hint="the first line names the columns")
    line, names = records[0]
    header = _header(names, f"{source}:{line}")
    if len(records) == 1:
        raise DefinitionError("the run table has a header and no rows", where=f"{source}:{line}")
    findings = Findings()
    rows = []
    for line, cells in records[1:]:
        if len(cells) != len(header):
            findings.add(
                f"this row has {len(cells)} cells, the header has {len(header)}",
                where=f"{source}:{line}",
                hint="a cell that holds a comma needs double quotes around it",
            )
        rows.append(Row(line, tuple(cells)))
    findings.stop()
    return Table(source=source, text=decoded, header_line=records[0][0], header=header, rows=tuple(rows))


def decode_utf8(content: str | bytes, source: str) -> str:
    """Return ``content`` as text without byte-order mark.

    Raises:
        DefinitionError: it is not UTF-8; names line and column (in bytes).
    """
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = content.rfind(b"\n", 0, error.start) + 1
        line = content.count(b"\n", 0, error.start) + 1
        like = next((f" (it looks like {name})" for bom, name in _BOMS if content.startswith(bom)), "")
        raise DefinitionError(
            f"this is not UTF-8 text{like}: byte 0x{content[error.start]:02x}",
            where=f"{source}:{line}:{error.start - start + 1}",
            hint="save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')",
        ) from error


def _decoded(text: str | bytes, source: str) -> str:
    decoded = decode_utf8(text, source)
    try:
        decoded.encode()
    except UnicodeEncodeError as error:
        where = f"{source}:{position(decoded, error.start)}"
        raise DefinitionError("there is half a character (a lone surrogate)", where=where) from error
    return decoded


def _records(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and cells of each record that is not blank."""
    dialect = "excel-tab" if _is_tsv(text, source) else "excel"
    reader = csv.reader(io.StringIO(text, newline=""), dialect, strict=True, skipinitialspace=True)
    line = 1
    with _long_cells():
        try:
            for cells in reader:
                if any(cell and not cell.isspace() for cell in cells):
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise _broken_record(text, source, line, error) from error


def _is_tsv(text: str, source: str) -> bool:
    head = text.lstrip("\r\n ").partition("\n")[0]
    return source.lower().endswith((".tsv", ".tab")) or ("\t" in head and "," not in head)


@contextmanager
def _long_cells() -> Iterator[None]:
    # The limit belongs to the whole process (the csv module has no other), so it is put back at once.
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _broken_record(text: str, source: str, line: int, error: csv.Error) -> DefinitionError:
    if "end of data" in str(error):
        ends = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
        start = ends[line - 1]
        return DefinitionError(
            "the quote that opens here is never closed",
            where=f"{source}:{position(text, start + _last_open_quote(text[start:]))}",
            hint="a double quote inside a quoted cell is written twice",
        )
    return DefinitionError(
        f"there is text after the closing quote of a cell ({error})",
        where=f"{source}:{line}",
        hint="a double quote inside a quoted cell is written twice; look for a quote that is not closed",
    )


def _last_open_quote(record: str) -> int:
    """Return the index of the quote that is still open at the end of ``record``."""
    opened = -1
    for match in re.finditer('"', record):
        opened = match.start() if opened < 0 else -1
    return max(opened, 0)


def _header(names: list[str], where: str) -> tuple[str, ...]:
    header = tuple(name.strip() for name in names)
    findings = Findings()
    if len(header) == 1 and ";" in header[0]:
        findings.add("the columns are separated by semicolons", where=where, hint="save it with commas or tabs")
    seen: set[str] = set()
    for number, name in enumerate(header, 1):
        if not name:
            findings.add(f"column {number} has no name", where=where)
        elif name in seen:
            findings.add(f"two columns are named {shown(name)}", where=where)
        elif not name.isprintable() or set(name) & set("${}`\\"):
            findings.add(
                f"the column name {shown(name)} can not be written in a placeholder",
                where=where,
                hint="leave out control characters and any of $ { } ` \\",
            )
        seen.add(name)
    findings.stop()
    return header
