"""What AWS would be asked whether it is allowed: by the requests that a server saw, and by a simulator of IAM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from anystore_doe.testing.servers import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NODE_MODULES = "ANYSTORE_DOE_NODE_MODULES"
SIMULATOR = "@cloud-copilot/iam-simulate"
ACCOUNT = "123456789012"
ME = f"arn:aws:iam::{ACCOUNT}:role/doe"

_ASK = """
const { runSimulation } = require("@cloud-copilot/iam-simulate");
const { me, identity, bucket, requests } = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
  const answers = [];
  for (const { action, resource, context, owner } of requests) {
    const answer = await runSimulation({
      request: { principal: me, action, resource: { resource, accountId: owner }, contextVariables: context },
      identityPolicies: identity.map((policy, n) => ({ name: `p${n}`, policy })),
      serviceControlPolicies: [], resourceControlPolicies: [], resourcePolicy: bucket || undefined,
    }, {});
    answers.push(answer.resultType === "error" ? JSON.stringify(answer.errors) : answer.overallResult);
  }
  console.log(JSON.stringify(answers));
})();
"""
_LINT = """
import json, sys, parliament
findings = parliament.analyze_policy_string(sys.stdin.read()).findings
print(json.dumps([str(finding) for finding in findings]))
"""


@dataclass(frozen=True)
class Asked:
    """One decision: may ``action`` be done on ``resource``; ``context`` holds the condition keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def words(self) -> str:
        return " ".join([self.action, self.resource, *self.context.values()])


def on_key(action: str, bucket: str, key: str) -> Asked:
    return Asked(action, f"arn:aws:s3:::{bucket}/{key}")


def listing(bucket: str, prefix: str) -> Asked:
    return Asked("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})


def asked(requests: Iterable[tuple[str, str, int]], deleted: Sequence[str] = ()) -> list[Asked]:
    """Return what AWS would decide on for these requests (method, target, status), path style.

    A DeleteObjects names its keys in its body, which no log has: they are said in ``deleted``.
    """
    found = []
    for method, target, _ in requests:
        parts = urlsplit(target)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if key:
            found.append(on_key(_action(method, query), bucket, key))
        elif method == "POST" and "delete" in query:
            found += [on_key("s3:DeleteObject", bucket, one) for one in deleted]
        elif method == "GET" and query.get("list-type") == "2":
            found.append(listing(bucket, query["prefix"]))
        else:
            raise AssertionError(f"not a request that the plugin is known to send: {method} {target}")
    return found


def _action(method: str, query: Mapping[str, str]) -> str:
    if method == "DELETE":
        return "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    return {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject"}[method]


def decisions(
    requests: Sequence[Asked],
    *,
    identity: Sequence[Mapping[str, Any]] = (),
    bucket: Mapping[str, Any] | None = None,
    owner: str = ACCOUNT,
) -> list[str]:
    """Return what IAM would say to each request: ``Allowed``, ``ImplicitlyDenied`` ...

    Args:
        requests: In any order.
        identity: Policies of who asks.
        bucket: The bucket's policy.
        owner: Account of the bucket.
    """
    folder, node = _simulator()
    question = {
        "me": ME,
        "identity": list(identity),
        "bucket": bucket,
        "requests": [
            {"action": one.action, "resource": one.resource, "context": dict(one.context), "owner": owner}
            for one in requests
        ],
    }
    done = subprocess.run(
        [node, "-e", _ASK],
        input=json.dumps(question),
        env={**os.environ, "NODE_PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    assert len(answers) == len(requests)
    return answers


def _simulator() -> tuple[Path, str]:
    """Return the folder of node modules that has the simulator, and node; skip or fail the test without them."""
    folders = [os.environ.get(NODE_MODULES, ""), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    found = next((Path(one) for one in folders if one and (Path(one) / SIMULATOR).is_dir()), None)
    node = shutil.which("node")
    if found is None or node is None:
        require(
            f"no simulator of IAM: npm install --prefix DIR {SIMULATOR}, and {NODE_MODULES}=DIR/node_modules"
            if node
            else "no node: apt-get install nodejs npm"
        )
    assert found
    assert node
    return found, node


def lint(policy: Mapping[str, Any]) -> list[str]:
    """Return what parliament finds wrong with a policy."""
    if find_spec("parliament") is None or find_spec("pkg_resources") is None:
        require("no linter of policies: pip install parliament 'setuptools<81'")
    done = subprocess.run(  # it leaves files open, which is an error in this process
        [sys.executable, "-W", "ignore", "-c", _LINT],
        input=json.dumps(policy),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    findings: list[str] = json.loads(done.stdout)
    return findings
