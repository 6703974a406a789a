"""Cores: what affinity and quotas leave, and how slots share them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore_doe.engine import cores
from anystore_doe.engine.cores import cpu_quota, default_slots, pin_slots, usable_cores, usable_cpus


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend a machine: CPU to (package, core), and a quota."""

    def make(places, quota=None):
        for cpu, (package, core) in places.items():
            folder = tmp_path / f"cpu{cpu}" / "topology"
            folder.mkdir(parents=True)
            (folder / "physical_package_id").write_text(f"{package}\n")
            (folder / "core_id").write_text(f"{core}\n")
        monkeypatch.setattr(cores, "usable_cpus", lambda: tuple(sorted(places)))
        monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
        return tmp_path

    return make


# two packages of two cores of two threads, numbered as Linux numbers them: threads of a core are 4 apart
EIGHT = {cpu: (cpu % 4 // 2, cpu % 2) for cpu in range(8)}


def test_slots_get_physical_cores_first(machine):
    topology = machine(EIGHT)
    assert pin_slots(2, 2, topology=topology).cpus == ((0, 1), (2, 3))
    assert pin_slots(4, 1, topology=topology).cpus == ((0,), (1,), (2,), (3,))


def test_when_hyper_threads_are_needed_a_slot_gets_those_of_one_core(machine):
    topology = machine(EIGHT)
    assert pin_slots(4, 2, topology=topology).cpus == ((0, 4), (1, 5), (2, 6), (3, 7))
    assert pin_slots(2, 4, topology=topology).cpus == ((0, 1, 4, 5), (2, 3, 6, 7))


def test_only_cpus_that_this_process_may_use_are_given(machine):
    topology = machine({1: (0, 1), 3: (1, 1), 7: (1, 1)})
    assert pin_slots(2, 1, topology=topology).cpus == ((1,), (3,))
    assert pin_slots(3, 1, topology=topology).cpus == ((1,), (3,), (7,))


def test_without_a_topology_every_cpu_is_a_core(machine, tmp_path):
    machine(EIGHT)
    assert pin_slots(2, 4, topology=tmp_path / "none").cpus == ((0, 1, 2, 3), (4, 5, 6, 7))


def test_more_than_the_machine_has_is_not_pinned(machine):
    pinning = pin_slots(3, 3, topology=machine(EIGHT))
    assert pinning.cpus == ((), (), ())
    assert pinning.why_not == "3 slots of 3 cores are more than the 8 cores that are usable here"


def test_a_quota_below_the_cpus_is_not_pinned(machine):
    """Every container of the machine would choose the same ones."""
    topology = machine(EIGHT, quota=2.0)
    assert pin_slots(2, 1, topology=topology).why_not == "a quota of 2 cores is shared out over 8 CPUs"
    assert usable_cores() == 2
    assert default_slots(1) == 2


@pytest.mark.parametrize(("quota", "usable"), [(None, 8), (0.5, 1), (1.9, 1), (3.0, 3), (100.0, 8)])
def test_usable_cores_are_whole_and_at_least_one(machine, quota, usable):
    machine(EIGHT, quota)
    assert usable_cores() == usable
    assert default_slots(4) == max(1, usable // 4)


def test_affinity_is_what_the_scheduler_says():
    assert usable_cpus() == tuple(sorted(os.sched_getaffinity(0)))


@given(
    places=st.dictionaries(st.integers(0, 40), st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1),
    count=st.integers(1, 12),
    per_slot=st.integers(1, 6),
)
def test_slots_never_share_a_cpu(places, count, per_slot):
    grouped = {}
    for cpu, where in sorted(places.items()):
        grouped.setdefault(where, []).append(cpu)
    if count * per_slot > len(places):
        return
    shares = cores._share_out([grouped[where] for where in sorted(grouped)], count, per_slot)
    given_out = [cpu for share in shares for cpu in share]
    assert len(shares) == count
    assert all(len(share) == per_slot for share in shares)
    assert len(set(given_out)) == len(given_out)
    assert set(given_out) <= set(places)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_2_says_its_quota_in_cpu_max_and_every_group_above_counts(tmp_path):
    put(tmp_path / "a/b/cpu.max", "400000 100000\n")
    put(tmp_path / "a/cpu.max", "150000 100000\n")
    assert cpu_quota("0::/a/b\n", tmp_path) == 1.5
    put(tmp_path / "a/cpu.max", "max 100000\n")
    assert cpu_quota("0::/a/b\n", tmp_path) == 4.0


def test_version_1_says_its_quota_in_two_files(tmp_path):
    memberships = "4:memory:/x\n3:cpu,cpuacct:/job\n1:cpuset:/\n0::/other\n"
    put(tmp_path / "cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n")
    put(tmp_path / "cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
    assert cpu_quota(memberships, tmp_path) == 2.5
    put(tmp_path / "cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n")
    assert cpu_quota(memberships, tmp_path) is None


def test_in_a_container_the_root_of_the_mount_is_the_group_itself(tmp_path):
    put(tmp_path / "cpu.max", "300000 100000\n")
    assert cpu_quota("0::/../../outside/of/here\n", tmp_path) == 3.0


@pytest.mark.parametrize("memberships", ["", "nonsense", "0::/gone\n", ":::\n"])
def test_no_word_of_a_quota_is_no_quota(tmp_path, memberships):
    assert cpu_quota(memberships, tmp_path) is None


@given(st.text(max_size=200), st.text(alphabet="0123456789 max-\n", max_size=30))
def test_whatever_the_files_say_a_quota_is_positive_or_none(tmp_path_factory, memberships, text):
    root = tmp_path_factory.mktemp("cgroup")
    (root / "cpu.max").write_text(text)
    quota = cpu_quota(memberships + "\n0::/\n", root)
    assert quota is None or quota > 0
