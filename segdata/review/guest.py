"""Manners in a database that may be somebody else's: look at its version first, and leave it as it was."""

from __future__ import annotations

import atexit
import sys
from importlib import metadata
from typing import Any

from segdata.errors import DataError
from segdata.review.environment import Place

_MARK_OF_FIFTYONE = "config"


def require_our_version(uri: str, place: Place) -> None:
    """See that FiftyOne won't have to change the database to use it: that would lock out the version that made it.

    A database of the workspace's own may be of an older FiftyOne: it is brought up to date, which harms nobody.

    Args:
        uri: the MongoDB that answers.
        place: whose it is.

    Raises:
        DataError: It belongs to another version of FiftyOne.
    """
    import pymongo
    from packaging.version import Version

    ours = Version(metadata.version("fiftyone"))
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri, serverSelectionTimeoutMS=10000)
    try:
        config = client[database_name()][_MARK_OF_FIFTYONE].find_one() or {}
    finally:
        client.close()
    found = Version(config["version"]) if config.get("version") else ours
    if found.base_version == ours.base_version or (place.own and found < ours):
        return
    where = place.database if place.uri is None else "FIFTYONE_DATABASE_URI"
    remedy = (
        f"install it (pip install fiftyone=={found}), or move that folder away: what was pulled is in the catalog"
        if place.own
        else f"use that one (pip install fiftyone=={found}), or unset FIFTYONE_DATABASE_URI and FIFTYONE_DATABASE_DIR "
        "to have a database in the workspace"
    )
    raise DataError(f"{where}: this database is of FiftyOne {found}, and {ours} is installed; {remedy}")


def close_connection() -> None:
    """Let go of the database before it is stopped, without FiftyOne's tidying of what others left unsaved."""
    database = sys.modules.get("fiftyone.core.odm.database")
    if database is not None:
        atexit.unregister(database._delete_non_persistent_datasets_if_allowed)
        database._disconnect()


def database_name() -> str:
    """What FiftyOne calls its database."""
    import os

    return os.environ.get("FIFTYONE_DATABASE_NAME") or "fiftyone"
