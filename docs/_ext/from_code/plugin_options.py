"""Options of the installed plugins of this project, from their options records, and what is installed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_type_hints

from anystore_doe.engine.environment import CLOUD_CREDENTIALS, NO_CREDENTIALS, NO_CREDENTIALS_ELSEWHERE
from anystore_doe.registry import Registry
from from_code.settings import spoken
from from_code.text import code, escaped, sentence, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anystore_doe.registry import Offer

OURS = "anystore-doe"


def registry() -> Registry:
    """Return what is installed; the documentation describes only this project's own distributions."""
    return Registry.discover({})


def ours(offers: list[Offer[Any]]) -> Iterator[Offer[Any]]:
    """Yield the offers of this project's distributions."""
    return (one for one in offers if one.plugin.distribution.startswith(OURS))


def write_storages() -> str:
    """Write a section per storage plugin: its schemes, its options, the variables it hides from solvers."""
    return "\n\n".join(_storage(one) for one in ours(registry().storage_offers()))


def _storage(offer: Offer[Any]) -> str:
    entry = offer.entry
    every = entry.schemes == ("*",)
    served = (
        "every scheme that fsspec knows and no plugin claims" if every else _listed(f"{s}://" for s in entry.schemes)
    )
    parts = [
        f"### {'Any other scheme' if every else ', '.join(f'`{s}://`' for s in entry.schemes)}",
        f"{sentence(escaped(entry.summary))} Comes with the distribution {code(offer.plugin.distribution)}; "
        f"serves {served}.",
        _options(entry.options),
    ]
    if entry.credential_env:
        parts.append(f"Never given to a solver (see {{doc}}`/explanation/security`): {_listed(entry.credential_env)}.")
    if entry.blank_env:
        pairs = _listed(f"{name}={value}" for name, value in entry.blank_env)
        parts.append(f"Set for a solver, so that a cloud's own tools find no credentials elsewhere: {pairs}.")
    return "\n\n".join(parts)


def write_credentials() -> str:
    """Write which variables no solver gets, and which are set instead."""
    patterns = _listed(f"{one}".replace("*", "…") for one in CLOUD_CREDENTIALS)
    blanks = _listed(f"{name}={value}" for name, value in NO_CREDENTIALS_ELSEWHERE.items())
    kept = _listed(one.replace("*", "…") for one in NO_CREDENTIALS)
    return (
        f"{patterns} (`…` stands for anything; {kept} are kept).\n\n"
        f"So that a cloud's own tools do not look elsewhere, these are set: {blanks}."
    )


def write_executors() -> str:
    """Write what each executor is and its options."""
    rows = []
    for one in ours(registry().executor_offers()):
        options = ", ".join(code(field.name) for field in dataclasses.fields(one.entry.options)) or "none"
        rows.append((code(one.entry.name), escaped(one.entry.summary), code(one.plugin.distribution), options))
    return table(("Executor", "What it does", "Distribution", "Options"), rows)


def write_installed() -> str:
    """Write the archive formats."""
    rows = [
        (_listed(one.entry.suffixes), escaped(one.entry.summary), "yes" if one.entry.can_pack else "no")
        for one in ours(registry().archive_offers())
    ]
    return table(("Suffixes", "What", "Can be packed"), rows)


def _options(kind: type) -> str:
    fields = dataclasses.fields(kind)
    if not fields:
        return "It has no options."
    hints = get_type_hints(kind)
    rows = []
    for field in fields:
        words = escaped(field.metadata["help"])
        if field.metadata.get("secret"):
            words += (
                " **Secret**: never printed, never put into a work order; `"
                + field.name
                + "_env` names the variable that holds it."
            )
        default = (
            ""
            if field.default is None
            else code(str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
        )
        variable = field.metadata.get("env") or ""
        rows.append((code(field.name), spoken(hints[field.name]), words, default, code(variable) if variable else ""))
    header = ("Option", "Type", "What it does", "Default", "Variable")
    used = [at for at, _ in enumerate(header) if at < 3 or any(row[at] for row in rows)]
    return table([header[at] for at in used], [[row[at] for at in used] for row in rows])


def _listed(names: Any) -> str:
    return ", ".join(code(name) for name in names)
