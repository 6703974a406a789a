"""The archive formats that ship pass the archive suite."""

import stat
import zipfile

import pytest

from anystore_doe.builtin import zip as zip_plugin
from anystore_doe.testing.archive_contract import ArchiveContract

TYPES = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO}


def craft_zip(members, file):
    """Write a zip as Info-ZIP does on Unix: the whole mode in the upper half of the external attributes."""
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as sink:
        warnings.filterwarnings("ignore", "Duplicate name", UserWarning)  # that is what is being made
        for member in members:
            if member.kind == "hardlink":
                pytest.skip("a zip has no hard links")
            info = zipfile.ZipInfo("placeholder")
            info.filename = member.name  # as it is: the constructor cuts at NUL
            info.create_system = 3
            info.external_attr = (TYPES[member.kind] | member.mode) << 16
            body = member.target.encode() if member.kind == "symlink" else member.data
            sink.writestr(info, body)


class TestZip(ArchiveContract):
    @pytest.fixture
    def entry(self):
        return next(entry for entry in zip_plugin.anystore_doe_archives() if ".zip" in entry.suffixes)

    def craft(self, members, file):
        craft_zip(members, file)
