"""Names in signatures: links from a bare class name to its page, and signatures of records as they are written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes  # type: ignore[import-untyped]  # it ships no types
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def resolve_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.reference | None:
    """Resolve a Python name that is documented under exactly one longer name of ours."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target:
        return None
    domain: Any = env.domains["py"]
    last = "." + target.rpartition(".")[2]
    found = [name for name in domain.objects if name.endswith(last) and name.startswith("anystore_doe.")]
    if len(found) != 1:
        return None
    resolved: nodes.reference | None = domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", found[0], node, contnode
    )
    return resolved


def record_signature(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, _signature: str, _returns: str
) -> tuple[str, None] | None:
    """Return the signature of a frozen record with the types and defaults that its source shows."""
    if what != "class" or not dataclasses.is_dataclass(thing):
        return None
    return f"(*, {', '.join(map(_spelled, dataclasses.fields(thing)))})", None


def _spelled(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}: {field.type} = ..."
    if field.default is dataclasses.MISSING:
        return f"{field.name}: {field.type}"
    named = callable(field.default)
    default = "..." if named and field.default.__name__.startswith("_") else getattr(field.default, "__name__", None)
    return f"{field.name}: {field.type} = {default or repr(field.default)}"
