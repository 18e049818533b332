"""The decision about the masks of a source: taken once from a sample of its files, recorded, and used again.

It is taken anew when the recipe changes a key that it depends on, with `--verify`, and as long as it is open.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from segdata.catalog.sources import SourceRow
from segdata.engines.local import map_threads
from segdata.imaging.alpha_file import StoredMask, decode_colours, decode_stored
from segdata.imaging.alpha_reading import reading_from_text
from segdata.imaging.headers import DecodeError
from segdata.ingest.alpha_meaning import NOTHING_DECIDED, AlphaMeaning, Question, decide_meaning
from segdata.ingest.label_file import Reading
from segdata.ingest.measure import read_file
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.rotated import TurnDecision, spread_evenly
from segdata.records import Candidate, ExifRule
from segdata.storage.files import sha256_of
from segdata.storage.root import Root

LARGEST_SAMPLE = 16
_MOST_PIXELS = 120_000  # of a mask are looked at, and held until all of the sample are read
_NAMING = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")
_DEPENDS_ON = frozenset(
    {
        *("reader", "root", "kind", "images", "masks", "masks_of_one", "links", "sets"),
        *("alpha_channel", "alpha_index", "alpha_colour", "alpha_invert", "exif"),
    }
)


@dataclass(frozen=True)
class SourceDecision:
    """What is decided about the masks of a source.

    Attributes:
        meaning: what their values mean.
        exif: whether masks without EXIF fit the upright photo; None if no mask was in question, or nobody can say.
        exif_words: why, for people.
    """

    meaning: AlphaMeaning = NOTHING_DECIDED
    exif: ExifRule | None = None
    exif_words: str = ""

    def reading(self, source: SourceRecipe) -> Reading:
        """How the files of the source are read."""
        return Reading(
            source.alpha_fit,
            source.max_pixels,
            self.meaning.reading,
            self.meaning.words if self.meaning.is_open else "",
            source.exif or self.exif,
        )

    def with_turn(self, turn: TurnDecision) -> SourceDecision:
        """The decision, completed by that about photos that EXIF turns."""
        return replace(self, exif=turn.rule, exif_words=turn.words)

    def to_row(self, source: SourceRecipe, run_id: str) -> SourceRow:
        """The row of `sources`."""
        meaning = self.meaning
        return SourceRow(
            source.name,
            recipe_key(source),
            meaning.words,
            meaning.reading.to_text(),
            meaning.is_open,
            meaning.warnings,
            meaning.sampled,
            self.exif,
            self.exif_words,
            run_id,
        )


NO_DECISION = SourceDecision()


def recipe_key(source: SourceRecipe) -> str:
    """A hash of the recipe's keys that the decision about a source depends on."""
    names = _DEPENDS_ON.union(_NAMING if source.naming_is_given else ())  # one that an ingest chose is not the recipe's
    keys = {key: value for key, value in source.model_dump(mode="json").items() if key in names}
    return sha256_of(json.dumps(keys, sort_keys=True).encode())


def recorded_decision(source: SourceRecipe, row: SourceRow | None) -> SourceDecision | None:
    """The decision that a row of `sources` keeps; None if it has to be taken anew."""
    if row is None or row.alpha_open or row.recipe_key != recipe_key(source):
        return None
    exif: ExifRule | None = "ignore" if row.exif == "ignore" else "apply" if row.exif == "apply" else None
    reading = reading_from_text(row.alpha_reading)
    meaning = AlphaMeaning(row.alpha_meaning, reading, False, row.alpha_warnings, row.masks_sampled, True)
    return SourceDecision(meaning, exif, row.exif_meaning)


def decide(source: SourceRecipe, candidates: Sequence[Candidate], root: Root, workers: int) -> SourceDecision:
    """Decide from a sample of the masks.

    Args:
        source: its section of the recipe.
        candidates: all that a reader found.
        root: of the source.
        workers: so many threads read.
    """
    with_mask = [one for one in candidates if one.alpha is not None and not one.alpha_is_written]
    sample = spread_evenly(with_mask, LARGEST_SAMPLE) if with_mask else []
    masks, refused = list[StoredMask](), list[DecodeError]()
    for answer in map_threads(lambda one: _read_mask(source, one, root), iter(sample), workers, 1):
        if isinstance(answer, DecodeError):
            refused.append(answer)
        else:
            masks.append(answer)
    index = sample[0].alpha_index if sample else source.alpha_index
    return SourceDecision(decide_meaning(masks, refused, Question(index, source.alpha_colour, source.alpha_invert)))


def _read_mask(source: SourceRecipe, candidate: Candidate, root: Root) -> StoredMask | DecodeError:
    try:
        data = read_file(candidate.alpha, "unreadable_alpha", root).data
        if source.alpha_colour:
            stored = decode_colours(data, source.max_pixels)
        else:
            stored = decode_stored(data, candidate.alpha_channel, source.max_pixels, candidate.alpha_index)
    except DecodeError as error:
        return error
    height, width = stored.values.shape[:2]
    step = max(1, math.isqrt(height * width // _MOST_PIXELS))
    return stored if step == 1 else stored._replace(values=stored.values[::step, ::step].copy())
