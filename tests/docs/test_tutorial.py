"""The tutorial's commands, taken from the page, run in their order on a server that speaks S3."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT, blocks_of

from anystore_doe.testing import ServerMissingError, require, start_moto

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

TUTORIAL = DOCS / "tutorial/article.md"


def commands() -> list[str]:
    return [command for block in blocks_of(TUTORIAL) if block.language == "console" for command in block.commands]


def written(language: str) -> str:
    (text,) = [block.text for block in blocks_of(TUTORIAL) if block.language == language]
    return text


@pytest.fixture(scope="module")
def transcript(tmp_path_factory):
    """Do what the page says, and return what each command printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "examples").symlink_to(ROOT / "examples")
    with _server() as server:
        server.make_bucket("my-simulation-data")
        keys = written("ini").replace("...", server.access_key, 1).replace("...", server.secret_key, 1)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environ |= {
            "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}",
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        done = subprocess.run(
            ["bash", "-e"], input=_script(keys), cwd=folder, env=environ, text=True, capture_output=True, check=False
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    _, *parts = re.split(r"^=== (\d+)\n", done.stdout, flags=re.MULTILINE)
    printed = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    return [(command, printed[at]) for at, command in enumerate(commands())]


def _server():
    try:
        return start_moto()
    except ServerMissingError as error:
        require(str(error))


def _script(keys: str) -> str:
    """Return the page's commands as one script; the files that the page shows are written once the copy is there."""
    lines = []
    for at, command in enumerate(commands()):
        lines += [f"echo '=== {at}'", command]
        if command == "cd my-doe":
            lines += ["cat > config <<'EOT'", keys + "EOT", "cat > sweep.toml <<'EOT'", written("toml") + "EOT"]
    return "\n".join(lines) + "\n"


def outputs_of(transcript, start: str) -> list[str]:
    return [printed for command, printed in transcript if command.startswith(start)]


def test_the_plan_is_the_one_that_the_page_shows(transcript):
    shown = written_after("$ anystore-doe plan\n")
    assert outputs_of(transcript, "anystore-doe plan")[0].splitlines() == shown.splitlines()


def written_after(mark: str) -> str:
    page = TUTORIAL.read_text(encoding="utf-8").partition(mark)[2]
    match = re.search(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_both_cases_are_committed_and_a_second_run_has_nothing_to_do(transcript):
    first, second, again = outputs_of(transcript, "anystore-doe run")
    assert first.startswith("inputs: 2 committed (")
    shown = written_after("## 7. Run it again").rpartition(" (")[0]
    assert second.startswith(shown)
    assert again.startswith("inputs: 2 committed (")


def test_a_changed_script_is_refused_until_overwriting_is_asked_for(transcript):
    (refused,) = outputs_of(transcript, "anystore-doe plan ||")
    assert refused.rstrip().endswith("refused with exit code 3")


def test_results_and_logs_show_what_was_solved(transcript):
    table = outputs_of(transcript, "anystore-doe results")[0].splitlines()
    assert table[0].startswith("run_id,s3_input,s3_output,state")
    assert [line.split(",")[3] for line in table[1:]] == ["committed", "committed"]
    assert "NOT CONVERGE" in outputs_of(transcript, "anystore-doe logs 0001")[0]
    assert "_anystore/commit.json" in outputs_of(transcript, "anystore-doe ls s3://my-simulation-data/output")[0]


def test_s3_is_in_the_list_of_plugins(transcript):
    assert re.search(r"^storage +s3 ", outputs_of(transcript, "anystore-doe plugins")[0], re.MULTILINE)


def test_it_works_in_a_folder_too_as_the_page_says(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    settings = written("toml").partition("[storage.")[0]
    script = _script("").replace("s3://my-simulation-data/", "bucket/").replace(written("toml"), settings)
    script = script.replace("cat > config", "sed -i 's#s3://my-simulation-data/#bucket/#g' inputs.csv; cat > config")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e"], input=script, cwd=tmp_path, env=environ, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "my-doe/bucket/output/pintle/_anystore/commit.json").is_file()
