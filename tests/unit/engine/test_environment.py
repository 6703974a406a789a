"""A solver's environment: the caller's without credentials, the row's values, the slot's own variables."""

import os
import socket
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.definition.columns import steers
from anystore_doe.engine.cores import usable_cpus
from anystore_doe.engine.environment import (
    CLOUD_CREDENTIALS,
    MAX_ENTRY_BYTES,
    NO_CREDENTIALS_ELSEWHERE,
    common_environment,
    machinefile_text,
    solver_environment,
)
from anystore_doe.errors import RunError
from anystore_doe.model import Recipe, Run

SECRETS = {
    "AWS_ACCESS_KEY_ID": "canary",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "AWS_SESSION_TOKEN": "canary",
    "AWS_PROFILE": "canary",
    "AWS_CONFIG_FILE": "/canary",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/canary",
    "GOOGLE_APPLICATION_CREDENTIALS": "/canary.json",
    "CLOUDSDK_AUTH_ACCESS_TOKEN": "canary",
    "AZURE_STORAGE_KEY": "canary",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=canary",
    "ARM_CLIENT_SECRET": "canary",
    "MSI_SECRET": "canary",
    "FSSPEC_S3_SECRET": "canary",
    "MC_HOST_store": "https://canary:canary@store",
    "RCLONE_CONFIG_X_SECRET_ACCESS_KEY": "canary",
    "STORE_TOKEN": "canary",
}
HARMLESS = {"PATH": "/usr/bin", "RLM_LICENSE": "2765@server", "ARM_LICENSE_DIR": "/opt/arm", "AWS_REGION": "eu-west-1"}


def make(tmp_path, environ=None, values=None, exports=None, cpus=(2, 3), slot=1, **recipe):
    values = {"rpm": "1500"} if values is None else values
    made = Recipe(command=("true",), **recipe)
    return solver_environment(
        common_environment(
            SECRETS | HARMLESS if environ is None else environ,
            made,
            credential_env=("STORE_TOKEN", "OTHER_*"),
            blank_env={"STORE_CONFIG": "/dev/null"},
        ),
        recipe=made,
        run=Run(run_id="0007", row=7, line=8, values=values, inputs=(), output="file:///out"),
        exports=values if exports is None else exports,
        attempt=2,
        seat_index=slot,
        cpus=cpus,
        cores=2,
        work_dir=tmp_path / "work",
        machinefile=tmp_path / "machinefile",
    )


def test_no_credential_reaches_the_solver_and_the_rest_does(tmp_path):
    env = make(tmp_path)
    assert "canary" not in str(env)
    assert env.items() >= HARMLESS.items()


def test_tools_of_the_clouds_find_no_credentials_elsewhere(tmp_path):
    env = make(tmp_path)
    assert env.items() >= {**NO_CREDENTIALS_ELSEWHERE, "STORE_CONFIG": "/dev/null"}.items()
    assert env["AWS_CONFIG_FILE"] == "/dev/null"


def test_one_variable_is_passed_by_name_and_only_that(tmp_path):
    env = make(tmp_path, pass_env=("AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "STORE_CONFIG", "STORE_TOKEN"))
    assert {name: env.get(name) for name in SECRETS if "canary" in env.get(name, "")} == {
        "AWS_SESSION_TOKEN": "canary",
        "AWS_CONFIG_FILE": "/canary",
        "STORE_TOKEN": "canary",
    }
    assert "STORE_CONFIG" not in env


def test_shared_credentials_are_shared_whole(tmp_path):
    env = make(tmp_path, share_credentials=True)
    assert env.items() >= (SECRETS | HARMLESS).items()
    assert "NO_GCE_CHECK" not in env


def test_plugins_may_call_a_region_a_credential(tmp_path):
    assert "OTHER_REGION" not in make(tmp_path, environ={"OTHER_REGION": "x"})


def test_every_family_of_credentials_is_written_in_capitals_and_once():
    assert len(set(CLOUD_CREDENTIALS)) == len(CLOUD_CREDENTIALS)
    assert all(pattern.isupper() for pattern in CLOUD_CREDENTIALS)


def test_columns_and_formatted_values_are_there_by_name(tmp_path):
    env = make(tmp_path, values={"rpm": "1500", "bore (mm)": "80"}, exports={"rpm": "1500", "_rpm_1": "1500.00"})
    assert (env["rpm"], env["_rpm_1"]) == ("1500", "1500.00")
    assert "bore (mm)" not in env


def test_the_slot_is_described(tmp_path):
    env = make(tmp_path)
    assert {name: value for name, value in env.items() if name.startswith("ANYSTORE_DOE_")} == {
        "ANYSTORE_DOE_RUN_ID": "0007",
        "ANYSTORE_DOE_ATTEMPT": "2",
        "ANYSTORE_DOE_SLOT": "1",
        "ANYSTORE_DOE_CORES": "2",
        "ANYSTORE_DOE_CPUS": "2,3",
        "ANYSTORE_DOE_WORK_DIR": f"{tmp_path}/work",
        "ANYSTORE_DOE_MACHINEFILE": f"{tmp_path}/machinefile",
    }


def test_a_slot_that_is_not_pinned_names_the_cpus_of_this_process(tmp_path):
    assert make(tmp_path, cpus=())["ANYSTORE_DOE_CPUS"] == ",".join(map(str, usable_cpus()))


def test_the_mark_of_an_outer_engine_is_not_passed_on(tmp_path):
    assert "ANYSTORE_DOE_TOKEN" not in make(tmp_path, environ={"ANYSTORE_DOE_TOKEN": "0" * 32})
    assert "ANYSTORE_DOE_TOKEN" not in make(tmp_path, environ={"ANYSTORE_DOE_TOKEN": "0"}, share_credentials=True)


def test_threads_and_mpi_binding_are_set_where_the_user_did_not(tmp_path):
    env = make(tmp_path)
    assert env["OMP_NUM_THREADS"] == "2"
    assert env["OMPI_MCA_hwloc_base_binding_policy"] == "none"
    assert env["PRTE_MCA_hwloc_default_binding_policy"] == "none"
    users = {
        "OMP_NUM_THREADS": "7",
        "OMPI_MCA_hwloc_base_binding_policy": "core",
        "PRTE_MCA_hwloc_default_binding_policy": "core",
    }
    assert make(tmp_path, environ=users).items() >= users.items()


def test_the_platforms_variables_are_there_when_asked_for(tmp_path):
    assert not [name for name in make(tmp_path) if name.startswith("RESCALE_")]
    env = make(tmp_path, compat="rescale")
    assert {name: value for name, value in env.items() if name.startswith("RESCALE_")} == {
        "RESCALE_CORES_PER_SLOT": "2",
        "RESCALE_NODES_PER_SLOT": "1",
        "RESCALE_JOB_ID": "0007",
    }
    assert make(tmp_path, environ={"RESCALE_JOB_ID": "abc"}, compat="rescale")["RESCALE_JOB_ID"] == "abc"


@pytest.mark.parametrize("text", ["x", "é"])
def test_the_longest_value_that_the_system_takes_passes_and_one_byte_more_names_its_column(tmp_path, text):
    longest = text * ((MAX_ENTRY_BYTES - len("mesh=") - 1) // len(text.encode()))
    env = make(tmp_path, values={"mesh": longest})
    subprocess.run(["true"], env={"PATH": os.environ["PATH"], "mesh": env["mesh"]}, check=True)
    too_long = longest + text
    with pytest.raises(OSError, match="too long"):
        subprocess.run(["true"], env={"PATH": os.environ["PATH"], "mesh": too_long}, check=True)
    with pytest.raises(RunError, match=r"run 0007: column 'mesh' has 131,07\d bytes .* less than 131,072") as caught:
        make(tmp_path, values={"mesh": too_long})
    assert "--input-file" in caught.value.hint


def test_a_nul_names_where_it_is(tmp_path):
    with pytest.raises(RunError, match="the formatted value v_1 holds a NUL"):
        make(tmp_path, exports={"v_1": "a\0"})


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.just("canary"), max_size=5))
def test_a_plugin_pattern_is_a_pattern_of_whole_names(tmp_path_factory, environ):
    env = make(tmp_path_factory.getbasetemp(), environ=environ)
    kept = {name for name, value in env.items() if value == "canary"}
    assert not any(name == "STORE_TOKEN" or name.startswith(("OTHER_", "AWS_SECRET")) for name in kept)


def test_a_machine_file_has_a_line_per_rank():
    assert machinefile_text(2) == f"{socket.gethostname()}\n" * 2
    assert machinefile_text(8, host="node1", compact=True) == "node1 slots=8\n"


@pytest.mark.parametrize("pattern", CLOUD_CREDENTIALS)
def test_what_no_solver_gets_may_not_be_a_column_either(pattern):
    assert steers(pattern.replace("*", "X"))
