"""What is, or is not, in the stores: foreign objects, other results, missing inputs, no permission, no credentials."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from bad_input import RUN, desk_of, refused
from sweeping import BUCKET, S3Bucket, commit_of

from anystore_doe.testing import FaultProxy, Rule, ServerMissingError, require, s3_error, start_moto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sweeping import Bucket

    from anystore_doe.testing.servers import MotoServer

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"


def table(*rows: str, header: str = "rpm,input,output") -> str:
    return "\n".join([header, *rows]) + "\n"


# ── what lies there already ─────────────────────────────────────────────────────────────────────


def test_foreign_objects_are_named_and_stay_whatever_is_done(tmp_path: Path, bucket: Bucket):
    bucket.put("out/a/theirs.dat", b"precious")
    bucket.put("out/b/_anystore/notes.txt", b"")
    desk = desk_of(
        tmp_path,
        {"t.csv": table(f"1,{bucket.url}/out/a", f"2,{bucket.url}/out/b", header="rpm,output")},
        bucket.environ,
    )
    words = refused(desk, buckets=[bucket])
    assert "1 of 2 rows of t.csv can not run" in words.error
    assert "line 2 (run 0001): its output URL holds 1 object(s) that are not ours: theirs.dat" in words.error
    desk(*RUN, words.option)
    assert (bucket.get("out/a/theirs.dat"), bucket.get("out/a/x.out")) == (b"precious", b"rpm is 1\n")


def test_an_edited_row_is_refused_by_its_change_and_replaced_only_when_told(tmp_path: Path, bucket: Bucket):
    rows = [f"{rpm},{bucket.url}/out/{name}" for rpm, name in ((1500, "a"), (1600, "b"))]
    desk = desk_of(tmp_path, {"t.csv": table(*rows, header="rpm,output")}, bucket.environ)
    desk(*RUN)
    before = commit_of(bucket, "out/a")
    rows = [f"{rpm},{bucket.url}/out/{name}" for rpm, name in ((1500, "a"), (1700, "b"), (1800, "c"))]
    desk.write("t.csv", table(*rows, header="rpm,output"))
    words = refused(desk, buckets=[bucket])
    assert "line 3 (run 0002): it was committed (attempt 1), and since then rpm 1600 -> 1700" in words.error
    done = desk(*RUN, words.option)
    assert "2 committed, 1 done before" in done.stdout
    assert (bucket.get("out/b/x.out"), bucket.get("out/c/x.out")) == (b"rpm is 1700\n", b"rpm is 1800\n")
    assert commit_of(bucket, "out/a") == before
    desk.write("run.sh", "echo other > y.out\n")
    words = refused(desk, buckets=[bucket])
    assert "  rows 1, 3: it was committed (attempt 1), and since then its definition has changed" in words.error
    assert "  line 3 (run 0002): it was committed (attempt 2), and since then its definition has changed" in words.error


# ── inputs that are not there ───────────────────────────────────────────────────────────────────


def test_every_missing_input_is_named_and_the_others_run_when_that_is_said(tmp_path: Path, bucket: Bucket):
    good = bucket.put("in/a.txt", b"a")
    where = f"{bucket.url}/in"
    rows = [f"1,{where}/none.zip,out/1", f"2,{good},out/2", f"3,{where}/no/,out/3", f"4,{where}/none.zip,out/4"]
    desk = desk_of(tmp_path, {"t.csv": table(*(r.replace("out/", f"{bucket.url}/out/") for r in rows))}, bucket.environ)
    words = refused(desk, buckets=[bucket])
    said = re.sub(
        r"there is no such object \(\w+(, request \S+)?\)$", "there is no such object", words.error, flags=re.M
    )
    assert said.splitlines() == [
        "nothing was started: 3 of 4 rows of t.csv can not run",
        f"  rows 1, 4: stat {where}/none.zip: there is no such object",
        f"  line 4 (run 0003): list {where}/no/: there is no object below it",
    ]
    done = desk(*RUN, words.option, exit_code=1)
    assert "t: 1 committed, 3 refused" in done.stdout
    assert "Warning: left out: 3 of 4 rows of t.csv can not run" in done.stderr
    assert "nothing was started" not in done.stderr
    assert bucket.get("out/2/x.out") == b"rpm is 2\n"
    assert not [path for path in bucket.paths("out/") if not path.startswith("out/2/")]


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("rm {}/b.txt", 1, "there is no such object"),
        ("echo other > {}/b.txt", 6, "pinned was "),
    ],
)
def test_an_input_that_goes_or_changes_after_the_plan_fails_its_run_alone(tmp_path: Path, script, code, said):
    folder = tmp_path / "bucket"
    inputs = {f"../bucket/{name}.txt": f"{name}\n" for name in "abc"}
    rows = [f"{name},{folder}/{name}.txt,out/{name}" for name in "abc"]
    script = f"test $name != a || {script.format(folder)}\ncp *.txt x.out\n"
    desk = desk_of(tmp_path, {"t.csv": table(*rows, header="name,input,output"), "run.sh": script, **inputs})
    words = ("run", "t.csv", "-t", "run.sh", "-j", "1", "--lookahead", "0", "--json")
    document = json.loads(desk(*words, exit_code=code).stdout)
    assert document["committed"] == ["0001", "0003"]
    (failed,) = document["failed"]
    assert (failed["run_id"], failed["step"]) == ("0002", "fetch")
    assert said in failed["reason"]
    assert f"{folder}/b.txt" in failed["reason"]
    if code == 6:  # the hint is: the same command again
        assert failed["hint"] == "the same command again takes what is there now"
        desk(*words)
        assert (desk.folder / "out/b/x.out").read_text() == "other\n"


# ── permission and credentials ──────────────────────────────────────────────────────────────────


@dataclass
class Guarded:
    """A server that enforces IAM; ``keys`` may read below in/ and write below out/."""

    server: MotoServer
    keys: dict[str, str]
    everything: S3Bucket

    def table(self, *rows: str) -> str:
        return table(*(row.replace("~", self.everything.url) for row in rows))


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    try:
        server = start_moto(iam=True)
    except ServerMissingError as error:
        require(str(error))
    with server:
        server.make_bucket(BUCKET)
        bucket = S3Bucket(server, "sweep")
        for name in ("in/a.txt", "in/b.txt", "secret/a.txt", "secret/b.txt"):
            bucket.put(name, b"x")
        yield Guarded(server, user(server, "engineer", writes="out"), bucket)


def user(server: MotoServer, name: str, *, writes: str) -> dict[str, str]:
    """Make a user who may list, read below in/ and write below ``writes``; return the environment."""
    own = f"arn:aws:s3:::{BUCKET}/sweep"
    statement = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{own}/in/*", f"{own}/out/*", f"{own}/closed/*"]},
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [f"{own}/{writes}/*"]},
    ]
    key, secret = server.make_user(name, {"Version": "2012-10-17", "Statement": statement})
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def test_inputs_without_permission_are_all_named_with_the_right_to_ask_for(tmp_path: Path, guarded: Guarded):
    rows = ["1,~/secret/a.txt,~/out/p1", "2,~/in/a.txt,~/out/p2", "3,~/secret/b.txt,~/out/p3"]
    desk = desk_of(tmp_path, {"t.csv": guarded.table(*rows)}, guarded.keys)
    secret = guarded.keys["AWS_SECRET_ACCESS_KEY"]
    words = refused(desk, code=4, buckets=[guarded.everything], secrets=[secret])
    assert "2 of 3 rows of t.csv can not run" in words.error
    for line, run, name in ((2, "0001", "a"), (4, "0003", "b")):
        place = f"{guarded.everything.url}/secret/{name}.txt"
        assert f"line {line} (run {run}): stat {place}: access denied; or there is no such object" in words.error
        assert f"allow s3:GetObject on arn:aws:s3:::{BUCKET}/sweep/secret/{name}.txt" in words.hint
    assert words.hint.endswith("; or --skip-bad-rows runs the others")
    done = desk(*RUN, words.option, exit_code=1)
    assert "1 committed, 2 refused" in done.stdout
    assert guarded.everything.paths("out/p1") == guarded.everything.paths("out/p3") == []
    assert guarded.everything.get("out/p2/x.out") == b"rpm is 2\n"


def test_a_missing_input_beside_a_forbidden_one_makes_it_3(tmp_path: Path, guarded: Guarded):
    rows = ["1,~/secret/a.txt,~/out/m1", "2,~/in/none.txt,~/out/m2"]
    words = refused(desk_of(tmp_path, {"t.csv": guarded.table(*rows)}, guarded.keys), buckets=[guarded.everything])
    assert "line 2 (run 0001): " in words.error
    assert "line 3 (run 0002): " in words.error


def test_many_rows_without_permission_are_all_named_and_their_hints_bounded(tmp_path: Path, guarded: Guarded):
    for n in range(6):
        guarded.everything.put(f"secret/{n}.txt", b"x")
    rows = [f"{n},~/secret/{n}.txt,~/out/n{n}" for n in range(6)]
    words = refused(desk_of(tmp_path, {"t.csv": guarded.table(*rows)}, guarded.keys), code=4)
    assert [n for n in range(6) if f"line {n + 2} (run {n + 1:04d}): " not in words.error] == []
    assert words.hint.count("allow s3:GetObject") == 3
    assert words.hint.endswith("3 more of this kind")


def test_an_output_without_permission_fails_before_anything_is_fetched_or_solved(tmp_path: Path, guarded: Guarded):
    rows = ["1,~/in/a.txt,~/closed/1", "2,~/in/b.txt,~/closed/2"]
    desk = desk_of(tmp_path, {"t.csv": guarded.table(*rows)}, guarded.keys)
    seen = len(guarded.server.requests())
    done = desk(*RUN, exit_code=4)
    place = f"{guarded.everything.url}/closed/1/_anystore/claim.json"
    assert f"run 0001 failed at claim: push {place}: access denied" in done.stdout
    assert f"hint:      allow s3:PutObject on arn:aws:s3:::{BUCKET}/sweep/closed/1/_anystore/claim.json" in done.stdout
    assert "solving" not in done.stderr
    assert guarded.everything.paths("closed/") == []
    sent = guarded.server.requests()[seen:]
    assert not [target for method, target, _ in sent if method == "GET" and "/in/" in target]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": SECRET}, "the secret access key does not belong to the access key"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN000000000"}, "the store does not know this access key"),
    ],
)
def test_wrong_keys_are_4_and_said_once_for_all_rows(tmp_path: Path, guarded: Guarded, change, said):
    rows = [f"{n},~/in/{name}.txt,~/out/w{n}" for n, name in enumerate("abab")]
    environ = {**guarded.keys, **change}
    desk = desk_of(tmp_path, {"t.csv": guarded.table(*rows)}, environ)
    words = refused(desk, code=4, buckets=[guarded.everything], secrets=[environ["AWS_SECRET_ACCESS_KEY"]])
    assert words.error.count(said) == 1
    assert "rows 1-4: stat " in words.error
    assert 'storage."s3://my-simulation-data/"' in words.hint


def test_expired_credentials_are_4_before_any_run(tmp_path: Path, moto: MotoServer):
    bucket = S3Bucket(moto, "expired")
    bucket.put("in/a.txt", b"a")
    with FaultProxy(moto.endpoint_url) as proxy:
        proxy.add(Rule(fault=s3_error(400, "ExpiredToken"), count=None))
        environ = {**bucket.environ, "AWS_ENDPOINT_URL": proxy.url, "AWS_SESSION_TOKEN": SECRET}
        rows = table(f"1,{bucket.url}/in/a.txt,{bucket.url}/out/1", f"2,{bucket.url}/in/b.txt,{bucket.url}/out/2")
        words = refused(desk_of(tmp_path, {"t.csv": rows}, environ), code=4, buckets=[bucket], secrets=[SECRET])
    assert "rows 1-2: " in words.error
    assert "the credentials are expired" in words.error
    assert words.hint == "refresh them and run it again"


def test_without_credentials_it_is_said_what_was_tried_and_a_silent_metadata_service_delays_nothing(tmp_path: Path):
    rows = table(*(f"{n},s3://{BUCKET}/in/{n}.txt,s3://{BUCKET}/out/{n}" for n in range(20)))
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        desk = desk_of(tmp_path, {"t.csv": rows}, environ)
        began = time.monotonic()
        words = refused(desk, code=4)
        assert time.monotonic() - began < 20  # one second per look, at most two looks; the rest is a busy machine
    assert "rows 1-20: stat s3://my-simulation-data/in/0.txt: no credentials were found (tried: " in words.error
    for place in ("environment", "shared credentials and config file", "web identity", "instance metadata"):
        assert place in words.error
    assert "config_file or profile" in words.hint


def test_an_absent_config_file_or_profile_is_named(tmp_path: Path):
    rows = table(f"1,s3://{BUCKET}/in/a.txt,s3://{BUCKET}/out/1")
    desk = desk_of(tmp_path, {"t.csv": rows, "config": "[default]\nregion = us-east-1\n"})
    for options, said in (
        ('config_file = "absent"', "absent does not exist"),
        ('config_file = "config"\nprofile = "hsdi"', "there is no profile 'hsdi'"),
    ):
        desk.write("sweep.toml", f'[storage."s3://{BUCKET}"]\n{options}\n')
        assert said in refused(desk, code=4).error


def test_a_bucket_that_is_not_there_is_named(tmp_path: Path, moto: MotoServer):
    bucket = S3Bucket(moto, "nobucket")
    bucket.put("in/a.txt", b"a")
    rows = table(f"1,s3://no-such-bucket/in/a.txt,{bucket.url}/1", f"2,{bucket.url}/in/a.txt,s3://no-such-bucket/2")
    words = refused(desk_of(tmp_path, {"t.csv": rows}, bucket.environ), buckets=[bucket])
    assert "line 2 (run 0001): " in words.error
    assert "s3://no-such-bucket/in/a.txt" in words.error
