"""Archives that are not what they say, damaged or hostile: that run fails, nothing is written, others go on."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

from bad_input import SCRIPT, everything
from sweeping import record_of, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from sweeping import Bucket, Desk

GOOD = zipped({"case/engine.in": "rpm 1500\n"})


def encrypted() -> bytes:
    """Return :data:`GOOD` with the bit set that says a member is encrypted, in both of its headers."""
    body = bytearray(GOOD)
    body[body.index(b"PK\x03\x04") + 6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(body)


def linked() -> bytes:
    """Return a zip with a link to /tmp and a file that would be written through it."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        link = zipfile.ZipInfo("case")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/tmp")
        archive.writestr("case/pwned", "x")
    return body.getvalue()


def bomb() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("zeros", bytes(4 * 2**20))
    return body.getvalue()


def tarred(mode: str, **members: dict[str, object]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode=mode) as archive:  # type: ignore[call-overload]
        for number, fields in enumerate(members.values()):
            member = tarfile.TarInfo(str(number))
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return body.getvalue()


BAD = {
    "text.zip": (b"<html>please log in</html>", "not-an-archive", "--unpack never"),
    "zero.zip": (b"", "not-an-archive", "--unpack never"),
    "empty.zip": (zipped({}), "empty", "pack the files of the case into it"),
    "cut.zip": (GOOD[:-30], "truncated", "compare its size with the original's"),
    "cut.tar.gz": (tarred("w:gz", a={"size": 50_000})[:-30], "truncated", "compare its size with the original's"),
    "locked.zip": (encrypted(), "encrypted", "pack it again without a password"),
    "up.zip": (zipped({"case/ok": "x", "../../../../pwned": "x"}), "path-traversal", ""),
    "root.tar": (tarred("w", a={"name": "/pwned", "size": 1}), "absolute", ""),
    "up.tar": (tarred("w", a={"name": "a/../../pwned", "size": 1}), "path-traversal", ""),
    "linked.zip": (linked(), "link", "zip without -y"),
    "linked.tar": (tarred("w", a={"name": "l", "type": tarfile.SYMTYPE, "linkname": "/tmp"}), "link", ""),
    "bomb.zip": (bomb(), "ratio", ""),
    "other.tar.gz": (GOOD, "suffix", "give it a name that ends in .zip"),
}


def failing(desk: Desk, bucket: Bucket, *, with_good: bool) -> str:
    rows = [
        f"{name.replace('.', '-')},{bucket.put(f'in/{name}', BAD[name][0])},{bucket.url}/out/{name}" for name in BAD
    ]
    if with_good:
        rows.insert(2, f"good,{bucket.put('in/good.zip', GOOD)},{bucket.url}/out/good")
    desk.write("t.csv", "\n".join(["run_id,input,output", *rows]) + "\n")
    desk.write("run.sh", "cat case/engine.in > x.out\n")
    return f"{bucket.url}/in"


def test_a_bad_archive_fails_its_run_alone_and_leaves_nothing(anywhere: Desk, bucket: Bucket, tmp_path: Path):
    inputs = failing(anywhere, bucket, with_good=True)
    document = json.loads(anywhere("run", "t.csv", "-t", "run.sh", "--json", exit_code=6).stdout)
    assert document["committed"] == ["good"]
    assert bucket.get("out/good/x.out") == b"rpm 1500\n"
    failures = {failure["run_id"]: failure for failure in document["failed"]}
    assert len(failures) == len(BAD)
    for name, (_, reason, hint) in BAD.items():
        failed = failures[name.replace(".", "-")]
        assert failed["reason"].startswith(f"archive {inputs}/{name} is refused ({reason}): "), failed
        assert (failed["error_class"], failed["step"]) == (6, "unpack")
        assert hint in failed["hint"]
        record = record_of(bucket, f"out/{name}")
        assert (record["state"], record["error_class"], record["reason"]) == ("failed", 6, failed["reason"])
    ours = ("good/x.out", "good/_anystore/commit.json", "claim.json", "attempts/1.json")
    assert [path for path in bucket.paths("out/") if not path.endswith(ours)] == []
    work = [path for path in everything(anywhere) if "/work/" in path]
    assert work == []
    assert not list(tmp_path.rglob("*pwned*"))


def test_when_all_that_fails_is_archives_the_exit_code_says_so(desk: Desk, files: Bucket):
    failing(desk, files, with_good=False)
    done = desk("run", "t.csv", "-t", "run.sh", exit_code=6)
    assert "run cut-zip failed at unpack: archive " in done.stdout
    assert "t: 13 failed" in done.stdout


def test_one_solver_that_fails_beside_bad_archives_makes_it_1(desk: Desk, files: Bucket):
    bad, good = files.put("in/cut.zip", GOOD[:-30]), files.put("in/good.zip", GOOD)
    desk.write("t.csv", f"input,output\n{bad},{files.url}/a\n{good},{files.url}/b\n")
    desk.write("run.sh", "exit 3\n")
    desk("run", "t.csv", "-t", "run.sh", exit_code=1)
    desk("run", "t.csv", "-t", "run.sh", "--select", "1", exit_code=6)


def test_what_is_no_archive_runs_as_a_plain_file_when_that_is_said(desk: Desk, files: Bucket):
    url = files.put("in/model.zip", b"<html>not packed</html>")
    desk.write("t.csv", f"rpm,input,output\n1,{url},{files.url}/a\n")
    desk.write("run.sh", SCRIPT + "cat model.zip >> x.out\n")
    words = desk("run", "t.csv", "-t", "run.sh", exit_code=6).stdout.partition("hint:")[2].split()
    desk("run", "t.csv", "-t", "run.sh", *words[:2])
    assert files.get("a/x.out") == b"rpm is 1\n<html>not packed</html>"
