"""What ``policy`` prints where; which rights that are is tests/unit/engine/test_rights.py and the plugins' tests."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from anystore_doe.cli.main import main

ROLE = "arn:aws:iam::123456789012:role/doe"
TABLE = "case_input,output\ns3://data/in/a.zip,s3://data/out/1\ns3://data/in/b.zip,s3://data/out/2\n"


@pytest.fixture
def policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # whoever asks a store is refused

    def policy(*words: str, table: str = TABLE, settings: str = "", exit_code: int = 0):
        (tmp_path / "runs.csv").write_text(table)
        (tmp_path / "sweep.toml").write_text(settings)
        done = CliRunner().invoke(main, ["policy", "runs.csv", *words])
        assert done.exit_code == exit_code, done.output
        return done

    return policy


def resources(text: str) -> set[str]:
    return {resource for one in json.loads(text)["Statement"] for resource in one["Resource"]}


def test_stdout_is_the_document_and_stderr_says_what_it_is_for(policy):
    done = policy()
    assert "arn:aws:s3:::data/in/a.zip" in resources(done.stdout)
    assert "arn:aws:s3:::data/out/2/*" in resources(done.stdout)
    assert done.stderr.startswith("aws-iam, for the user or role that runs the sweep (")
    assert "of 6,144 characters):" in done.stderr


def test_neither_command_nor_templates_are_needed_but_urls_among_them_are_read(policy):
    found = resources(policy("-t", "missing.sh", "-t", "s3://data/t.in:x.in", "--input-file", "s3://lib/f").stdout)
    assert {"arn:aws:s3:::data/t.in", "arn:aws:s3:::lib/f", "arn:aws:s3:::lib"} <= found


def test_common_places_and_selected_rows_count(policy):
    words = ("-i", "s3://data/case.zip", "-o", "s3://data/doe", "--select", "2")
    found = resources(policy(*words, table="rpm\n1000\n2000\n").stdout)
    assert {"arn:aws:s3:::data/case.zip", "arn:aws:s3:::data/doe/0002/*"} <= found
    assert "arn:aws:s3:::data/doe/0001/*" not in found


def test_many_rows_are_one_prefix_and_that_is_said(policy):
    table = "n\n" + "".join(f"{n}\n" for n in range(500))
    done = policy("-o", "s3://data/doe", table=table)
    assert {"arn:aws:s3:::data/doe/*", "arn:aws:s3:::data"} == resources(done.stdout)
    assert "many places lie below s3://data/doe/" in done.stderr


def test_a_policy_that_is_too_large_is_not_printed_and_the_split_is_explained(policy):
    rows = "".join(f"s3://data/{n:03}-{'x' * 40}\n" for n in range(50))
    done = policy(table=f"output\n{rows}", exit_code=3)
    assert "at most 6,144 are taken" in done.stderr
    assert "--select 1-100" in done.stderr
    assert done.stdout == ""
    assert "20,480" not in policy("--select", "1-10", table=f"output\n{rows}").stderr


def test_stores_without_policies_are_named(policy):
    done = policy(table="case_input,output\nsftp://host/a.zip,/data/out\n")
    assert done.stdout == ""
    assert "file://: nothing to grant" in done.stderr
    assert "sftp://host: nothing to grant" in done.stderr


def test_one_cloud_is_picked_and_one_that_is_not_there_is_refused(policy):
    table = "case_input,output\n/data/a.zip,s3://data/out\n"
    assert "nothing to grant" in policy(table=table).stderr
    assert "nothing to grant" not in policy("--cloud", "aws", table=table).stderr
    refused = policy("--cloud", "azure", table=table, exit_code=3)
    assert "nothing of this sweep is granted on azure" in refused.stderr


def test_settings_of_a_prefix_are_honoured(policy):
    settings = '[storage."s3://data/out"]\nkms_key = "1234"\nprofile = "writer"\n'
    done = json.loads(policy("--json", settings=settings).stdout)
    mine, writers = done["policies"]
    assert (done["schema"], mine["kind"], writers["attach"]) == (
        1,
        "aws-iam",
        "the user or role of the profile 'writer'",
    )
    assert "kms:Decrypt" not in json.dumps(mine)
    assert "kms:GenerateDataKey" in json.dumps(writers)


def test_the_cross_account_form_needs_somebody(policy):
    done = policy("--form", "bucket-policy", "--principal", ROLE)
    assert json.loads(done.stdout)["Statement"][0]["Principal"] == {"AWS": ROLE}
    assert "Note:  a bucket has one policy" in done.stderr
    assert "--principal arn:" in policy("--form", "bucket-policy", exit_code=2).stderr
    policy("--principal", ROLE, exit_code=2)


GOOGLE = "serviceAccount:doe@my-project.iam.gserviceaccount.com"
MIXED = "case_input,output\ngs://data/in/a.zip,gs://data/out/1\ns3://data/in/b.zip,gs://data/out/2\n"


def test_commands_come_instead_of_the_document_and_with_json_beside_it(policy):
    words = ("--cloud", "gcp", "--principal", GOOGLE)
    done = policy(*words, "--commands", table=MIXED)
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["printf"] * 3
    assert done.stdout.count(f"--member={GOOGLE}") == 3
    assert done.stderr.startswith("gcp-iam, for the bucket data (")
    [one] = json.loads(policy(*words, "--json", table=MIXED).stdout)["policies"]
    assert one["commands"] == done.stdout.splitlines()
    assert [binding["members"] for binding in one["document"]["bindings"]] == [[GOOGLE]] * 3


def test_azure_gets_a_role_and_an_assignment(policy, monkeypatch):
    for name in ("CONNECTION_STRING", "ACCOUNT_KEY", "ACCOUNT_NAME", "SAS_TOKEN"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    url = "abfss://data@acc.dfs.core.windows.net"
    words = ("--cloud", "azure", "--principal", "me@example.com")
    table = f"case_input,output\n{url}/in/a.zip,{url}/out/1\ns3://data/in/b.zip,{url}/out/2\n"
    done = policy(*words, table=table)
    assert list(json.loads(done.stdout)) == ["roleDefinitions", "roleAssignments"]
    assert done.stderr.startswith("azure-rbac, for the container data of the account acc (")
    commands = policy(*words, "--commands", table=table).stdout.splitlines()
    assert [line.split()[:4] for line in commands] == [
        ["az", "role", what, "create"] for what in ("definition", "assignment")
    ]


def test_a_policy_that_has_no_commands_says_so(policy):
    done = policy("--commands", table=MIXED)
    assert "aws-iam" not in done.stdout
    assert "Note:  there are no commands for it" in done.stderr
    assert done.stdout.count("gcloud") == 3


def test_somebody_of_one_cloud_is_not_somebody_of_another(policy):
    refused = policy("--principal", GOOGLE, table=MIXED, exit_code=2)
    assert "Hint:  leave --principal out, or pick the cloud that it is for with --cloud" in refused.stderr
    assert "no service account" in policy("--principal", ROLE, "--cloud", "gcp", table=MIXED, exit_code=2).stderr


def test_the_form_of_one_cloud_is_not_a_form_of_another(policy):
    done = policy("--form", "bucket-policy", "--principal", ROLE, table=MIXED)
    assert "gs://data: nothing to grant: on Google Cloud rights are bound to the bucket in any case" in done.stderr
    assert "aws-bucket-policy" in done.stderr


def test_deleting_is_granted_when_asked_for(policy):
    assert "s3:DeleteObject" not in policy().stdout
    assert "s3:DeleteObject" in policy("--with-delete").stdout
