"""Forgetting in FiftyOne's database.

A database of the workspace's own is copied without the samples, and the copy takes its place: what MongoDB deletes may
stay in its files for a long time. From a database that is the user's, the samples are deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segdata.catalog.workspace import Workspace
from segdata.review.dataset import MARK
from segdata.review.environment import Place, place_of, require_fiftyone, require_mongod
from segdata.review.guest import database_name
from segdata.review.mongod import open_database

if TYPE_CHECKING:
    import pymongo
    from pymongo.collection import Collection

    Document = dict[str, Any]  # as pymongo has them

_OF_THE_SERVER = frozenset({"admin", "config", "local"})
_COPIED_AT_ONCE = 1000


def has_review(workspace: Workspace) -> bool:
    """Whether there is a database that may hold samples of the workspace."""
    place = _recovered(place_of(workspace))
    return place.uri is not None or (place.database / "WiredTiger").is_file()


def reviewed_samples(workspace: Workspace, ids: Set[str]) -> int:
    """How many samples of the review's dataset are among these.

    Raises:
        DataError: There is a database, and FiftyOne or mongod are missing, or it does not start.
        UsageError: A review is open.
    """
    if not has_review(workspace):
        return 0
    with _client(place_of(workspace)) as client:
        return sum(samples.count_documents(_among(ids)) for samples in _sample_collections(client, workspace))


def forget_in_review(workspace: Workspace, ids: Set[str], conceal: Callable[[object], object]) -> None:
    """Remove samples from the review's database, and whatever else names them there.

    Args:
        workspace: whose review.
        ids: sample ids.
        conceal: replaces the names of the samples in a document that is none of theirs, such as a saved view.

    Raises:
        DataError: There is a database, and FiftyOne or mongod are missing, or it does not start.
        UsageError: A review is open.
    """
    (workspace.root / "review" / "server.log").unlink(missing_ok=True)
    if not has_review(workspace):
        return
    place = place_of(workspace)
    if not place.own:
        with _client(place) as client:
            for samples in _sample_collections(client, workspace):
                samples.delete_many(_among(ids))
        return
    copy = replace(place, database=_beside(place, "new"))
    shutil.rmtree(copy.database, ignore_errors=True)
    with _client(place) as source, _client(copy) as target:
        _copy(source, target, ids, conceal)
    place.database.rename(_beside(place, "old"))
    copy.database.rename(place.database)
    _recovered(place)
    shutil.rmtree(place.database / "log", ignore_errors=True)


def _copy(
    source: pymongo.MongoClient[Document],
    target: pymongo.MongoClient[Document],
    ids: Set[str],
    conceal: Callable[[object], object],
) -> None:
    for database in sorted(set(source.list_database_names()) - _OF_THE_SERVER):
        for name in source[database].list_collection_names(filter={"type": "collection"}):
            here, there = source[database][name], target[database][name]
            documents = (_concealed(document, conceal) for document in here.find({"sample_id": {"$nin": sorted(ids)}}))
            while batch := list(islice(documents, _COPIED_AT_ONCE)):
                there.insert_many(batch)
            for index, facts in here.index_information().items():
                options = {key: value for key, value in facts.items() if key not in ("v", "key", "ns")}
                if index != "_id_":
                    there.create_index(facts["key"], name=index, **options)


def _concealed(document: Document, conceal: Callable[[object], object]) -> Document:
    """A sample of somebody else stays as it is: its paths may contain the name of another one."""
    if "sample_id" in document:
        return document
    concealed = conceal(document)
    assert isinstance(concealed, dict)  # as it was
    return concealed


def _sample_collections(client: pymongo.MongoClient[Document], workspace: Workspace) -> Iterator[Collection[Document]]:
    """The samples of the datasets that are this workspace's; the user's database may hold those of others."""
    database = client[database_name()]
    own = place_of(workspace).own  # a workspace that was moved still has its own database
    whose = {"$exists": True} if own else {"$eq": str(workspace.root)}
    for dataset in database["datasets"].find({f"info.{MARK}.workspace": whose}):
        yield database[dataset["sample_collection_name"]]


def _among(ids: Set[str]) -> Mapping[str, Any]:
    return {"sample_id": {"$in": sorted(ids)}}


@contextmanager
def _client(place: Place) -> Iterator[pymongo.MongoClient[Document]]:
    if place.uri is None:
        require_mongod(require_fiftyone())
    import pymongo

    with open_database(place) as uri:
        client: pymongo.MongoClient[Document] = pymongo.MongoClient(uri, serverSelectionTimeoutMS=10000, tz_aware=False)
        try:
            yield client
        finally:
            client.close()


def _recovered(place: Place) -> Place:
    """The place as it must be after a kill between the two renames, or after them."""
    old = _beside(place, "old")
    if place.own and old.is_dir():
        if place.database.is_dir():
            shutil.rmtree(old)
        else:
            old.rename(place.database)
    return place


def _beside(place: Place, word: str) -> Path:
    return place.database.with_name(f"{place.database.name}.{word}")
