"""`segdata init`: a folder becomes a workspace, with the shipped recipes and model specs in it."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segdata.catalog.delta import check_place
from segdata.errors import StorageError, UsageError
from segdata.pipeline.session import DEFAULT_RECIPE
from segdata.storage.files import atomic_write, read_bytes
from segdata.storage.shipped import shipped

TEMPLATES = ("portrait", "demo", "ablation", "accurate")
_FOLDERS = ("pipelines", "models", "reports", "catalog")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_IGNORED = """\
# What segdata renders and trains, and who was photographed; recipes and specs are worth a commit.
catalog/
reports/*/
review/
models/*/*.safetensors
models/.training/
forgotten.key
"""


@dataclass(frozen=True)
class InitResult:
    """What was written, and what was there already and left alone; paths relative to the workspace.

    Attributes:
        path: the workspace's folder.
        written: new files.
        kept: files that existed and were not changed.
        shared: True if the folder was not empty and its mode was not changed.
    """

    path: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    shared: bool = False

    def to_json(self) -> dict[str, Any]:
        """The keys of `init --json`."""
        return {"path": str(self.path), "written": list(self.written), "kept": list(self.kept)}


def init(folder: Path, roots: Mapping[str, str | None], template: str = "portrait") -> InitResult:
    """Make a workspace; files that exist are left alone.

    A workspace holds portraits, so that other users of the machine get no access: the folder has mode 0700 where it is
    new or empty. One that holds something already may be shared on purpose: its mode stays, and the folders that
    segdata makes in it have mode 0700.

    Args:
        folder: becomes the workspace; made if need be.
        roots: source name -> its root, relative to the current folder; None is not given. Where some are given, the
            others are commented out.
        template: the shipped recipe that becomes `pipelines/portrait.toml`, which every command reads by default.

    Raises:
        UsageError: An unknown template; or roots are given and the recipe exists already.
        CatalogError: No catalog can lie under a folder of that name.
        StorageError: The folder can't be written.
    """
    if template not in TEMPLATES:
        raise UsageError(f"init: no template {template!r}; there are {', '.join(TEMPLATES)}")
    check_place(folder.resolve())
    given = {name: _root_text(folder, root) for name, root in roots.items() if root is not None}
    if given and (folder / DEFAULT_RECIPE).exists():
        raise UsageError(
            f"{folder / DEFAULT_RECIPE}: there already, and left as it is; change its roots there, or say "
            "segdata ingest NAME --root PATH"
        )
    try:
        _make_private_folders(folder)
    except OSError as error:
        raise StorageError(f"{folder}: can't be made a workspace ({error.strerror})") from error
    files = {f"pipelines/{name}.toml": _recipe(name, given) for name in TEMPLATES[1:]}
    files[DEFAULT_RECIPE] = _recipe(template, given)
    files[".gitignore"] = _IGNORED.encode()
    for path in sorted(shipped("models").glob("*/*")):
        if path.name in ("model.toml", "CARD.md"):
            files[f"models/{path.parent.name}/{path.name}"] = read_bytes(path)
    kept = [name for name in files if (folder / name).exists()]
    for name, data in files.items():
        if name not in kept:
            atomic_write(folder / name, data)
    readable = bool(folder.stat().st_mode & _OTHERS)
    return InitResult(folder.resolve(), tuple(name for name in files if name not in kept), tuple(kept), readable)


def _make_private_folders(workspace: Path) -> None:
    """The workspace's folder and those in it, where they are not there yet, for their owner alone.

    Raises:
        OSError: One can't be made.
    """
    if not workspace.is_dir():
        workspace.parent.mkdir(parents=True, exist_ok=True)
        workspace.mkdir(mode=0o700)
    elif next(workspace.iterdir(), None) is None:
        with suppress(PermissionError):  # somebody else's folder: those in it are ours, and have mode 0700
            workspace.chmod(stat.S_IMODE(workspace.stat().st_mode) & ~_OTHERS)
    mode = 0o700 if workspace.stat().st_mode & _OTHERS else 0o777
    for name in _FOLDERS:
        (workspace / name).mkdir(mode=mode, exist_ok=True)


def _recipe(template: str, roots: Mapping[str, str]) -> bytes:
    text = read_bytes(shipped(f"pipelines/{template}.toml")).decode()
    if not roots:
        return text.encode()
    parts = re.split(r"(?m)^(?=\[\[?[a-z])", text)
    return "".join(_with_root(part, roots) for part in parts).encode()


def _with_root(section: str, roots: Mapping[str, str]) -> str:
    """A section of the recipe; if it is a source, with its root, or commented out where none was given."""
    if not section.startswith("[[sources]]"):
        return section
    name = re.search(r'(?m)^name = "([^"]+)"', section)
    if name is None or name[1] not in roots:
        return re.sub(r"(?m)^(?=\S)", "# ", section)
    quoted = roots[name[1]].replace("\\", "\\\\").replace('"', '\\"')
    return re.sub(r'(?m)^root = ".*"', lambda _: f'root = "{quoted}"', section)


def _root_text(folder: Path, root: str) -> str:
    """How the recipe names a root: relative where it lies in the workspace, else absolute."""
    workspace, absolute = folder.resolve(), Path(root).expanduser().resolve()
    if not absolute.exists() and (workspace / root).exists():
        absolute = (workspace / root).resolve()
    return absolute.relative_to(workspace).as_posix() if absolute.is_relative_to(workspace) else absolute.as_posix()
