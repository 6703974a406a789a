"""From texts to a sweep: run table, templates, settings. Touches neither disk nor network.

Start with :func:`make_sweep` in ``assemble``; ``shell`` and ``shell_template`` are what keeps values out of code.
"""

from anystore_doe.definition.assemble import make_sweep
from anystore_doe.definition.durations import parse_duration
from anystore_doe.definition.render import (
    column_exports,
    render_command,
    render_text,
    render_url,
    rendered_template,
    template_exports,
    unexported_columns,
)
from anystore_doe.definition.select import select_rows
from anystore_doe.definition.settings import Settings, SlotSettings, TemplateSpec, merge, read_settings
from anystore_doe.definition.sources import InputFileSource, TemplateSource, default_name, is_shell, template_spec
from anystore_doe.definition.urls import absolute_url, is_url

__all__ = [
    "InputFileSource",
    "Settings",
    "SlotSettings",
    "TemplateSource",
    "TemplateSpec",
    "absolute_url",
    "column_exports",
    "default_name",
    "is_shell",
    "is_url",
    "make_sweep",
    "merge",
    "parse_duration",
    "read_settings",
    "render_command",
    "render_text",
    "render_url",
    "rendered_template",
    "select_rows",
    "template_exports",
    "template_spec",
    "unexported_columns",
]
