"""The machine's memory: how much this process may use, and a limit that the operating system enforces."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less where a control group (a container) limits it.

    >>> machine_memory() > 0
    True
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        groups = _OWN_CGROUPS.read_text(encoding="utf-8")
    except OSError:
        return physical
    return min([physical, *cgroup_limits(groups, _CGROUPS)])


def cgroup_limits(groups: str, root: Path) -> list[int]:
    """The memory limits of the control groups that a process is in, and of the groups above them.

    Args:
        groups: text of /proc/<pid>/cgroup, versions 1 and 2.
        root: where control groups are mounted.
    """
    files: list[Path] = []
    for line in groups.splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            top, file = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, file = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / name.strip("/")
        files.extend(folder / file for folder in (group, *group.parents) if folder.is_relative_to(top))
    return [limit for limit in map(_limit_in, files) if limit is not None]


@contextmanager
def limited_memory(most: int) -> Iterator[None]:
    """Let this process hold at most `most` bytes of its own data inside the block; more raises MemoryError.

    The limit is that of the operating system (RLIMIT_DATA). Systems other than Linux may not enforce it. A lower limit
    that is set already stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_lowest(most, soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def limit_process(most: int) -> None:
    """Let this process hold at most `most` bytes of its own data until it ends, and write no core file.

    A core file would contain what the process works on, such as photos. See `limited_memory` for the limit.
    """
    lowest = _lowest(most, *resource.getrlimit(resource.RLIMIT_DATA))
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, lowest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _lowest(most: int, *limits: int) -> int:
    return min([most, *(limit for limit in limits if limit != resource.RLIM_INFINITY)])


def _limit_in(file: Path) -> int | None:
    """The number in a control group's file; None for `max`, and where there is no such file."""
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
