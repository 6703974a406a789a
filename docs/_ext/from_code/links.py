"""Links from a bare class name in a signature to its page: ``ObjectInfo`` is ``anystore_doe.model.ObjectInfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
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
