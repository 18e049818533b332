"""Restrict what FiftyOne's code may do in the server, even for requests that have the token."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

_OURS = "@segdata/review/"
# By name: others of FiftyOne list the disk, download, change a sample's path, or execute Python from the request.
_OPERATORS = frozenset(
    f"@voxel51/operators/{name}"
    for name in (
        *("list_saved_views", "load_saved_view", "reload_saved_view", "save_view", "edit_saved_view_info"),
        *("delete_saved_view", "list_workspaces", "load_workspace", "save_workspace", "edit_workspace_info"),
        *("delete_workspace", "get_label_schemas"),
    )
)


def limit_fiftyone(files: Mapping[str, str]) -> None:
    """Let FiftyOne's server measure only registered pictures, and run only operators that stay in its database.

    Args:
        files: from `registered_media`.
    """
    from fiftyone.core.aggregations import Aggregation
    from fiftyone.core.stages import ViewStage
    from fiftyone.operators import permissions
    from fiftyone.server import metadata, mutation, query

    for base in (ViewStage, Aggregation):  # a request names the class of each, and FiftyOne calls whatever it names
        base._from_dict = classmethod(only_subclasses(base._from_dict.__func__, base))
    for module in (mutation, query):
        module.etau = KnownClasses(module.etau)
    metadata.read_metadata = only_registered(metadata.read_metadata, files)
    permissions.ManagedOperators.has_operator = staticmethod(may_run)


def may_run(operator_uri: str) -> bool:
    """Whether the App may run an operator: segdata's own, those of saved views, and what it reads when it opens.

    >>> may_run("@segdata/review/judge"), may_run("@voxel51/operators/list_files")
    (True, False)
    """
    return operator_uri.startswith(_OURS) or operator_uri in _OPERATORS


def only_subclasses(from_dict: Callable[[type, dict[str, Any]], Any], base: type) -> Callable[[type, Any], Any]:
    """Make an object from a request only if it names a class of FiftyOne below a base class.

    Args:
        from_dict: FiftyOne's, which imports and calls what `_cls` names.
        base: the class that is expected.
    """

    def checked(cls: type, document: Any) -> Any:
        module, _, name = str(document["_cls"]).rpartition(".")
        named = getattr(sys.modules[base.__module__], name, None) if module == base.__module__ else None
        if not (isinstance(named, type) and issubclass(named, base)):
            raise PermissionError(f"{document['_cls']!r} is no {base.__name__} of FiftyOne")
        return from_dict(cls, document)

    return checked


class KnownClasses:
    """FiftyOne's helpers, but that a name in a request imports nothing: only classes of FiftyOne that are loaded count.

    Args:
        helpers: the module `eta.core.utils`, whose `get_class` imports what it is given.
    """

    def __init__(self, helpers: Any) -> None:
        self._helpers = helpers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._helpers, name)

    def get_class(self, class_name: str, module_name: str | None = None) -> type:
        """The class of that name.

        Raises:
            PermissionError: It is none of FiftyOne's, or not loaded.
        """
        path = str(class_name) if module_name is None else f"{module_name}.{class_name}"
        module, _, name = path.rpartition(".")
        named = getattr(sys.modules.get(module), name, None) if module.partition(".")[0] == "fiftyone" else None
        if not isinstance(named, type):
            raise PermissionError(f"{path!r} is no class of FiftyOne that is in use")
        return named


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
