"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build/html``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "anystore-doe"
author = "the authors of anystore-doe"
copyright = author  # noqa: A001  the name that Sphinx reads
version = release = version_of("anystore-doe")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nitpicky = True
# Only our own names have pages here; those of Python, pluggy and others are shown without a link.
nitpick_ignore_regex = [(r"py:.*", r"(?!anystore_doe).*")]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"anystore-doe {version}"
html_static_path = ["_static"]
html_css_files = ["ours.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "default"
