"""What the engine is handed: it never looks for plugins, environment or observers itself."""

from __future__ import annotations

import logging
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from anystore_doe.engine.crew import Surroundings
    from anystore_doe.model import Recipe, RunEvent
    from anystore_doe.registry import Opener, Registry


def surroundings(
    registry: Registry,
    opener: Opener,
    recipe: Recipe,
    notify: Callable[[RunEvent], None] = lambda _event: None,
) -> Surroundings:
    """Return the engine's surroundings on this machine.

    Args:
        registry: The plugins.
        opener: Opens URLs; the caller closes it, after the engine.
        recipe: Says whether credentials are shared.
        notify: Told every event.
    """
    from anystore_doe.engine.crew import Surroundings

    return Surroundings(
        open_storage=opener,
        archives=registry.archives(),
        environ={**os.environ, **(opener.shared_environment() if recipe.share_credentials else {})},
        credential_env=(*registry.credential_env(), *opener.credential_variables()),
        blank_env=registry.blank_env(),
        notify=notify,
        logger=logging.getLogger("anystore_doe"),
        versions=_versions(registry),
        bug_of=registry.bug_of,
    )


def _versions(registry: Registry) -> dict[str, str]:
    made_by = {plugin.distribution: plugin.version for plugin in registry.plugins.values()}
    return {**made_by, "python": platform.python_version()}
