from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anystore_doe.definition import InputFileSource, Settings, TemplateSource, make_sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anystore_doe.model import Sweep

TABLE = "rpm,output\n1500,out/a\n1600,out/b\n"


class Definer:
    """Makes a sweep of texts; the table lies in /doe, the settings in /here."""

    table = TABLE

    def __call__(
        self,
        table: str | bytes = TABLE,
        templates: Mapping[str, str] | None = None,
        *,
        files: Mapping[str, bytes] | None = None,
        environ: Mapping[str, str] | None = None,
        source: str = "inputs.csv",
        **settings: object,
    ) -> Sweep:
        settings.setdefault("command", ["solve"] if templates is None else None)
        return make_sweep(
            table_text=table,
            table=source,
            settings=Settings(**settings),
            templates=[TemplateSource(name=n, text=t, source=n) for n, t in (templates or {}).items()],
            input_files=[InputFileSource(name=n, content=c) for n, c in (files or {}).items()],
            environ=environ or {},
            base="/doe",
            settings_base="/here",
        )


@pytest.fixture(scope="session")
def define() -> Definer:
    return Definer()
