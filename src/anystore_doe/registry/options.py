"""From plain settings to a plugin's options record: names, types, paths and environment are settled here."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anystore_doe.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field

    from anystore_doe.model import Plain


NAMED = "_env"
"""What is added to a secret option's name where settings name the variable that holds it."""


def make_options(
    kind: type,
    given: Mapping[str, Plain],
    *,
    where: str,
    environ: Mapping[str, str],
    base: Path,
) -> Any:
    """Make the options record ``kind`` from settings, then the environment, then the fields' defaults.

    For a secret option ``account_key``, settings may say ``account_key_env = "NAME"`` instead: its value is that of the
    variable ``NAME``.

    Args:
        kind: A frozen dataclass of fields made by :func:`anystore_doe.contract.option`.
        given: What the settings say; wins over the environment.
        where: For messages, such as ``storage."s3://bucket"``.
        environ: Read where a field names a variable and the settings are silent; an empty value is silent too.
        base: Relative paths in the settings (options whose names end in ``_file``) start here.

    Raises:
        DefinitionError: unknown option, or a value of the wrong type; the value itself is not shown.
    """
    known = {field.name: field for field in fields(kind)}
    given = _with_named(kind, given, where, environ)
    for name in given:
        if name not in known:
            raise _unknown(name, list(known), where)
    types = _types(kind)
    values: dict[str, Any] = {}
    for name, field in known.items():
        variable = field.metadata.get("env", "")
        if given.get(name) is not None:
            values[name] = _typed(given[name], types[name], f"{where}.{name}", strict=True)
            values[name] = _resolved(name, values[name], base)
        elif variable and environ.get(variable):
            values[name] = _typed(environ[variable], types[name], f"the variable {variable}", strict=False)
            values[name] = _resolved(name, values[name], Path.cwd())
    return kind(**values)


def portable(kind: type, given: Mapping[str, Plain], *, base: Path) -> dict[str, Plain]:
    """Return the settings as another process may have them: without secrets, with absolute paths."""
    secret = {field.name for field in fields(kind) if is_secret(field)}
    return {name: _resolved(name, value, base) for name, value in given.items() if name not in secret}


def named_variables(kind: type, given: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    """Yield each secret option for which settings name a variable, and that variable."""
    for field in fields(kind):
        variable = given.get(field.name + NAMED) if is_secret(field) else None
        if isinstance(variable, str) and variable:
            yield field.name, variable


def _with_named(kind: type, given: Mapping[str, Plain], where: str, environ: Mapping[str, str]) -> dict[str, Plain]:
    """Return the settings with the values of the variables that they name for secrets."""
    found = dict(given)
    for name, variable in named_variables(kind, given):
        del found[name + NAMED]
        if name in given:
            raise DefinitionError("the value and its variable are both given: keep one", where=f"{where}.{name}{NAMED}")
        if not environ.get(variable):
            raise DefinitionError(
                f"the variable {variable} is not set",
                where=f"{where}.{name}{NAMED}",
                hint=f"export {variable}=… before you start anystore-doe, here and where its workers run",
            )
        found[name] = environ[variable]
    return found


def is_secret(field: Field[Any]) -> bool:
    """Tell whether an option's value must never be shown."""
    return bool(field.metadata.get("secret", False))


def _types(kind: type) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(kind)


def _typed(value: Plain, kind: Any, where: str, *, strict: bool) -> Any:
    from msgspec import ValidationError, convert

    try:
        return convert(value, kind, strict=strict)
    except ValidationError:
        # msgspec's own words may quote the value, and the value may be a secret.
        raise DefinitionError(
            f"expected {_spoken(kind)}, found {_spoken(type(value))}"
            if not isinstance(value, str) or not _is_choice(kind)
            else f"expected {_spoken(kind)}",
            where=where,
        ) from None


def _is_choice(kind: Any) -> bool:
    return "Literal" in str(kind)


def _spoken(kind: Any) -> str:
    """Say a type in the words of a settings file."""
    words = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
    from typing import Literal, get_args, get_origin

    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    parts = [part for part in get_args(kind) if part is not type(None)]
    if parts:
        return " or ".join(_spoken(part) for part in parts)
    return words.get(getattr(kind, "__name__", ""), str(kind))


def _resolved(name: str, value: Any, base: Path) -> Any:
    if name.endswith("_file") and isinstance(value, str) and value:
        return str(base.absolute() / Path(value).expanduser())
    return value


def _unknown(name: str, known: list[str], where: str) -> DefinitionError:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    there = f"known: {', '.join(known)}" if known else "it has none"
    return DefinitionError(
        f"unknown option {name!r} ({there})",
        where=where,
        hint=f"did you mean {close[0]}?" if close else "anystore-doe plugins",
    )
