"""The backgrounds that may be used: all that are present, less those in which somebody is seen whom nobody annotated.

Two are asked, each for what it can tell: a regression on what a network sees in each photo, which finds people of all
sizes and needs no training (`inference.presence`), and a trained version, which finds whoever stands as in a portrait
(`inference.veto`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog.licences import is_allowed, require_some
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.workspace import RunContext
from segdata.errors import CheckpointError
from segdata.pipeline.recipe import Recipe
from segdata.records import HAS_PERSON

_log = logging.getLogger(__name__)
_BACKGROUNDS = "kind = 'background' AND status = 'present' AND split NOT IN ('test', 'val')"
_PORTRAITS = "kind = 'portrait' AND status = 'present' AND split = 'train'"

Told = dict[str, Any]


def usable_backgrounds(
    context: RunContext, recipe: Recipe, model: Mapping[str, Any] | None
) -> tuple[pa.Table, Told | None]:
    """Present backgrounds outside of test and val, and what the vetoes said; None where nobody was asked.

    Args:
        context: of the run.
        recipe: `fuse.veto` and `fuse.presence`; 0 turns each of them off.
        model: the version that is asked; None before the first training.
    """
    backgrounds = context.catalog.read("samples", where=_BACKGROUNDS)
    if backgrounds.num_rows == 0:
        return backgrounds, None
    version = _ask_version(context, recipe, model, backgrounds) if model is not None and recipe.fuse.veto else None
    presence = _ask_photos(context, recipe, backgrounds) if recipe.fuse.presence else None
    if version is None and presence is None:
        return backgrounds, None
    told = told_by_both(version, presence)
    gone = {one["sample_id"] for one in told["vetoed"]}
    return backgrounds.filter([name not in gone for name in backgrounds["sample_id"].to_pylist()]), told


def told_by_both(version: Told | None, presence: Told | None) -> Told:
    """What the two said, as one: each background once, with the larger probability and who saw a person there.

    >>> one = {"judged": 9, "vetoed": [{"sample_id": "a", "person_probability": 0.95}]}
    >>> two = {"judged": 9, "vetoed": [{"sample_id": "a", "person_probability": 0.7}]}
    >>> told_by_both(one, two)["vetoed"]
    [{'sample_id': 'a', 'person_probability': 0.95, 'by': 'version, presence'}]
    """
    found: dict[str, Told] = {}
    for by, told in (("version", version), ("presence", presence)):
        for one in told["vetoed"] if told else ():
            row = found.setdefault(one["sample_id"], {**one, "by": by})
            if row["by"] != by:
                row["person_probability"] = max(row["person_probability"], one["person_probability"])
                row["by"] = f"{row['by']}, {by}"
    vetoed = sorted(found.values(), key=lambda one: (-one["person_probability"], one["sample_id"]))
    judged = max(told["judged"] for told in (version, presence) if told)
    return {"judged": judged, "vetoed": vetoed, "version": version, "presence": presence}


def _ask_version(context: RunContext, recipe: Recipe, model: Mapping[str, Any], backgrounds: pa.Table) -> Told:
    from segdata.inference.veto import veto_backgrounds
    from segdata.mine.run import scoring_options

    folder = context.workspace.resolve(model["uri"])
    veto = veto_backgrounds(context, folder, backgrounds, recipe.fuse.veto, scoring_options(recipe.mine))
    if not veto.trusted:
        _log.warning(
            "veto: %s sees people in %d of %d backgrounds, too many to be believed: none is left out for it. Train "
            'longer, raise fuse.veto, or look at them: segdata query "SELECT sample_id, person_probability FROM scores '
            "WHERE scorer_id = '%s' ORDER BY 2 DESC\"",
            model["name"],
            veto.seen,
            veto.judged,
            veto.scorer_id,
        )
    return veto.to_json()


def _ask_photos(context: RunContext, recipe: Recipe, backgrounds: pa.Table) -> Told | None:
    """What the photos themselves teach; None where there are too few, or, in a dry run, too few were looked at yet."""
    from segdata.inference.gathering import gather_pictures
    from segdata.inference.presence import judge_presence

    portraits = context.catalog.read("samples", where=_PORTRAITS)
    try:
        gathered = gather_pictures(context, backgrounds, photos_of_people(context, recipe), portraits)
    except CheckpointError as error:
        _log.warning("veto: nobody looks for people in backgrounds: %s", error)
        return None
    found = None if gathered is None else judge_presence(gathered.pictures, recipe.fuse.presence)
    if found is None or gathered is None:
        return None
    if not found.trusted:
        _log.warning(
            "veto: people can't be told from their absence in these backgrounds (AUC %.2f): none is left out for it. "
            "Are those with people annotated? --set fuse.presence=0 does not look",
            found.auc,
        )
    return {**found.to_json(), "looked": gathered.looked}


def photos_of_people(context: RunContext, recipe: Recipe) -> list[Path]:
    """Photos that sources left out because somebody is annotated in them, where the recipe still has the source."""
    roots = {source.name: source.folder(context.workspace.root).resolve() for source in recipe.sources}
    rows = context.catalog.read("filtered", ["dataset", "path"], f"reason = '{HAS_PERSON}'").to_pylist()
    files = ((roots[row["dataset"]], roots[row["dataset"]] / row["path"]) for row in rows if row["dataset"] in roots)
    return [path for root, path in files if path.resolve().is_relative_to(root)]


def has_backgrounds(context: RunContext) -> bool:
    """Whether the catalog has any background that may be fused with, before anybody is asked."""
    return bool(context.catalog.read("samples", ["sample_id"], _BACKGROUNDS).num_rows)


def fusing_with(recipe: Recipe, backgrounds: pa.Table) -> Recipe:
    """The recipe, with `train.fusion` none instead of online where there is no background to fuse with."""
    if recipe.train.fusion != "online" or backgrounds.num_rows:
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"fusion": "none"})})


def training_backgrounds(
    context: RunContext, recipe: Recipe, start: Mapping[str, Any] | None
) -> tuple[pa.Table, Told | None]:
    """Those that a training draws, to fuse with or to show with nobody in them, and what the vetoes said about others.

    Online fusion and `train.negatives` are left away where there are none; a warning says so.

    Args:
        context: of the run.
        recipe: fusion, negatives and licences of `[train]`, and the veto.
        start: the version that the training starts from, which is asked; None before the first training.

    Raises:
        TooFewSamplesError: Online fusion, and no background has an allowed licence.
    """
    online = recipe.train.fusion == "online"
    if not (online or recipe.train.negatives):
        return SCHEMAS["samples"].empty_table(), None
    backgrounds, veto = usable_backgrounds(context, recipe, start)
    if online and backgrounds.num_rows == 0:
        vetoed = len(veto["vetoed"]) if veto else 0
        if vetoed:
            _log.warning("train: the veto left out all %d backgrounds; training without fusion", vetoed)
        return backgrounds, veto
    licences, allowed = backgrounds["licence"].to_pylist(), recipe.train.licences
    left = backgrounds.filter(pa.array([is_allowed(licence, allowed) for licence in licences], pa.bool_()))
    if online:
        require_some(left["licence"].to_pylist(), licences, allowed, "background for train.fusion = online")
    elif left.num_rows == 0:
        _log.info("train: no backgrounds that may be used, so no photo without a person is trained on")
    return left, veto
