"""Finds plugins, notes broken ones, and picks by scheme, name or suffix. No global: a registry is passed on."""

from anystore_doe.registry.archives import Archives
from anystore_doe.registry.core import Registry
from anystore_doe.registry.loading import BLOCK_VARIABLE, Plugin
from anystore_doe.registry.offers import Offer
from anystore_doe.registry.opening import Opener

__all__ = ["BLOCK_VARIABLE", "Archives", "Offer", "Opener", "Plugin", "Registry"]
