"""The tutorial about a plugin, followed step by step: its commands are run in their order, its files are saved."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from clean_room import HELLO, make_clean_room, need_registry, our_wheel
from docs_pages import DOCS, blocks_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

PAGE = DOCS / "tutorial/first-plugin.md"
SLOW = "not (many or never_mixes or big or big_file or on_its_way or long or close)"
"""What the kit does in full elsewhere: here it is the commands that are tried."""


@dataclass(frozen=True)
class Shown:
    """A file, or some of its lines, that the page includes from the example under the name that the reader gives it."""

    line: int
    name: str
    source: Path
    lines: str

    @property
    def text(self) -> str:
        text = self.source.read_text(encoding="utf-8")
        if not self.lines:
            return text
        first, _, last = self.lines.partition("-")
        return "".join(text.splitlines(keepends=True)[int(first) - 1 : int(last) if last else None])


def included() -> list[Shown]:
    page = PAGE.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```\{literalinclude\} (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        options = dict(re.findall(r"^:([\w-]+): (.*)$", match[2], re.MULTILINE))
        if "start-at" in options:  # some of what was written already
            continue
        line = page.count("\n", 0, match.start()) + 1
        source = (PAGE.parent / match[1]).resolve()
        found.append(Shown(line, options["caption"].strip("'`"), source, options.get("lines", "")))
    return found


def steps() -> list[tuple[int, object]]:
    """Return what the reader does and sees, in the page's order: commands and what they print, files and lines."""
    kinds = {"console", "text", "python", "toml"}
    done = [(block.line, block) for block in blocks_of(PAGE) if block.language in kinds]
    return sorted([*done, *((shown.line, shown) for shown in included())], key=lambda step: step[0])


class Reader:
    """Does what the page says, and notes what each command printed."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder, self.environ = folder, environ
        self.here = folder
        self.printed: list[tuple[str, str]] = []
        self.shown: list[tuple[str, str, str]] = []
        self.old = ""
        self.compared: list[str] = []

    def do(self, step) -> None:
        if isinstance(step, Shown):
            self.save(step)
        elif step.language == "toml":
            (self.here / "sweep.toml").write_text(step.text)
        elif step.language == "python":
            self.old = step.text
        elif step.language == "text":
            self.shown.append((*self.printed[-1], step.text))
        else:
            for command in step.commands:
                self.call(command)

    def call(self, command: str) -> None:
        if command.startswith("cd "):
            self.here /= command[3:]
        elif command.startswith("export "):
            name, _, value = command[7:].partition("=")
            self.environ[name] = value.strip('"').replace("$PWD", str(self.here))
        else:
            words = ["bash", "-c", command]
            done = subprocess.run(words, cwd=self.here, env=self.environ, text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            self.printed.append((command, done.stdout))

    def save(self, shown: Shown) -> None:
        """Save a file; one that was written by ``plugins new`` is only looked at, lines go where the page says."""
        file = self.here / shown.name
        if not shown.lines:
            if file.exists():
                assert file.read_text(encoding="utf-8") == shown.text, f"the page shows another {shown.name}"
                self.compared.append(shown.name)
            file.write_text(shown.text, encoding="utf-8")
        elif shown.text.startswith("from "):
            text = file.read_text(encoding="utf-8")
            assert text.count(self.old) == 1, "the page tells to replace what is not there"
            file.write_text(text.replace(self.old, shown.text), encoding="utf-8")
        else:
            with file.open("a", encoding="utf-8") as sink:
                sink.write("\n\n" + shown.text)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Follow the page to its end, in an environment that has anystore-doe from its wheel."""
    folder = tmp_path_factory.mktemp("reader")
    need_registry(folder)
    dist = our_wheel(tmp_path_factory.getbasetemp())
    room = make_clean_room(folder / "venv")
    room.install(dist, "anystore-doe==0.1.0")
    (folder / "mine").mkdir()
    reader = Reader(folder / "mine", room.environ | {"PYTEST_ADDOPTS": f"-W error -k '{SLOW}'"})
    for _, step in steps():
        reader.do(step)
    return reader


def printed(reader: Reader, start: str) -> list[str]:
    return [text for command, text in reader.printed if command.startswith(start)]


def files(folder: Path) -> dict[str, str]:
    kinds = {".py", ".toml", ".typed"}
    found = [file for part in ("src", "tests") for file in (folder / part).rglob("*") if file.suffix in kinds]
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in [*found, folder / "pyproject.toml"]
    }


def test_what_comes_out_is_the_example_byte_for_byte(reader):
    assert files(reader.here) == files(HELLO)
    assert reader.here.name == "anystore-doe-hello"


def test_the_page_shows_every_file_of_the_package(reader):
    written = {"pyproject.toml", "tests/test_storage.py"}
    written |= {f"src/anystore_doe_hello/{name}.py" for name in ("storage", "database", "local")}
    assert set(reader.compared) == written
    assert {shown.name for shown in included()} == {name for name in files(HELLO) if not name.endswith("py.typed")}


def test_each_step_is_tried_with_the_kit(reader):
    passed = [int(re.findall(r"(\d+) passed", text)[0]) for text in printed(reader, "pytest")]
    assert [count > least for count, least in zip(passed, (80, 40, 10), strict=True)] == [True] * 3
    first, second = printed(reader, "anystore-doe plugins")[1:]
    assert re.search(r"^storage +hello +anystore-doe-hello +0.1.0 ", first, re.MULTILINE)
    for kind, name in (("storage", "hello"), ("archive", ".hello"), ("executor", "hello")):
        assert re.search(rf"^{kind} +{re.escape(name)} +anystore-doe-hello ", second, re.MULTILINE)


def test_the_new_urls_work_in_every_command(reader):
    first, last = printed(reader, "anystore-doe ls")
    assert "input/greeting.txt" in first.split()
    assert {"0001/answer.txt", "0002/answer.txt"} <= set(last.split())
    assert "2 committed" in printed(reader, "anystore-doe run")[0]
    rows = [line.split(",") for line in printed(reader, "anystore-doe results")[0].splitlines()]
    assert [row[: rows[0].index("state") + 1][-1] for row in rows[1:]] == ["committed"] * 2


def matches(pattern: str, text: str) -> bool:
    """Tell whether ``text`` is what the page shows, where ``...`` stands for anything, whole lines too."""
    pattern = pattern if pattern.startswith("...\n") else "\n" + pattern
    pattern = pattern.removesuffix("\n") if pattern.endswith("\n...\n") else pattern
    text = re.sub("={3,}", "===", text)  # pytest draws its last line as wide as the terminal
    return re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), "\n" + text, re.DOTALL) is not None


def test_every_command_prints_what_the_page_shows(reader):
    assert len(reader.shown) > 10
    for command, printed, shown in reader.shown:
        assert matches(shown, printed), f"{command}\n{printed}\nand the page shows\n{shown}"


def test_every_included_file_is_also_an_ordinary_link_for_viewers_that_include_nothing():
    page = PAGE.read_text(encoding="utf-8")
    for match in re.finditer(r"^```\{literalinclude\} (\S+)", page, re.MULTILINE):
        before = page[: match.start()].rpartition("\n## ")[2]
        assert f"]({match[1]})" in before, f"no link to {match[1]} in its section"
    assert "{doc}" not in page


def test_the_lines_that_the_page_names_are_those_that_it_includes():
    page = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"lines (?:from )?(\d+)(?: to (\d+)| on) of", page)
    shown = [shown.lines.partition("-")[::2] for shown in included() if shown.lines]
    assert named == shown


def test_its_wheel_is_there_to_be_given_to_others(reader):
    assert [wheel.name for wheel in (reader.here / "dist").iterdir()] == ["anystore_doe_hello-0.1.0-py3-none-any.whl"]
