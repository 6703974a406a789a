"""The archive suite notices: each format below has bugs, and the tests named beside it fail on it."""

import stat
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from anystore_doe.builtin.zip import anystore_doe_archives
from anystore_doe.builtin.zip.archive import ZipArchive
from anystore_doe.contract import Archive, Limits, Member, Watch
from anystore_doe.errors import ArchiveError
from anystore_doe.testing.archive_contract import ArchiveContract
from anystore_doe.testing.seeded import Bugs


class Seeded(ArchiveContract):
    subject = ZipArchive
    big_bytes = 3_000_001

    @pytest.fixture
    def entry(self):
        (entry,) = (entry for entry in anystore_doe_archives() if ".zip" in entry.suffixes)
        return replace(entry, open=self.subject)

    def make(self, entry, files, file):
        super().make(replace(entry, open=ZipArchive), files, file)

    def craft(self, members, file):
        types = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK}
        with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as sink:
            warnings.filterwarnings("ignore", "Duplicate name", UserWarning)  # that is what is being made
            for member in members:
                info = zipfile.ZipInfo(member.name)
                info.create_system, info.external_attr = 3, (types[member.kind] | member.mode) << 16
                sink.writestr(info, member.target or member.data)


BUGS = Bugs(globals(), Seeded)


class Extractall(Archive):
    """What a first attempt looks like: the standard library's ``extractall``."""

    def members(self, file, limits):
        try:
            with zipfile.ZipFile(file) as source:
                return [Member(path=i.filename, size=i.file_size, folder=i.is_dir()) for i in source.infolist()]
        except (zipfile.BadZipFile, OSError) as error:
            raise ArchiveError(file.name, "damaged", str(error)) from error

    def unpack(self, file, folder, limits, *, watch):
        members = self.members(file, limits)
        try:
            with zipfile.ZipFile(file) as source:
                source.extractall(folder)
        except (zipfile.BadZipFile, OSError) as error:
            raise ArchiveError(file.name, "damaged", str(error)) from error
        return members


HOSTILE = "test_a_hostile_member_makes_the_whole_archive_refused"
NOTICED = [
    *(f"{HOSTILE}[{name}]" for name in ("parent", "absolute", "symlink", "twice", "case", "backslash", "long-part")),
    "test_the_executable_bit_is_kept_and_no_other",
    "test_what_a_mac_adds_is_left_out",
    "test_a_path_that_exists_is_never_written_over",
    "test_nothing_is_written_through_a_link",
    "test_more_than_the_limits_is_refused",
    "test_a_bomb_is_refused",
    "test_a_disk_that_is_too_small_is_known_beforehand",
    "test_a_damaged_archive_is_refused_or_does_no_harm",
    "test_a_cancelled_unpack_leaves_nothing",
    "test_a_big_member_comes_out_whole_and_the_watch_sees_it",
]
for number, noticed in enumerate(NOTICED):
    BUGS.caught_by(noticed)(type(f"Extractall{number}", (Extractall,), {}))


@BUGS.caught_by("test_members_tells_what_unpack_brings_and_writes_nothing")
class MembersWithoutSizes(ZipArchive):
    def members(self, file, limits):
        return [replace(member, size=0) for member in super().members(file, limits)]


@BUGS.caught_by("test_an_unpack_cancelled_on_its_way_leaves_nothing")
class NeverLooksAtTheWatch(ZipArchive):
    def unpack(self, file, folder, limits, *, watch):
        return super().unpack(file, folder, limits, watch=Watch())


@BUGS.caught_by("test_more_than_the_limits_is_refused")
class LimitsOfItsOwn(ZipArchive):
    def unpack(self, file, folder, limits, *, watch):
        return super().unpack(file, folder, Limits(keep_free_bytes=0), watch=watch)


@BUGS.caught_by("test_files_that_were_there_stay")
class WantsAnEmptyFolder(ZipArchive):
    def unpack(self, file, folder, limits, *, watch):
        if any(folder.iterdir()):
            raise ArchiveError(file.name, "not-empty", str(folder))
        return super().unpack(file, folder, limits, watch=watch)


@BUGS.caught_by("test_a_truncated_archive_is_refused")
class ForeignErrors(ZipArchive):
    def unpack(self, file, folder, limits, *, watch):
        try:
            return super().unpack(file, folder, limits, watch=watch)
        except ArchiveError as error:
            raise zipfile.BadZipFile(str(error)) from error


@BUGS.caught_by("test_what_goes_in_comes_out")
class LosesHidden(ZipArchive):
    def unpack(self, file, folder, limits, *, watch):
        members = super().unpack(file, folder, limits, watch=watch)
        for hidden in folder.glob(".hidden/*"):
            hidden.unlink()
        return members


@BUGS.caught_by("test_pack_takes_regular_files_sorted_and_leaves_links_out")
class PacksThroughLinks(ZipArchive):
    def pack(self, folder, file):
        with zipfile.ZipFile(file, "w") as sink:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    sink.write(path, path.relative_to(folder))


# ---- the proof


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return BUGS.outcomes(Path(__file__), tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("name", BUGS.caught)
def test_the_suite_catches_the_bug(outcomes, name):
    assert "failure" in outcomes[name], f"{BUGS.caught[name]} does not notice {name}"


def test_without_a_bug_the_same_tests_pass(outcomes):
    assert outcomes["Seeded"] <= {"passed", "skipped"}
