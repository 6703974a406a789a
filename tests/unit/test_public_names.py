"""The names that plugins and programs may rely on: adding one is a decision, removing one breaks somebody."""

import pytest

import anystore_doe.contract
import anystore_doe.model
import anystore_doe.testing

CONTRACT = {
    "Archive",
    "ArchiveEntry",
    "ByteBudget",
    "Capabilities",
    "Executor",
    "ExecutorContext",
    "ExecutorEntry",
    "Limits",
    "Member",
    "NAME",
    "NoOptions",
    "Place",
    "Policy",
    "Storage",
    "StorageContext",
    "StorageEntry",
    "Watch",
    "hookimpl",
    "hookspec",
    "option",
}

MODEL = {
    "AttemptRecord",
    "Claim",
    "Commit",
    "ExitRecord",
    "FileRecord",
    "InputFile",
    "InputIdentity",
    "ATTEMPTS_PATH",
    "CLAIM_PATH",
    "OUR_FOLDER",
    "ObjectInfo",
    "OrderedRun",
    "PinnedInput",
    "PinnedObject",
    "Plain",
    "Recipe",
    "Resources",
    "Run",
    "RunEvent",
    "SCHEMA",
    "STEPS",
    "SolveRequest",
    "Solved",
    "Step",
    "StoreSettings",
    "Sweep",
    "Template",
    "WorkOrder",
    "WorkerEnd",
}

TESTING = {
    "Answer",
    "ArchiveContract",
    "AzuriteServer",
    "Bugs",
    "Crafted",
    "Cut",
    "Delay",
    "ExecutorContract",
    "FakeGcsServer",
    "FaultProxy",
    "Flip",
    "HttpFaultsContract",
    "LoseReply",
    "MemoryStorage",
    "MotoServer",
    "OpenSshServer",
    "Rule",
    "ServerMissingError",
    "ServerProcess",
    "StorageContract",
    "Swap",
    "Truncate",
    "azure_error",
    "gcs_error",
    "require",
    "s3_error",
    "start_azurite",
    "start_fake_gcs",
    "start_moto",
    "start_sshd",
}

ROOMS = {anystore_doe.contract: CONTRACT, anystore_doe.model: MODEL, anystore_doe.testing: TESTING}


@pytest.mark.parametrize(("room", "names"), ROOMS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_public_names_are_exactly_these(room, names):
    assert set(room.__all__) == names
    assert len(room.__all__) == len(names)


@pytest.mark.parametrize(("room", "names"), ROOMS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_public_name_is_there(room, names):
    for name in names:
        assert getattr(room, name) is not None
