"""Every code block of the documentation is what it says it is."""

import re
import shlex
import tomllib

import click
import pytest
from docs_pages import DOCS, ROOT, Block, blocks, pages

from anystore_doe.cli.main import main
from anystore_doe.contract import NAME
from anystore_doe.definition import Settings, read_settings
from anystore_doe.registry import Registry
from anystore_doe.registry.options import make_options, named_variables

TOML, PYTHON, SHELL = blocks("toml"), blocks("python"), blocks("console", "shell-session")


def test_there_are_pages_with_blocks_of_every_kind():
    assert len(pages()) > 20
    assert len(TOML) > 5
    assert len(PYTHON) > 3
    assert len(SHELL) > 5


@pytest.mark.parametrize("block", TOML, ids=str)
def test_a_toml_block_is_a_settings_file_or_a_plugins_project_file(block):
    if block.text.startswith("# pyproject.toml\n"):
        assert tomllib.loads(block.text)["project"]["entry-points"][NAME]
        return
    settings = read_settings(block.text, where=str(block))
    assert settings != Settings()


@pytest.mark.parametrize("block", TOML, ids=str)
def test_the_storage_sections_of_a_block_have_options_that_the_store_knows(block, tmp_path):
    if block.text.startswith("# pyproject.toml\n"):
        return
    offers = {s: offer.entry for offer in Registry.discover({}).storage_offers() for s in offer.entry.schemes}
    for prefix, options in (read_settings(block.text, where=str(block)).storage or {}).items():
        given = {name: value for name, value in options.items() if name != "plugin"}
        entry = offers[prefix.partition("://")[0]]
        named = {variable: "AccountName=a" for _, variable in named_variables(entry.options, given)}
        make_options(entry.options, given, where=str(block), environ=named, base=tmp_path)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_block_compiles(block):
    compile(block.text, str(block), "exec")


def ours() -> list[tuple[Block, list[str]]]:
    found = []
    for block in SHELL:
        for command in block.commands:
            words = shlex.split(re.split(r" (?:\|\||>) ", command)[0], comments=True)
            while words and "=" in words[0]:  # variables before the command
                words.pop(0)
            if words and words[0] == "anystore-doe":
                found.append((block, words[1:]))
    return found


@pytest.mark.parametrize(
    ("block", "words"), ours(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_command_of_a_block_is_understood_by_the_program(block, words):
    context = main.make_context("anystore-doe", list(words), resilient_parsing=False)
    name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None, f"{block}: there is no command {name}"
    try:
        below = command.make_context(name, rest, parent=context)
        if isinstance(command, click.Group) and below._protected_args:
            name, command, rest = command.resolve_command(below, [*below._protected_args, *below.args])
            command.make_context(name, rest, parent=below)
    except click.exceptions.Exit:
        assert "--help" in words


def test_every_file_of_the_project_that_a_page_names_is_there():
    named = [
        (page, path)
        for page in pages()
        if page.parts[-2] != "how-to" and page.is_relative_to(DOCS)
        for path in re.findall(
            r"`((?:src|examples|benchmarks|plugins|tests)/[\w./-]+)`", page.read_text(encoding="utf-8")
        )
    ]
    assert len(named) > 5
    for page, path in named:
        here = ROOT / "examples/hello-plugin" if page.stem == "first-plugin" else ROOT
        assert (ROOT / path).exists() or (here / path).exists(), f"{page.name} names {path}"
