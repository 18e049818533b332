"""What a network saw in pictures: kept by their hashes, and gone with who is forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segdata.catalog.embeddings import embeddings_of, keep_embeddings
from segdata.catalog.forgetting import erase, traces_of
from segdata.catalog.forgotten import make_pseudonyms
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace

_ONES = np.ones(4, np.uint8)


def test_what_was_kept_comes_back_for_its_network_alone(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog")
    keep_embeddings(catalog, "net/1", {("aa", None): _ONES, ("aa", "bb"): 2 * _ONES}, "r1")
    keep_embeddings(catalog, "net/2", {("aa", None): 9 * _ONES}, "r2")
    found = embeddings_of(catalog, "net/1", [("aa", None), ("aa", "bb"), ("cc", None)])
    assert {shown: one.tolist() for shown, one in found.items()} == {("aa", None): [1] * 4, ("aa", "bb"): [2] * 4}
    assert embeddings_of(catalog, "net/1", [("bb", None)]) == {}


def test_whoever_is_forgotten_is_in_no_embedding_alone_or_over_a_background(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, Catalog(tmp_path / "catalog"))
    row = {"sample_id": "p/1", "dataset": "p", "kind": "portrait", "split": "train", "path": "1.png"}
    rows = [
        {**row, "status": "present", "sample_id": f"p/{number}", "image_sha256": sha256}
        for number, sha256 in enumerate(("aa", "bb", "cc"), 1)
    ]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    shown = [("aa", None), ("aa", "bb"), ("bb", None), ("cc", "aa"), ("cc", "bb"), ("dd", None)]  # dd is no sample's
    keep_embeddings(workspace.catalog, "net", dict.fromkeys(shown, _ONES), "r1")
    traces = traces_of(workspace, ["p/1"])
    assert traces.counts["embeddings"] == 4
    erase(workspace, traces, make_pseudonyms(workspace), "r2")
    assert set(embeddings_of(workspace.catalog, "net", shown)) == {("bb", None), ("cc", "bb")}
