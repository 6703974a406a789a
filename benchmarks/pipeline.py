"""Pipeline: 20 runs on two slots, through a store that is throttled per direction, beside the article's script.

Solving takes 1 s, staging in 0.25 s and staging out 0.25 s, if the link were free for that run alone. The bound
is ``sum(solve) / slots + first stage-in + last stage-out``: what slots that never wait for storage would take.
The makespan is read from the store, from the first claim to the last commit; the whole command, with its start and
its plan of all rows, stands beside it.
The peer is the article's own script, ``aws s3 cp``, ``unzip``, solve, ``aws s3 sync``, under ``xargs -P2``.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from measuring import CLI, Figure, Sample, alternated, measured, publish

from anystore_doe.testing.proxy import FaultProxy
from anystore_doe.testing.servers import MotoServer, start_moto

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from aws_cli import aws_folder

RUNS, SLOTS, SOLVE_S, STAGE_S, ROUNDS = 20, 2, 1.0, 0.25, 3
BYTES = 2 * 2**20
BOUND_S = RUNS * SOLVE_S / SLOTS + 2 * STAGE_S
SCRIPT = """\
set -e
cd "$(mktemp -d)"
aws s3 cp --quiet "$1" .
unzip -q *.zip
rm *.zip
sleep 1; mv case.bin thermo.out
aws s3 sync --quiet . "$2"
rm -rf *
"""


def prepare(folder: Path, server: MotoServer, bucket: str) -> list[tuple[str, str]]:
    """Upload the cases; return input and output URLs (outputs without a round's prefix)."""
    with server.client() as s3:
        for n in range(RUNS):
            body = io.BytesIO()
            with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr("case.bin", os.urandom(BYTES))
            s3.put_object(Bucket=bucket, Key=f"input/{n}.zip", Body=body.getvalue())
    (folder / "script.sh").write_text(SCRIPT)
    solver = next(line for line in SCRIPT.splitlines() if line.startswith("sleep"))
    (folder / "run.sh").write_text(f"set -e\n{solver}\n")
    return [(f"s3://{bucket}/input/{n}.zip", f"output/{n}") for n in range(RUNS)]


def ours(folder: Path, rows: list[tuple[str, str]], bucket: str, environ: dict[str, str], turn: list[int]) -> Sample:
    """Run the sweep to a prefix of its own."""
    turn[0] += 1
    lines = [f"{source},s3://{bucket}/ours{turn[0]}/{target}/" for source, target in rows]
    (folder / f"ours{turn[0]}.csv").write_text("\n".join(["s3_input,s3_output", *lines, ""]))
    words = ["run", f"ours{turn[0]}.csv", "-t", "run.sh", "--slots", str(SLOTS)]
    return measured([*CLI, *words], env=environ, cwd=folder)


def script(folder: Path, rows: list[tuple[str, str]], bucket: str, environ: dict[str, str], turn: list[int]) -> Sample:
    """Run the article's script for each row, two at a time."""
    turn[0] += 1
    table = folder / f"script{turn[0]}"
    table.write_text("".join(f"{source} s3://{bucket}/script{turn[0]}/{target}/\n" for source, target in rows))
    words = ["bash", "-c", f"xargs -P{SLOTS} -n2 bash {folder}/script.sh < {table}"]
    return measured(words, env=environ, cwd=folder)


def makespan_s(server: MotoServer, bucket: str, prefix: str) -> float:
    """Return the seconds from the first claim to the last commit below ``prefix``, as their records say."""
    began, ended = [], []
    with server.client() as s3:
        for n in range(RUNS):
            folder = f"{prefix}/output/{n}/_anystore"
            claim, commit = (
                json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/{name}.json")["Body"].read())
                for name in ("claim", "commit")
            )
            began.append(claim["since_at"])
            ended.append(commit["committed_at"])
    return max(ended) - min(began)


def main() -> None:
    """Measure and publish."""
    with tempfile.TemporaryDirectory() as name, start_moto() as server, FaultProxy(server.endpoint_url) as proxy:
        folder, bucket, turn = Path(name), server.make_bucket("pipeline"), [0]
        rows = prepare(folder, server, bucket)
        environ = {
            **os.environ,
            "PATH": f"{aws_folder()}:{os.environ['PATH']}",
            "TMPDIR": name,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        proxy.throttle(down_bytes_s=BYTES / STAGE_S, up_bytes_s=BYTES / STAGE_S)
        us, peer = alternated(
            ROUNDS,
            lambda: ours(folder, rows, bucket, environ, turn),
            lambda: script(folder, rows, bucket, environ, turn),
        )
        # turns alternate, ours first: ours are the odd ones
        spans = [makespan_s(server, bucket, f"ours{number}") for number in range(1, 2 * ROUNDS, 2)]
    publish(
        "pipeline",
        [
            Figure(
                name="makespan beside the bound",
                unit="s",
                ours=spans,
                peer_name="bound",
                peer=[BOUND_S],
                demanded=1.10,
                cpu_s=sorted(one.cpu_s for one in us)[ROUNDS // 2],
                rss_mb=max(one.rss_bytes for one in us) / 2**20,
            ),
            Figure(
                name="the whole command, start and plan included, beside the bound",
                unit="s",
                ours=[one.wall_s for one in us],
                peer_name="bound",
                peer=[BOUND_S],
            ),
            Figure(
                name="the article's script beside the bound",
                unit="s",
                ours=[one.wall_s for one in peer],
                peer_name="bound",
                peer=[BOUND_S],
                cpu_s=sorted(one.cpu_s for one in peer)[ROUNDS // 2],
            ),
        ],
        {"runs": str(RUNS), "slots": str(SLOTS), "solve": f"{SOLVE_S} s", "staging": f"{STAGE_S} s each way"},
    )


if __name__ == "__main__":
    main()
