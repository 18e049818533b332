"""How much memory there is: the machine's, or what a container's control group allows."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from segdata.storage import memory
from segdata.storage.memory import cgroup_limits, limited_memory, machine_memory


def group(root: Path, name: str, file: str, text: str) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / name / file).write_text(text)


def test_the_limits_of_a_control_group_and_of_those_above_it_count(tmp_path: Path) -> None:
    group(tmp_path, "", "memory.max", "max\n")
    group(tmp_path, "a", "memory.max", "3000\n")
    group(tmp_path, "a/b", "memory.max", "5000\n")
    assert sorted(cgroup_limits("0::/a/b\n", tmp_path)) == [3000, 5000]
    assert cgroup_limits("0::/\n", tmp_path) == []
    assert cgroup_limits("0::/gone\n", tmp_path) == []


def test_the_first_version_of_control_groups_counts_too(tmp_path: Path) -> None:
    group(tmp_path / "memory", "a", "memory.limit_in_bytes", "7000\n")
    assert cgroup_limits("5:cpu,cpuacct:/a\n4:memory:/a\n", tmp_path) == [7000]


def test_the_machines_memory_is_the_least_of_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(tmp_path, "a", "memory.max", "4096\n")
    (tmp_path / "own").write_text("0::/a\n")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_OWN_CGROUPS", tmp_path / "own")
    assert machine_memory() == 4096
    (tmp_path / "own").unlink()
    assert machine_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_more_memory_than_allowed_is_refused_and_the_limit_ends_with_the_block() -> None:
    with limited_memory(2**30), pytest.raises(MemoryError):
        bytearray(2**31)
    assert len(bytearray(2**31)) == 2**31


def test_a_lower_limit_that_is_set_already_stays() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = 2**40 if hard == resource.RLIM_INFINITY else min(2**40, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (lower, hard))
    try:
        with limited_memory(2**41):
            assert resource.getrlimit(resource.RLIMIT_DATA) == (lower, hard)
        assert resource.getrlimit(resource.RLIMIT_DATA) == (lower, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@pytest.mark.parametrize(("soft", "expected"), [(2**39, 2**39), (2**41, 2**40)])
def test_a_process_is_limited_until_it_ends_and_writes_no_core_file(soft: int, expected: int) -> None:
    code = f"""
import resource
from segdata.storage.memory import limit_process
_, hard = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, ({soft}, hard))
limit_process(2**40)
print(resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"({expected}, {expected}) (0, 0)\n"
