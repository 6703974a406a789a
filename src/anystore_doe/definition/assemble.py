"""From texts to a sweep: the one function that callers need."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from anystore_doe.definition.columns import Roles, find_roles, looks_staged
from anystore_doe.definition.findings import Findings, shown
from anystore_doe.definition.overlaps import overlaps
from anystore_doe.definition.recipe import read_recipe
from anystore_doe.definition.render import Field, fields, fill_url, parse
from anystore_doe.definition.run_ids import is_safe_id, run_ids
from anystore_doe.definition.table import Row, Table, read_table
from anystore_doe.definition.urls import BadUrlError, absolute_url, is_url
from anystore_doe.definition.values import check_values
from anystore_doe.errors import DefinitionError
from anystore_doe.model import OUR_FOLDER, Run, StoreSettings, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anystore_doe.definition.settings import Settings
    from anystore_doe.definition.sources import InputFileSource, TemplateSource


def make_sweep(
    *,
    table_text: str | bytes,
    table: str,
    settings: Settings,
    templates: Sequence[TemplateSource] = (),
    input_files: Sequence[InputFileSource] = (),
    environ: Mapping[str, str],
    base: str,
    settings_base: str,
) -> Sweep:
    """Make a sweep of what the caller read; touches neither disk nor network.

    Args:
        table_text: The run table.
        table: Its path or URL, for messages and the sweep's name.
        settings: The settings file with the command line's options laid over it.
        templates: As the caller read them; ``settings.templates`` is not looked at.
        input_files: The same for ``settings.input_files``.
        environ: What the scripts will find in their environment, to tell a misspelt column from a variable.
        base: Absolute folder that paths in the table are relative to.
        settings_base: Absolute folder that ``input`` and ``output`` of the settings are relative to.

    Raises:
        DefinitionError: anything about them is wrong; findings of one kind come together in one error.
    """
    data = read_table(table_text, source=table)
    roles = find_roles(data, settings)
    recipe, uses = read_recipe(settings, templates, input_files, columns=data.header, environ=environ)
    findings = Findings()
    ids = run_ids(data, roles.run_id, findings)
    check_values(data, uses, findings)
    findings.stop()
    runs = _Rows(data, roles, settings, base, settings_base).runs(ids)
    slots = settings.slots
    return Sweep(
        name=_sweep_name(settings.name, table),
        table=table,
        runs=runs,
        recipe=recipe,
        ignore_columns=tuple(settings.ignore_columns or ()),
        slots=_at_least(slots.count if slots else None, 1, "slots.count"),
        cores_per_slot=_at_least(slots.cores if slots else None, 1, "slots.cores") or 1,
        lookahead=_at_least(slots.lookahead if slots else None, 0, "slots.lookahead"),
        executor=_executor(settings),
        executor_options={k: v for k, v in (settings.executor or {}).items() if k != "name"},
        stores=_stores(settings),
    )


class _Rows:
    """Makes the runs of a table."""

    def __init__(self, table: Table, roles: Roles, settings: Settings, base: str, settings_base: str) -> None:
        self.table = table
        self.roles = roles
        self.base = base
        self.settings_base = settings_base
        self.findings = Findings()
        self.labels = [f"column {shown(name)}" for name in table.header]
        common = [settings.input] if isinstance(settings.input, str) else settings.input or []
        self.common_inputs = [self._parsed(text, "input") for text in common]
        self.common_output = None if settings.output is None else self._common_output(settings.output)
        if roles.output is None and self.common_output is None:
            raise self._no_output()

    def _no_output(self) -> DefinitionError:
        named = next((name for name in self.table.header if looks_staged(name, "output")), "")
        if named and any(row.cells[self.table.header.index(named)].strip() for row in self.table.rows):
            return DefinitionError(
                f"no cell of the column {shown(named)} holds a '/', so it is taken for a value and not for a place",
                where=f"{self.table.source}:{self.table.header_line}",
                hint=f"if its cells name folders here: --output-column {shlex.quote(named)}",
            )
        return DefinitionError(
            f"the cells of the column {shown(named)} are empty"
            if named
            else "no column says where the outputs of a run go",
            where=f"{self.table.source}:{self.table.header_line}",
            hint="add a column 'output' with a URL or path in each row, or say it for all: -o 's3://…/${run_id}/'",
        )

    def _parsed(self, text: str, key: str) -> tuple[list[str | Field], str]:
        return parse(text, {*self.table.header, "run_id"}, where=key), text

    def _common_output(self, text: str) -> tuple[list[str | Field], str]:
        parsed = self._parsed(text, "output")
        if next(fields(parsed[0]), None) is None:
            return self._parsed(text.rstrip("/") + "/${run_id}/", "output")
        return parsed

    def runs(self, ids: Sequence[str]) -> tuple[Run, ...]:
        """Return the runs in table order.

        Raises:
            DefinitionError: a row has no output or a bad URL, or two rows get into each other's way.
        """
        made = []
        for number, (row, run_id) in enumerate(zip(self.table.rows, ids, strict=True), 1):
            values = dict(zip(self.table.header, row.cells, strict=True))
            output = self._output(row, values, run_id)
            inputs = self._inputs(row, values, run_id)
            made.append(
                Run(run_id=run_id, row=number, line=row.line, values=values, inputs=inputs, output=output.rstrip("/"))
            )
        self.findings.stop()
        for one, other, why in overlaps(made):
            self.findings.add(
                f"{self._named(one)} and {self._named(other)}: {why}"
                if one is not other
                else f"{self._named(one)}: {why}",
                where=f"{self.table.source}:{other.line}",
                hint="give every run an output of its own, apart from all inputs",
            )
        self.findings.stop()
        return tuple(made)

    def _named(self, run: Run) -> str:
        return f"run {run.run_id} (line {run.line})"

    def _output(self, row: Row, values: dict[str, str], run_id: str) -> str:
        index = self.roles.output
        cell = row.cells[index].strip() if index is not None else ""
        if cell and index is not None:
            url = self._url(cell, row, self.labels[index])
        elif self.common_output is not None:
            url = self._filled(self.common_output, row, values, run_id, "output")
        else:
            self.findings.add(f"the output cell ({self.labels[index or 0]}) is empty", where=self.table.where(row))
            return ""
        if f"/{OUR_FOLDER}" in url and OUR_FOLDER in url.split("/"):
            self.findings.add(f"the output may not lie in a folder {OUR_FOLDER}", where=self.table.where(row))
        return url

    def _inputs(self, row: Row, values: dict[str, str], run_id: str) -> tuple[str, ...]:
        cells = [(i, cell) for i in self.roles.inputs if (cell := row.cells[i].strip())]
        if cells:
            urls = [self._url(cell, row, self.labels[i]) for i, cell in cells]
        else:
            urls = [self._filled(common, row, values, run_id, "input") for common in self.common_inputs]
        return tuple(dict.fromkeys(urls))

    def _url(self, text: str, row: Row, name: str, base: str = "") -> str:
        try:
            return absolute_url(text, base or self.base)
        except BadUrlError as error:
            self.findings.add(f"{name}: the URL {error}", where=self.table.where(row))
            return ""

    def _filled(
        self, common: tuple[list[str | Field], str], row: Row, values: dict[str, str], run_id: str, key: str
    ) -> str:
        parts, text = common
        try:
            url = fill_url(parts, {**values, "run_id": run_id}, text)
        except DefinitionError as error:
            self.findings.add(str(error), where=self.table.where(row))
            return ""
        return self._url(url, row, key, self.settings_base)


def _at_least(number: int | None, least: int, key: str) -> int | None:
    if number is not None and number < least:
        raise DefinitionError(f"{key} is {number}, and must be at least {least}", where=key)
    return number


def _executor(settings: Settings) -> str:
    name = (settings.executor or {}).get("name", "local")
    if not isinstance(name, str) or not name:
        raise DefinitionError("executor.name must be text", where="executor.name", hint='name = "local"')
    return name


def _stores(settings: Settings) -> tuple[StoreSettings, ...]:
    stores = []
    for prefix, options in (settings.storage or {}).items():
        where = f"storage.{shown(prefix)}"
        plugin = options.get("plugin")
        if not is_url(prefix):
            raise DefinitionError("not a URL", where=where, hint='write [storage."s3://bucket"] or "file:///folder"')
        if plugin is not None and not isinstance(plugin, str):
            raise DefinitionError("plugin must be the name of a distribution", where=f"{where}.plugin")
        kept = {key: value for key, value in options.items() if key != "plugin"}
        stores.append(StoreSettings(prefix=prefix, options=kept, plugin=plugin))
    return tuple(stores)


def _sweep_name(name: str | None, table: str) -> str:
    if name is None:
        stem = re.sub(r"\.[^.]*$", "", table.rstrip("/").rpartition("/")[2])
        return re.sub(r"[^A-Za-z0-9._+=@-]", "_", stem).strip(".-")[:128].rstrip(".") or "sweep"
    if not is_safe_id(name):
        raise DefinitionError(
            f"{shown(name)} is not a safe name", where="name", hint="use 1 to 128 letters, digits and ._-+=@"
        )
    return name
