"""Every option of ``run``: with it and without it the result differs."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from sweeping import commit_of, record_of, zipped

if TYPE_CHECKING:
    from sweeping import Desk, FileBucket

SHOW = "echo $CR > cr.out; cat *.in > in.out 2>/dev/null || true"


@pytest.fixture
def ready(desk: Desk, files: FileBucket) -> Desk:
    """Three value rows, one case, a script."""
    files.put("case.zip", zipped({"engine.in": "cr = ${CR}\n", "sub/map.dat": "1"}))
    desk.write("runs.csv", "CR,soi\n14,-8\n16,-8\n18,-8\n")
    desk.write("run.sh", f"{SHOW}\n")
    return desk


def case(files: FileBucket) -> tuple[str, ...]:
    return ("-i", f"{files.url}/case.zip", "-o", f"{files.url}/out/")


def test_config(ready: Desk, files: FileBucket) -> None:
    ready.write("other.toml", f'table = "runs.csv"\ntemplates = ["run.sh"]\noutput = "{files.url}/other/"\n')
    ready("run", "-c", "other.toml")
    assert files.get("other/0002/cr.out") == b"16\n"
    ready("run", exit_code=2)


def test_an_option_overrides_the_settings_file(ready: Desk, files: FileBucket) -> None:
    ready.write("sweep.toml", f'table = "runs.csv"\ntemplates = ["run.sh"]\noutput = "{files.url}/file/"\n')
    ready("run", "-o", f"{files.url}/option/", "--select", "1")
    ready("run", "--select", "1")
    assert files.get("option/0001/cr.out") == files.get("file/0001/cr.out") == b"14\n"


def test_template_name(ready: Desk, files: FileBucket) -> None:
    ready.write("deck.template", "ratio ${CR?string('0.0')}\n".replace("'", '"'))
    command = ("--", "sh", "-c", "cat engine.in deck > all.out 2>/dev/null; true")
    ready("run", "runs.csv", *case(files), "--select", "1", "-t", "deck.template", *command)
    assert files.get("out/0001/all.out") == b"cr = ${CR}\nratio 14.0\n"
    named = ("-t", "deck.template:engine.in", "--overwrite")
    ready("run", "runs.csv", *case(files), "--select", "1", *named, *command)
    assert files.get("out/0001/all.out") == b"ratio 14.0\n"


def test_render(ready: Desk, files: FileBucket) -> None:
    words = ("run", "runs.csv", *case(files), "-t", "run.sh", "--select", "2")
    ready(*words)
    assert files.get("out/0002/in.out") == b"cr = ${CR}\n"
    ready(*words, "--render", "*.in", "--overwrite")
    assert files.get("out/0002/in.out") == b"cr = 16\n"


def test_input_file(ready: Desk, files: FileBucket) -> None:
    ready.write("extra.in", "extra\n")
    words = ("run", "runs.csv", *case(files), "-t", "run.sh", "--select", "2")
    ready(*words)
    assert b"extra" not in files.get("out/0002/in.out")
    ready(*words, "--input-file", "extra.in", "--overwrite")
    assert b"extra" in files.get("out/0002/in.out")
    assert "out/0002/extra.in" not in files.paths()


def test_input_and_output_with_columns(ready: Desk, files: FileBucket) -> None:
    files.put("in/14.zip", zipped({"a.in": "fourteen"}))
    row = ("-t", "run.sh", "--select", "1")
    ready("run", "runs.csv", "-i", f"{files.url}/in/${{CR}}.zip", "-o", f"{files.url}/cr${{CR}}/x", *row)
    assert files.get("cr14/x/in.out") == b"fourteen"
    refused = ready("run", "runs.csv", "-i", f"{files.url}/in/14.zip", *row, exit_code=3)
    assert "output" in refused.stdout + refused.stderr


def test_input_column_and_output_column(ready: Desk, files: FileBucket) -> None:
    ready.write("t.csv", f"mesh,where\n{files.url}/case.zip,{files.url}/o/1\n")
    ready("run", "t.csv", "-t", "run.sh", exit_code=3)
    ready("run", "t.csv", "-t", "run.sh", "--output-column", "where")
    assert files.get("o/1/in.out") == b""
    ready("run", "t.csv", "-t", "run.sh", "--output-column", "where", "--input-column", "mesh", "--overwrite")
    assert files.get("o/1/in.out") == b"cr = ${CR}\n"


def test_outputs_and_push_inputs(ready: Desk, files: FileBucket) -> None:
    words = ("run", "runs.csv", *case(files), "-t", "run.sh", "--select", "1")

    def pushed() -> list[str]:
        return [p.removeprefix("out/0001/") for p in files.paths("out/0001/") if "_anystore" not in p]

    ready(*words)
    assert pushed() == ["cr.out", "in.out"]
    ready(*words, "--outputs", "c*.out", "--overwrite")
    assert pushed() == ["cr.out"]
    ready(*words, "--push-inputs", "--overwrite")
    assert pushed() == ["cr.out", "engine.in", "in.out", "run.sh", "sub/map.dat"]


def test_ignore_column(ready: Desk, files: FileBucket) -> None:
    ready("run", "runs.csv", *case(files), "-t", "run.sh", "--ignore-column", "soi")
    ready.write("runs.csv", "CR,soi\n14,-9\n16,-9\n18,-9\n")
    ready("run", "runs.csv", *case(files), "-t", "run.sh", "--ignore-column", "soi")
    refused = ready("run", "runs.csv", *case(files), "-t", "run.sh", exit_code=3)
    assert "committed" in refused.stdout + refused.stderr


def test_push_failed(ready: Desk, files: FileBucket) -> None:
    command = ("--", "sh", "-c", "echo half > half.out; exit 4")
    ready("run", "runs.csv", *case(files), "--select", "1", *command, exit_code=1)
    assert "out/0001/half.out" not in files.paths()
    ready("run", "runs.csv", *case(files), "--select", "1", "--push-failed", *command, exit_code=1)
    assert files.get("out/0001/half.out") == b"half\n"
    assert "out/0001/_anystore/commit.json" not in files.paths()
    ready("run", "runs.csv", *case(files), "--select", "1", "--", "sh", "-c", "echo whole > whole.out")
    assert "out/0001/half.out" not in files.paths()
    assert commit_of(files, "out/0001")["attempt"] == 3


def test_metrics(ready: Desk, files: FileBucket) -> None:
    ready.write("post.py", "print('chatter'); print('peak\\t' + open('cr.out').read().strip())\n")
    words = ("run", "runs.csv", *case(files), "-t", "run.sh", "--input-file", "post.py", "--select", "2")
    ready(*words)
    assert commit_of(files, "out/0002")["metrics"] == {}
    ready(*words, "--metrics", "python3 post.py", "--overwrite")
    assert commit_of(files, "out/0002")["metrics"] == {"peak": "16"}


def test_metrics_are_columns_of_results(ready: Desk, files: FileBucket) -> None:
    settings = f'table = "runs.csv"\ntemplates = ["run.sh"]\noutput = "{files.url}/out/"\n'
    ready.write("sweep.toml", settings + 'metrics = "sh -c \'printf \\"peak\\\\t%s\\" $CR\'"\n')
    ready("run")
    assert [(row["CR"], row["peak"]) for row in ready.results()] == [("14", "14"), ("16", "16"), ("18", "18")]


def test_require(ready: Desk, files: FileBucket) -> None:
    words = ("run", "runs.csv", *case(files), "-t", "run.sh", "--select", "1")
    failed = ready(*words, "--require", "thermo.out", "--require", "cr.out", exit_code=1)
    assert "'thermo.out'" in failed.stdout + failed.stderr
    assert "'cr.out'" not in failed.stdout + failed.stderr
    ready(*words)


def test_chdir(ready: Desk, files: FileBucket) -> None:
    files.put("deep.zip", zipped({"hsdi/engine.in": "deep"}))
    words = ("run", "runs.csv", "-i", f"{files.url}/deep.zip", "-o", f"{files.url}/out", "-t", "run.sh", "--select")
    ready(*words, "1")
    assert files.get("out/0001/in.out") == b""
    ready(*words, "2", "--chdir", "auto")
    assert files.get("out/0002/hsdi/in.out") == b"deep"
    ready(*words, "3", "--chdir", "hsdi")
    assert files.get("out/0003/hsdi/in.out") == b"deep"
    failed = ready(*words, "1", "--chdir", "none", "--overwrite", exit_code=1)
    assert "brought no such folder" in failed.stdout + failed.stderr


def test_unpack(ready: Desk, files: FileBucket) -> None:
    files.put("plain.bin", zipped({"engine.in": "unpacked"}))
    words = ("run", "runs.csv", "-t", "run.sh", "--overwrite", "--select", "1", "-o", f"{files.url}/out")
    ready(*words, "-i", f"{files.url}/plain.bin")
    assert files.get("out/0001/in.out") == b""
    ready(*words, "-i", f"{files.url}/plain.bin", "--unpack", "always")
    assert files.get("out/0001/in.out") == b"unpacked"
    ready(*words, "-i", f"{files.url}/case.zip", "--unpack", "never", "--push-inputs")
    assert "out/0001/case.zip" in files.paths()


def test_slots_and_cores(ready: Desk, files: FileBucket) -> None:
    ready.write("run.sh", "echo $ANYSTORE_DOE_SLOT $ANYSTORE_DOE_CORES > slot.out; sleep 0.3\n")
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--overwrite")

    def slots() -> set[bytes]:
        return {files.get(f"out/000{n}/slot.out").split()[0] for n in (1, 2, 3)}

    ready(*words, "--slots", "1")
    assert slots() == {b"0"}
    ready.write("run.sh", "echo $ANYSTORE_DOE_SLOT $ANYSTORE_DOE_CORES > slot.out; sleep 0.4\n")
    ready(*words, "-j", "2")
    assert slots() == {b"0", b"1"}
    ready.write("run.sh", "echo $ANYSTORE_DOE_SLOT $ANYSTORE_DOE_CORES > slot.out\n")
    warned = ready(*words, "--cores-per-slot", "999")
    assert files.get("out/0001/slot.out") == b"0 999\n"
    assert "999 cores" in warned.stderr


def test_lookahead(ready: Desk, files: FileBucket) -> None:
    """A run that is solving sees the work folders of the runs that are staged ahead."""
    ready.write("run.sh", 'sleep 0.5; ls -d "$ANYSTORE_DOE_WORK_DIR"/../../*/work | wc -l > ahead.out\n')
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--slots", "1", "--overwrite")
    most = lambda: max(int(files.get(f"out/000{n}/ahead.out")) for n in (1, 2, 3))  # noqa: E731
    ready(*words, "--lookahead", "0")
    assert most() == 1
    ready.write("run.sh", 'sleep 0.6; ls -d "$ANYSTORE_DOE_WORK_DIR"/../../*/work | wc -l > ahead.out\n')
    ready(*words, "--lookahead", "2")
    assert most() == 3


@pytest.mark.parametrize("desk", ["local"], indirect=True)
def test_executor(ready: Desk, files: FileBucket) -> None:
    ready.write("run.sh", "ps -o ppid= -p $(ps -o ppid= -p $(ps -o ppid= -p $$)) > up.out\n")
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--select", "1")
    refused = ready(*words, "--executor", "none-such", exit_code=3)
    assert "worker-process" in refused.stdout + refused.stderr
    ready(*words, "--executor", "worker-process")
    assert (ready.folder / ".anystore-doe/runs/workers").is_dir()


def test_select(ready: Desk, files: FileBucket) -> None:
    ready("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--select", "1,3")
    assert {path.split("/")[1] for path in files.paths("out/")} == {"0001", "0003"}
    ready("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out")
    assert {path.split("/")[1] for path in files.paths("out/")} == {"0001", "0002", "0003"}


def test_timeout(ready: Desk, files: FileBucket) -> None:
    words = ("run", "runs.csv", "-o", f"{files.url}/out", "--select", "1")
    began = time.monotonic()
    failed = ready(*words, "--timeout", "1s", "--", "sleep", "60", exit_code=1)
    assert time.monotonic() - began < 30
    assert "timed out after 1 s" in failed.stdout + failed.stderr
    ready(*words, "--", "sleep", "1.5")


def test_work_dir_and_scratch(ready: Desk, files: FileBucket) -> None:
    ready.write("run.sh", "pwd > where.out\n")
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--select")

    def where(run: str) -> str:
        return files.get(f"out/{run}/where.out").decode()

    ready(*words, "1")
    assert where("0001").startswith(f"{ready.folder}/.anystore-doe/runs/")
    ready(*words, "2", "--work-dir", "elsewhere")
    assert where("0002").startswith(f"{ready.folder}/elsewhere/")
    ready(*words, "3", "--scratch", "fast")
    assert where("0003").startswith(f"{ready.folder}/fast/")


def test_allow_foreign(ready: Desk, files: FileBucket) -> None:
    files.put("out/0001/precious.dat", b"mine")
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out")
    refused = ready(*words, exit_code=3)
    assert "precious.dat" in refused.stdout + refused.stderr
    assert "--allow-foreign" in refused.stdout + refused.stderr
    assert files.paths("out/0002") == []
    ready(*words, "--allow-foreign")
    assert files.get("out/0001/precious.dat") == b"mine"


def test_allow_foreign_never_writes_over_what_is_not_ours(ready: Desk, files: FileBucket) -> None:
    files.put("out/0001/cr.out", b"mine")
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--select", "1")
    failed = ready(*words, "--allow-foreign", exit_code=7)
    assert "out/0001/cr.out" in failed.stdout + failed.stderr
    assert files.get("out/0001/cr.out") == b"mine"


def test_skip_bad_rows(ready: Desk, files: FileBucket) -> None:
    files.put("in/14.zip", zipped({"a.in": "x"}))
    words = ("run", "runs.csv", "-i", f"{files.url}/in/${{CR}}.zip", "-o", f"{files.url}/out", "-t", "run.sh")
    refused = ready(*words, exit_code=3)
    assert "in/16.zip" in refused.stdout + refused.stderr
    assert "in/18.zip" in refused.stdout + refused.stderr
    assert files.paths("out") == []
    ready(*words, "--skip-bad-rows", exit_code=1)
    assert {path.split("/")[1] for path in files.paths("out/")} == {"0001"}


def test_pass_env_and_share_credentials(ready: Desk, files: FileBucket) -> None:
    ready.write("run.sh", 'echo "$AWS_SECRET_ACCESS_KEY/$AWS_SESSION_TOKEN/$AWS_CONFIG_FILE" > keys.out\n')
    words = ("run", "runs.csv", "-t", "run.sh", "-o", f"{files.url}/out", "--overwrite", "--select")
    keys = {"AWS_SECRET_ACCESS_KEY": "canary", "AWS_SESSION_TOKEN": "token", "AWS_CONFIG_FILE": "/my/config"}
    ready(*words, "1", **keys)
    assert files.get("out/0001/keys.out") == b"//" + os.devnull.encode() + b"\n"
    ready(*words, "2", "--pass-env", "AWS_SESSION_TOKEN", **keys)
    assert files.get("out/0002/keys.out") == b"/token/" + os.devnull.encode() + b"\n"
    ready(*words, "3", "--share-credentials", **keys)
    assert files.get("out/0003/keys.out") == b"canary/token//my/config\n"
    stored = b"".join(files.get(path) for path in files.paths("out/0001"))
    assert b"canary" not in stored


def test_fail_fast_and_keep_going(ready: Desk, files: FileBucket) -> None:
    words = ("run", "runs.csv", "-o", f"{files.url}/out", "--slots", "1", "--lookahead", "0")
    ready(*words, "--fail-fast", "--", "false", exit_code=1)
    assert not any(path.startswith("out/0002") for path in files.paths())
    ready(*words, "-k", "--", "false", exit_code=1)
    assert record_of(files, "out/0003")["state"] == "failed"


def test_dry_run_prints_what_plan_prints_and_changes_nothing(ready: Desk, files: FileBucket) -> None:
    words = ("runs.csv", *case(files), "-t", "run.sh")
    dry = ready("run", *words, "-n").stdout
    assert dry == ready("plan", *words).stdout
    assert "0003" in dry
    assert files.paths("out") == []
    assert not (ready.folder / ".anystore-doe").exists()
    shown = ready("plan", *words, "--show").stdout
    assert SHOW in shown


def test_json(ready: Desk, files: FileBucket) -> None:
    said = json.loads(ready("run", "runs.csv", *case(files), "-t", "run.sh", "--json").stdout)
    assert said["schema"] == 1
    assert "0003" in json.dumps(said)


def test_compat_rescale(ready: Desk, files: FileBucket) -> None:
    ready.write("run.sh", 'echo "$RESCALE_CORES_PER_SLOT" > cores.out\n')
    settings = f'table = "runs.csv"\ntemplates = ["run.sh"]\noutput = "{files.url}/out/"\n'
    ready.write("sweep.toml", settings)
    ready("run", "--select", "1")
    ready.write("sweep.toml", settings + 'compat = "rescale"\n')
    ready("run", "--select", "2")
    assert (files.get("out/0001/cores.out"), files.get("out/0002/cores.out")) == (b"\n", b"1\n")
