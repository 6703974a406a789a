"""The keys of ``sweep.toml``, each with its type, what it is for, and the option that overrides it."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anystore_doe.definition.settings import Settings, SlotSettings, TemplateSpec
from from_code.commands import commands, options_of
from from_code.text import attributes, code, from_docstring, sentence, table

SLOT_KEYS = {
    "count": ("slots", "Solvers at once. Default: usable cores divided by `slots.cores`, at least 1."),
    "cores": ("cores_per_slot", "Cores of one solver. Default: 1."),
    "lookahead": ("lookahead", "Work folders beyond the slots. Default: twice the slots."),
}
"""Keys of ``[slots]``: the option's name in the command, and words."""

NOT_NAMED_ALIKE = {"fail_fast": "keep_going", "input_columns": "input_columns"}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def write() -> str:
    """Write the table of all keys."""
    words = attributes(Settings)
    hints = get_type_hints(Settings)
    rows = []
    for name in Settings.__struct_fields__:
        if name in {"slots", "executor", "storage"}:
            continue
        rows.append((code(name), spoken(hints[name]), sentence(from_docstring(words[name])), _option(name)))
    slots = get_type_hints(SlotSettings)
    for name in SlotSettings.__struct_fields__:
        dest, said = SLOT_KEYS[name]
        rows.append((code(f"slots.{name}"), spoken(slots[name]), said, _option(dest)))
    executor = "What keeps workers alive, see `anystore-doe plugins`. Default: `local`."
    rows.append((code("executor.name"), "text", executor, _option("executor")))
    rows.append((code("executor.OPTION"), "depends", "Options of that executor.", ""))
    storage = "Settings of all URLs that start with URL; the longest prefix wins. See the tables below."
    rows.append((code('[storage."URL"]'), "table", storage, ""))
    plugin = "The distribution that serves the prefix, where two installed ones could."
    rows.append((code('storage."URL".plugin'), "text", plugin, ""))
    return table(("Key", "Type", "What it does", "Option"), rows)


def spoken(hint: Any) -> str:
    """Say a type in the words of a settings file."""
    origin, inside = get_origin(hint), [one for one in get_args(hint) if one is not types.NoneType]
    if origin in {types.UnionType, Union}:
        return " or ".join(dict.fromkeys(spoken(one) for one in inside))
    if origin is Literal:
        return " or ".join(code(f'"{one}"') for one in inside if one)
    if origin is list:
        return "list of " + spoken(inside[0]).replace("text", "texts", 1)
    if hint is TemplateSpec:
        return "`{ file, name }`"
    return _WORDS[hint]


def _option(dest: str) -> str:
    """Return the flags of ``run`` that say the same as a key."""
    run = dict(commands())["run"]
    for option in options_of(run):
        if option.name in {dest, NOT_NAMED_ALIKE.get(dest)}:
            names = [name for name in (*option.opts, *option.secondary_opts) if name.startswith("--")]
            return code(names[-1] if dest == "fail_fast" else names[0])
    if any(parameter.name == dest for parameter in run.params):
        return code(dest.upper())
    return code("-- COMMAND") if dest == "command" else ""
