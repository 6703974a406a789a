"""What private.py relies on of azure-storage-blob, azure-core and aiohttp beyond documented interfaces."""

from __future__ import annotations

import inspect
import logging
import re
from pathlib import Path

import anystore_doe_azure
from anystore_doe_azure import private

from anystore_doe.fsspec_storage.bridge import run


def test_the_service_client_has_a_pipeline_that_signs_and_does_not_try_again(storage):
    from azure.core.pipeline import AsyncPipeline

    storage.find("k")
    service = storage._client._requests._service
    assert isinstance(service._pipeline, AsyncPipeline)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", service.api_version)
    policies = [getattr(one, "_policy", one) for one in service._pipeline._impl_policies]
    (retrying,) = [policy for policy in policies if hasattr(policy, "total_retries")]
    assert retrying.total_retries == 0
    (redirecting,) = [policy for policy in policies if type(policy).__name__ == "AsyncRedirectPolicy"]
    assert redirecting.allow is False


def test_the_transport_opens_a_session_of_ours_that_sends_once(storage, context):
    import aiohttp

    storage.find("k")
    session = storage._client._requests._service._pipeline._transport.session
    assert isinstance(session, aiohttp.ClientSession)
    assert session._retry_connection is False
    assert session.connector.limit == context.connections_per_host
    assert "_retry_connection" in inspect.getsource(aiohttp.ClientSession._request)


def test_a_response_is_streamed_raw_and_closed(storage, watch):
    storage.push(b"x" * 3_000_000, "k", watch=watch)

    async def streamed():
        answer, body = await storage._client._requests.stream(f"{storage._client.container}/k", {})
        sizes = [len(chunk) async for chunk in body]
        return answer, sizes

    answer, sizes = run(storage._client.loop, streamed(), url="x")
    assert answer.status == 200
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= private._CHUNK


def test_a_closed_storage_closes_again_and_leaves_no_session(storage):
    storage.find("k")
    transport = storage._client._requests._service._pipeline._transport
    storage.close()
    storage.close()
    assert transport.session is None


def test_the_sdks_log_is_capped(storage, caplog, azurite):
    with caplog.at_level(logging.DEBUG):
        private._cap_loggers()
        storage.find("k")
    ours = [r for r in caplog.records if r.name.partition(".")[0] in private._LOGGERS]
    assert not [r for r in ours if r.levelno < logging.INFO or r.name == private._REQUEST_LOGGER]
    assert azurite.account_key not in caplog.text
    assert "SharedKey" not in caplog.text


def test_only_private_touches_the_sdk_and_nothing_moves_bytes_in_bulk():
    """errors.py names the classes of azure-core's errors, whose turning into ours is its task."""
    for path in Path(anystore_doe_azure.__file__).parent.glob("*.py"):
        text = path.read_text()
        if path.name not in {"private.py", "errors.py"}:
            assert not re.search(r"^\s*(import|from) (azure|adlfs|aiohttp|fsspec)\b", text, re.MULTILINE), path.name
        bulk = r"\.(get_file|put_file|makedirs|upload_blob|download_blob|create_container|get_container_properties)\("
        assert not re.search(bulk, text), path.name
