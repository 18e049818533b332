"""The backgrounds that may be used: all that are present, less those in which a trained version sees a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog.licences import is_allowed, require_some
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.workspace import RunContext
from segdata.errors import TooFewSamplesError
from segdata.pipeline.recipe import Recipe

_log = logging.getLogger(__name__)


def usable_backgrounds(
    context: RunContext, recipe: Recipe, model: Mapping[str, Any] | None
) -> tuple[pa.Table, dict[str, Any] | None]:
    """Present backgrounds outside of test and val, and what the veto said; None where nobody was asked.

    Args:
        context: of the run.
        recipe: `fuse.veto` is the threshold, 0 turns it off.
        model: the version that is asked; None before the first training.
    """
    where = "kind = 'background' AND status = 'present' AND split NOT IN ('test', 'val')"
    backgrounds = context.catalog.read("samples", where=where)
    if model is None or recipe.fuse.veto == 0 or backgrounds.num_rows == 0:
        return backgrounds, None
    from segdata.inference.veto import veto_backgrounds
    from segdata.mine.run import scoring_options

    folder = context.workspace.resolve(model["uri"])
    veto = veto_backgrounds(context, folder, backgrounds, recipe.fuse.veto, scoring_options(recipe.mine))
    if not veto.trusted:
        _log.warning(
            "veto: %s sees people in %d of %d backgrounds, too many to be believed: none is left out. Train longer, "
            'raise fuse.veto, or look at them: segdata query "SELECT sample_id, person_probability FROM scores '
            "WHERE scorer_id = '%s' ORDER BY 2 DESC\"",
            model["name"],
            veto.seen,
            veto.judged,
            veto.scorer_id,
        )
    return veto.left(backgrounds), veto.to_json()


def training_backgrounds(
    context: RunContext, recipe: Recipe, start: Mapping[str, Any] | None
) -> tuple[pa.Table, dict[str, Any] | None]:
    """Those that a training draws, to fuse with or to show with nobody in them, and what the veto said about others.

    Online fusion can't do without; `train.negatives` is left away where there are none.

    Args:
        context: of the run.
        recipe: fusion, negatives and licences of `[train]`, and the veto.
        start: the version that the training starts from, which is asked; None before the first training.

    Raises:
        TooFewSamplesError: Online fusion, and no backgrounds, or none of an allowed licence.
    """
    online = recipe.train.fusion == "online"
    if not (online or recipe.train.negatives):
        return SCHEMAS["samples"].empty_table(), None
    backgrounds, veto = usable_backgrounds(context, recipe, start)
    if online and backgrounds.num_rows == 0:
        raise TooFewSamplesError(
            'train: train.fusion = "online" needs backgrounds and the catalog has none; run segdata ingest with a '
            "source of backgrounds, or say --set train.fusion=none"
        )
    licences, allowed = backgrounds["licence"].to_pylist(), recipe.train.licences
    left = backgrounds.filter(pa.array([is_allowed(licence, allowed) for licence in licences], pa.bool_()))
    if online:
        require_some(left["licence"].to_pylist(), licences, allowed, "background for train.fusion = online")
    elif left.num_rows == 0:
        _log.info("train: no backgrounds that may be used, so no photo without a person is trained on")
    return left, veto
