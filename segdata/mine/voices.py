"""What networks say about a case: the version that scored it, and further opinions.

A voice is a scorer whose predictions the catalog keeps. An opinion is asked about the selected cases only, and not
about what it was trained on: there it would repeat the label. What it says is kept like any prediction, so that mining
again asks nobody twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from segdata.catalog.keys import COLUMNS, Key, key_of
from segdata.catalog.packing import unpack_probability
from segdata.catalog.schemas import SAMPLES
from segdata.catalog.tables import Catalog
from segdata.catalog.training_sets import trained_on, without_trained
from segdata.catalog.workspace import RunContext, Workspace
from segdata.imaging.arrays import Probability
from segdata.imaging.frame import Aspect, frame_of
from segdata.inference.model_folder import TRAINING
from segdata.inference.parity import Opener
from segdata.inference.scoring import ScoringOptions, score_samples, spec_of

Row = Mapping[str, Any]

_MAP = ("probability", "network_height", "network_width", "height", "width")


@dataclass(frozen=True)
class Voice:
    """A network whose predictions are in the catalog.

    Attributes:
        scorer_id: names them.
        aspect: how photos become its input: stretch or keep.
    """

    scorer_id: str
    aspect: Aspect

    def says(self, catalog: Catalog, cases: Sequence[Row]) -> dict[Key, Probability]:
        """Its probabilities over the whole photo, at network size, of those cases that it was asked about."""
        found = predictions(catalog, self.scorer_id, cases, _MAP)
        return {key: self._over_the_photo(row) for key, row in found.items()}

    def _over_the_photo(self, row: Row) -> Probability:
        network_hw = row["network_height"], row["network_width"]
        framed = unpack_probability(row["probability"], *network_hw)
        return frame_of((row["height"], row["width"]), network_hw, self.aspect).take(framed)


def ask(
    context: RunContext, model: Path, cases: pa.Table, options: ScoringOptions, opener: Opener
) -> tuple[Voice, dict[str, Any]]:
    """Have a model say what it makes of the cases that it was not trained on.

    Args:
        context: where to read and write.
        model: a version's folder, or an ONNX file; of the latter nobody knows what it was trained on.
        cases: rows with at least the columns of `samples`.
        options: how networks are run.
        opener: opens them.

    Returns:
        The voice, and for `--json`: model, model_id, asked, trained_on (cases passed over), scored, reused, failed.

    Raises:
        CheckpointError: The model can't be used.
    """
    fresh = _unseen(context.workspace, model, cases)
    scoring = score_samples(context.limited(None), model, fresh, options, opener)
    told = {"model": model.name, "model_id": scoring.model_id, "asked": fresh.num_rows}
    told |= {"trained_on": cases.num_rows - fresh.num_rows, "scored": scoring.scored}
    told |= {"reused": scoring.reused, "failed": scoring.failed}
    return Voice(scoring.scorer_id, spec_of(model).resize), told


def predictions(catalog: Catalog, scorer_id: str, cases: Iterable[Row], wanted: Sequence[str]) -> dict[Key, Row]:
    """Columns of the scorer's predictions of some cases, those of other bytes left out.

    Raises:
        CatalogError: The table can't be read.
    """
    keys = {key_of(case) for case in cases}
    if not keys:
        return {}
    columns = [*COLUMNS, *wanted]
    ids = ", ".join("'" + sample_id.replace("'", "''") + "'" for sample_id, _, _ in sorted(keys, key=str))
    rows = catalog.read("predictions", columns, f"scorer_id = '{scorer_id}' AND sample_id IN ({ids})").to_pylist()
    return {key_of(row): row for row in rows if key_of(row) in keys}


def _unseen(workspace: Workspace, model: Path, cases: pa.Table) -> pa.Table:
    cases = cases.select(SAMPLES.names)
    if not (model / TRAINING).is_file():
        return cases
    return without_trained(workspace, cases, trained_on(model))
