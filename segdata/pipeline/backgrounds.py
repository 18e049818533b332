"""The backgrounds that fusion may use: all that are present, less those in which a trained version sees a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segdata.catalog.workspace import RunContext
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
