"""The format .hello keeps the contract of an archive."""

import hashlib
import json

import pytest
from anystore_doe.testing import ArchiveContract

from anystore_doe_hello import anystore_doe_archives


class TestHelloArchive(ArchiveContract):
    @pytest.fixture
    def entry(self):
        (entry,) = anystore_doe_archives()
        return entry

    def craft(self, members, file):
        """Write what a hostile author would, as far as the format can say it."""
        if any(member.kind != "file" for member in members):
            pytest.skip("a .hello holds regular files only")
        rows = [[member.name, len(member.data), bool(member.mode & 0o100)] for member in members]
        body = json.dumps(rows).encode() + b"\n" + b"".join(member.data for member in members)
        file.write_bytes(b"HELLO 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
