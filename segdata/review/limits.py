"""Restrict what FiftyOne's code may do in the server, even for requests that have the token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

_OPERATORS = ("@segdata/review/", "@voxel51/operators/")
_REFUSED_OPERATORS = frozenset({"@voxel51/operators/list_files", "@voxel51/operators/download_file"})
_PANELS = frozenset({"@voxel51/panels/model_evaluation_panel_builtin"})


def limit_fiftyone(files: Mapping[str, str]) -> None:
    """Let FiftyOne's server measure only registered pictures, and run only operators that stay in its database.

    Args:
        files: from `registered_media`.
    """
    from fiftyone.operators import permissions
    from fiftyone.server import metadata

    metadata.read_metadata = only_registered(metadata.read_metadata, files)
    permissions.ManagedOperators.has_operator = staticmethod(may_run)


def may_run(operator_uri: str) -> bool:
    """Whether the App may run an operator: others list the disk, download, or run models.

    >>> may_run("@segdata/review/judge"), may_run("@voxel51/operators/list_files")
    (True, False)
    """
    return operator_uri in _PANELS or (operator_uri.startswith(_OPERATORS) and operator_uri not in _REFUSED_OPERATORS)


def only_registered(
    read_metadata: Callable[[str, bool], Awaitable[Any]], files: Mapping[str, str]
) -> Callable[[str, bool], Awaitable[Any]]:
    """Read the size of registered pictures alone: a sample's path in FiftyOne's database may have been changed.

    Args:
        read_metadata: FiftyOne's, of a path that may be a video.
        files: from `registered_media`.
    """

    async def read(filepath: str, is_video: bool) -> Any:
        if is_video or filepath not in files:
            raise PermissionError(f"{filepath}: not a picture of this review")
        return await read_metadata(files[filepath], is_video)

    return read
