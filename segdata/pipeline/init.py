"""`segdata init`: a folder becomes a workspace, with the shipped recipes and model specs in it."""

from __future__ import annotations

import os
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
from segdata.records import is_text, printable
from segdata.storage.expansion import ExpansionError, expand_path
from segdata.storage.files import atomic_write, read_bytes
from segdata.storage.shipped import shipped
from segdata.storage.toml import toml_text

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


@dataclass(frozen=True)
class OwnFolders:
    """Somebody's own data, as folders.

    Attributes:
        images: portraits.
        masks: their masks, paired with the portraits by name.
        backgrounds: photos without a person; None for none.
    """

    images: str | None = None
    masks: str | None = None
    backgrounds: str | None = None


def init(
    folder: Path, roots: Mapping[str, str | None], template: str = "portrait", own: OwnFolders = OwnFolders()
) -> InitResult:
    """Make a workspace; files that exist are left alone.

    A workspace holds portraits, so that other users of the machine get no access: the folder has mode 0700 where it is
    new or empty. One that holds something already may be shared on purpose: its mode stays, and the folders that
    segdata makes in it have mode 0700.

    Args:
        folder: becomes the workspace; made if need be.
        roots: source name -> its root, relative to the current folder; None is not given. Where some are given, the
            others are commented out.
        template: the shipped recipe that becomes `pipelines/portrait.toml`, which every command reads by default.
        own: folders that become sources with the reader `folder`, relative to the current folder.

    Raises:
        UsageError: An unknown template; roots are given and the recipe exists already; images without masks or masks
            without images; or a folder that does not exist.
        CatalogError: No catalog can lie under a folder of that name.
        StorageError: The folder can't be written.
    """
    if template not in TEMPLATES:
        raise UsageError(f"init: no template {template!r}; there are {', '.join(TEMPLATES)}")
    check_place(folder.resolve())
    given = {name: _root_text(folder, root) for name, root in roots.items() if root is not None}
    sources = _own_sources(folder, own)
    if (given or sources) and (folder / DEFAULT_RECIPE).exists():
        raise UsageError(
            f"{folder / DEFAULT_RECIPE}: there already, and left as it is; change its roots there, or say "
            "segdata ingest NAME --root PATH"
        )
    try:
        _make_private_folders(folder)
    except OSError as error:
        raise StorageError(f"{folder}: can't be made a workspace ({error.strerror})") from error
    files = {f"pipelines/{name}.toml": _recipe(name, given, sources) for name in TEMPLATES[1:]}
    files[DEFAULT_RECIPE] = _recipe(template, given, sources)
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


def _own_sources(folder: Path, own: OwnFolders) -> str:
    """The sections of the recipe for somebody's own folders; empty where none is given.

    Raises:
        UsageError: Images without masks or masks without images, or a folder that does not exist.
    """
    if (own.images is None) != (own.masks is None):
        there, lacking = ("images", "masks") if own.masks is None else ("masks", "images")
        raise UsageError(f"init: --{there} needs --{lacking} as well: the portraits, and a mask for each of them")
    sections = []
    if own.images is not None and own.masks is not None:
        images, masks = _own_folder(folder, "--images", own.images), _own_folder(folder, "--masks", own.masks)
        root = Path(os.path.commonpath([images, masks]))
        keys = {"root": _root_text(folder, str(root))}
        keys |= {"images": os.path.relpath(images, root), "masks": os.path.relpath(masks, root)}
        sections.append(_section("photos", keys, "portraits and their masks, paired by name"))
    if own.backgrounds is not None:
        root = _own_folder(folder, "--backgrounds", own.backgrounds)
        keys = {"kind": "background", "root": _root_text(folder, str(root)), "images": "."}
        sections.append(_section("backgrounds", keys, "photos without a person"))
    return "".join(sections)


def _own_folder(workspace: Path, option: str, text: str) -> Path:
    """A folder that was given, absolute: under the current folder, or else under the workspace."""
    if not is_text(text):
        raise UsageError(f"init: {option} {printable(text)}: the path is not UTF-8; rename the folder")
    try:
        for base in (Path(), workspace):
            if (place := expand_path(text, base)).is_dir():
                return place.resolve()
    except ExpansionError as error:
        raise UsageError(f"init: {option} {text}: {error}") from error
    raise UsageError(f"init: {option} {text}: no such folder; give the folder that holds the pictures")


def _section(name: str, keys: Mapping[str, str], comment: str) -> str:
    lines = (f"{key} = {toml_text(value)}" for key, value in keys.items())
    return "\n".join(["[[sources]]", f'name = "{name}"  # {comment}', 'reader = "folder"', *lines]) + "\n\n"


def _recipe(template: str, roots: Mapping[str, str], own: str) -> bytes:
    """A shipped recipe with the roots that were given, and after its sources those of one's own."""
    text = read_bytes(shipped(f"pipelines/{template}.toml")).decode()
    if not (roots or own):
        return text.encode()
    parts = [_with_root(part, roots) for part in re.split(r"(?m)^(?=\[\[?[a-z])", text)]
    last = max(number for number, part in enumerate(parts) if "[[sources]]" in part)
    return "".join([*parts[: last + 1], own, *parts[last + 1 :]]).encode()


def _with_root(section: str, roots: Mapping[str, str]) -> str:
    """A section of the recipe; if it is a source, with its root, or commented out where none was given."""
    if not section.startswith("[[sources]]"):
        return section
    name = re.search(r'(?m)^name = "([^"]+)"', section)
    if name is None or name[1] not in roots:
        return re.sub(r"(?m)^(?=\S)", "# ", section)
    return re.sub(r'(?m)^root = ".*"', lambda _: f"root = {toml_text(roots[name[1]])}", section)


def _root_text(folder: Path, root: str) -> str:
    """How the recipe names a root: relative where it lies in the workspace, else absolute."""
    try:
        workspace, absolute = folder.resolve(), expand_path(root, Path()).resolve()
    except ExpansionError as error:
        raise UsageError(f"init: {root}: {error}") from error
    if not absolute.exists() and (workspace / root).exists():
        absolute = (workspace / root).resolve()
    return absolute.relative_to(workspace).as_posix() if absolute.is_relative_to(workspace) else absolute.as_posix()
