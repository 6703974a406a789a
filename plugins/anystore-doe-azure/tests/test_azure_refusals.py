"""What is said when the store refuses: its own words and name of the request, a clock that is off."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from anystore_doe.errors import CredentialsError, ObjectNotFoundError
from anystore_doe.testing import Answer, Rule, azure_error

TOO_OLD = "Request date header too old: 'Mon, 02 Nov 2026 10:00:00 GMT'"


@pytest.mark.parametrize(("off_s", "words"), [(1800, "30 minutes behind"), (-1800, "30 minutes ahead of")])
def test_a_clock_that_is_off_is_said_by_how_much(through_proxy, proxy, off_s, words):
    answer = azure_error(403, "AuthenticationFailed", detail=TOO_OLD)
    headers = {**answer.headers, "Date": formatdate(time.time() + off_s, usegmt=True)}
    proxy.add(Rule(fault=Answer(status=403, body=answer.body, headers=headers), count=None))
    for attempt in (lambda: through_proxy.stat("k"), lambda: through_proxy.read("k")):
        with pytest.raises(CredentialsError, match=f"the clock of this machine is {words} the store's") as raised:
            attempt()
        assert "clock" in raised.value.hint
        assert raised.value.exit_code == 4


def test_the_servers_own_name_of_the_request_is_said(storage, watch):
    for attempt in (lambda: storage.stat("absent"), lambda: storage.read("absent")):
        with pytest.raises(ObjectNotFoundError, match=r"no such object \((BlobNotFound|404), request [-\w]+\)$"):
            attempt()


def test_a_container_that_is_not_there_is_never_made(open_at, azurite, watch):
    nowhere = open_at(azurite.endpoint_url, root="az://no-such-container")
    said = r"no container 'no-such-container' \(ContainerNotFound, request"
    for attempt in (
        lambda: nowhere.push(b"", "k", watch=watch),
        lambda: nowhere.push(b"", "k", create_only=True, watch=watch),
        lambda: list(nowhere.walk()),  # after the pushes: neither has made it
    ):
        with pytest.raises(ObjectNotFoundError, match=said) as raised:
            attempt()
        assert raised.value.exit_code == 3
