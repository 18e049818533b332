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
from typing import TYPE_CHECKING, Any

from segdata.catalog.workspace import Workspace
from segdata.review.dataset import MARK
from segdata.review.environment import Place, own_place, place_of, require_fiftyone, require_mongod
from segdata.review.guest import database_name
from segdata.review.mongod import finish_interrupted_swap, old_database, open_database

if TYPE_CHECKING:
    import pymongo
    from pymongo.collection import Collection
    from pymongo.database import Database

    Document = dict[str, Any]  # as pymongo has them

_OF_THE_SERVER = frozenset({"admin", "config", "local"})
_COPIED_AT_ONCE = 1000
_DATASET_KEYS = ("dataset_id", "_dataset_id")
_COLLECTIONS_BESIDE = (
    "views",
    "workspaces",
    "runs",
    "stores",
    "delegated_ops",
)  # of FiftyOne: name a dataset by its id
_PATHS = frozenset({"filepath", "mask_path"})
_IDENTITY = frozenset({"_id", "sample_id", "image_sha256", "alpha_sha256"}) | _PATHS


def places_with_review(workspace: Workspace) -> list[Place]:
    """The databases that may hold samples of the workspace: its own, and the one that the environment names.

    A workspace that was never reviewed has none.
    """
    own, named = own_place(workspace), place_of(workspace)
    places = [own, *([] if named.own else [named])]
    return [place for place in places if place.folder.is_dir() and _has_database(place)]


def _has_database(place: Place) -> bool:
    folders = (place.database, old_database(place))
    return place.uri is not None or any((folder / "WiredTiger").is_file() for folder in folders)


def reviewed_samples(workspace: Workspace, ids: Set[str]) -> int:
    """How many samples of the reviews' datasets are among these.

    Raises:
        DataError: There is a database, and FiftyOne or mongod are missing, or it does not start.
        UsageError: A review is open.
    """
    count = 0
    for place in places_with_review(workspace):
        with _client(place) as client:
            database = client[database_name()]
            for dataset in _datasets(database, workspace, place):
                count += database[dataset["sample_collection_name"]].count_documents(_matching_ids(ids))
    return count


def forget_in_review(workspace: Workspace, ids: Set[str], conceal: Callable[[object], object]) -> None:
    """Remove samples from the reviews' databases, and whatever else names them there.

    Args:
        workspace: whose review.
        ids: sample ids.
        conceal: replaces the names of the samples in a document that is none of theirs, such as a saved view.

    Raises:
        DataError: There is a database, and FiftyOne or mongod are missing, or it does not start.
        UsageError: A review is open.
    """
    (workspace.root / "review" / "server.log").unlink(missing_ok=True)
    for place in places_with_review(workspace):
        if place.own:
            _replace_by_copy(place, ids, conceal)
        else:
            _delete_in_place(workspace, place, ids, conceal)


def _replace_by_copy(place: Place, ids: Set[str], conceal: Callable[[object], object]) -> None:
    copy = replace(place, database=place.database.with_name(f"{place.database.name}.new"))
    shutil.rmtree(copy.database, ignore_errors=True)
    with _client(place) as source, _client(copy) as target:
        _copy(source, target, ids, conceal)
    place.database.rename(old_database(place))
    copy.database.rename(place.database)
    finish_interrupted_swap(place)
    shutil.rmtree(place.database / "log", ignore_errors=True)


def _delete_in_place(workspace: Workspace, place: Place, ids: Set[str], conceal: Callable[[object], object]) -> None:
    """In a database of the user's own, which may hold datasets of others: only this workspace's are changed."""
    with _client(place) as client:
        database = client[database_name()]
        for dataset in list(_datasets(database, workspace, place)):
            samples = database[dataset["sample_collection_name"]]
            samples.delete_many(_matching_ids(ids))
            _conceal_documents(samples, {}, conceal)
            _conceal_documents(database["datasets"], {"_id": dataset["_id"]}, conceal)
            belongs = {"$or": [{key: dataset["_id"]} for key in _DATASET_KEYS]}
            for name in _COLLECTIONS_BESIDE:
                _conceal_documents(database[name], belongs, conceal)


def _conceal_documents(
    collection: Collection[Document], selection: Mapping[str, Any], conceal: Callable[[object], object]
) -> None:
    for document in list(collection.find(selection)):
        concealed = _concealed(document, conceal)
        if concealed != document:
            collection.replace_one({"_id": document["_id"]}, concealed)


def _copy(
    source: pymongo.MongoClient[Document],
    target: pymongo.MongoClient[Document],
    ids: Set[str],
    conceal: Callable[[object], object],
) -> None:
    for database in sorted(set(source.list_database_names()) - _OF_THE_SERVER):
        for name in source[database].list_collection_names(filter={"type": "collection"}):
            original, copied = source[database][name], target[database][name]
            documents = (
                _concealed(document, conceal) for document in original.find({"sample_id": {"$nin": sorted(ids)}})
            )
            while batch := list(islice(documents, _COPIED_AT_ONCE)):
                copied.insert_many(batch)
            for index, facts in original.index_information().items():
                options = {key: value for key, value in facts.items() if key not in ("v", "key", "ns")}
                if index != "_id_":
                    copied.create_index(facts["key"], name=index, **options)


def _concealed(document: Document, conceal: Callable[[object], object]) -> Document:
    """A document without the names of forgotten samples; one of another sample keeps what says which sample it is."""
    kept = _IDENTITY if "sample_id" in document else frozenset({"_id"})
    return {key: value if key in kept else _concealed_value(value, conceal) for key, value in document.items()}


def _concealed_value(value: Any, conceal: Callable[[object], object]) -> Any:
    """Strings at any depth, but for paths of files; other types of MongoDB stay as they are."""
    if isinstance(value, dict):
        return {key: part if key in _PATHS else _concealed_value(part, conceal) for key, part in value.items()}
    if isinstance(value, list):
        return [_concealed_value(part, conceal) for part in value]
    return conceal(value) if isinstance(value, str) else value


def _datasets(database: Database[Document], workspace: Workspace, place: Place) -> Iterator[Document]:
    """The datasets that are this workspace's; the user's database may hold those of others."""
    # a workspace that was moved still has its own database
    whose = {"$exists": True} if place.own else {"$eq": str(workspace.root)}
    return iter(database["datasets"].find({f"info.{MARK}.workspace": whose}))


def _matching_ids(ids: Set[str]) -> Mapping[str, Any]:
    return {"sample_id": {"$in": sorted(ids)}}


@contextmanager
def _client(place: Place) -> Iterator[pymongo.MongoClient[Document]]:
    fiftyone = require_fiftyone()
    if place.uri is None:
        require_mongod(fiftyone)
    import pymongo

    with open_database(place) as uri:
        client: pymongo.MongoClient[Document] = pymongo.MongoClient(uri, serverSelectionTimeoutMS=10000, tz_aware=False)
        try:
            yield client
        finally:
            client.close()
