"""Install lines, in messages and on pages, name what exists."""

import re
import tomllib

import pytest
from docs_pages import ROOT, pages

from anystore_doe.registry import hints

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
PLUGINS = {
    tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"]: file.parent
    for file in ROOT.glob("plugins/*/pyproject.toml")
}


def install_lines() -> list[str]:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py"), *pages(), ROOT / "CONTRIBUTING.md"]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sources if file.is_file())
    return sorted(set(re.findall(r"pip install [^\n`]+", text)))


def test_every_hint_names_a_distribution_of_this_checkout():
    assert set(hints.INSTALL) == set(PLUGINS)
    for name, line in hints.INSTALL.items():
        assert f"-e plugins/{PLUGINS[name].name}" in line


def test_every_scheme_leads_to_a_plugin_that_exists_or_to_plain_words():
    for scheme, plugin in hints.PLUGIN_OF_SCHEME.items():
        hint = hints.install_hint(scheme)
        assert ("pip install" in hint) == (plugin in PLUGINS)
        assert "pip install" in hint or "no plugin for" in hint


@pytest.mark.parametrize("line", install_lines())
def test_an_install_line_names_extras_and_folders_that_exist(line):
    for extras in re.findall(r"(?:\.|anystore-doe)\[([a-z0-9,]+)\]", line):
        assert set(extras.split(",")) <= EXTRAS
    for folder in re.findall(r"-e (plugins/\S+?)['\"]?(?:\s|$)", line):
        assert (ROOT / folder / "pyproject.toml").is_file()
    for name in re.findall(r"(?<![\w/.])(anystore-doe-[a-z0-9]+)", line):
        assert name in PLUGINS
