"""What `import segdata` offers is pinned: adding to it is a decision, and taking from it breaks people's programs."""

from __future__ import annotations

import inspect

import segdata
from segdata import errors


def test_the_package_offers_these_names() -> None:
    assert segdata.__all__ == ["OpenWorkspace", "SegdataError", "__version__", "open"]


def test_a_workspace_offers_these_methods() -> None:
    offered = {name for name in vars(segdata.OpenWorkspace) if not name.startswith("_")}
    assert offered == {
        "fuse",
        "ingest",
        "mine",
        "predict",
        "query",
        "recipe",
        "report",
        "retrain",
        "root",
        "run",
        "samples",
        "scores",
        "selections",
        "status",
        "table",
        "train",
    }


def test_each_error_has_the_exit_code_that_its_tree_shows() -> None:
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.SegdataError)
    }
    drawn = {
        words[0]: int(words[1])
        for line in (errors.__doc__ or "").splitlines()
        if (words := line.replace("├──", "").replace("└──", "").replace("│", "").split())
        and words[0].endswith("Error")
        and len(words) > 1
        and words[1].isdigit()
    }
    assert drawn == {name: kind.exit_code for name, kind in classes.items()}
