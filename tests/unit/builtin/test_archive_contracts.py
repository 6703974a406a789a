"""The archive formats that ship pass the archive suite."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import warnings
import zipfile

import pytest
import zstandard

from anystore_doe.builtin import tar as tar_plugin
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


TAR_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def craft_tar(members, suffix, file):
    """Write a tar with these members as they are, compressed as ``suffix`` says."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as sink:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.mode, info.linkname = TAR_TYPES[member.kind], member.mode, member.target
            info.size = len(member.data) if member.kind == "file" else 0
            sink.addfile(info, io.BytesIO(member.data))
    file.write_bytes(COMPRESSED[suffix](plain.getvalue()))


class TarContract(ArchiveContract):
    suffix = ""

    @pytest.fixture
    def entry(self):
        return next(entry for entry in tar_plugin.anystore_doe_archives() if self.suffix in entry.suffixes)

    def craft(self, members, file):
        craft_tar(members, self.suffix, file)


COMPRESSED = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstandard.compress,
}


class TestTar(TarContract):
    suffix = ".tar"
    checks_bodies = False


class TestTarGz(TarContract):
    suffix = ".tar.gz"


class TestTarBz2(TarContract):
    suffix = ".tar.bz2"
    big_bytes = 2 * 2**20 + 1


class TestTarXz(TarContract):
    suffix = ".tar.xz"
    big_bytes = 2 * 2**20 + 1


class TestTarZst(TarContract):
    suffix = ".tar.zst"
