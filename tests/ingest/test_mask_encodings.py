"""Whatever the encoding of the masks of a source: the correct alpha, a reject, or a named warning; never silence.

Generated are the type and depth of the values, the values themselves, the channels, the orientation of photo and mask,
and noise. What comes of a source is checked against the drawn person.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from segdata.catalog.label_statistics import LabelStatistics, is_empty, is_full, label_remarks
from segdata.imaging.decode import decode_alpha
from segdata.imaging.orientation import upright
from segdata.ingest.measure import Rotated, measure
from segdata.ingest.rotated import decide_turn
from segdata.ingest.source_decision import decide
from segdata.records import Candidate, Reject
from segdata.storage.root import Root
from tests.ingest.mask_sources import draw, save, source

PHOTOS = 3
TO_STORED = {1: 1, 2: 2, 3: 3, 4: 4, 6: 8}
"""EXIF orientation -> the one that undoes it: what a camera does to an upright picture."""


@dataclass(frozen=True)
class Encoding:
    """How somebody stored masks, and what photos they belong to.

    Attributes:
        values: of background and person, and of a stripe along the top if there is a third one.
        kind: the type of the values: uint8, uint16, float32, or 1 bit.
        channels: grey, rgb, opaque (RGBA), constant (RGBA with an alpha of 128), or alpha (RGBA with the mask there).
        soft: the radius of a blurred edge; 0 for a sharp one.
        noise: none, grain (1 step), or the quality of a JPEG.
        orientation: the EXIF orientation of the photos.
        stored: whether the masks fit the stored pixels instead of the upright photos.
    """

    values: tuple[float, ...]
    kind: str
    channels: str
    soft: float
    noise: str
    orientation: int
    stored: bool


WHITES = {"uint8": (1, 100, 255), "uint16": (1, 255, 1023, 4095, 65535), "float32": (1.0, 1.001, 1.1, 255.0, 255.3)}


@st.composite
def encodings(draw_from: st.DrawFn) -> Encoding:
    kind = draw_from(st.sampled_from(["uint8", "uint8", "uint16", "float32"]))
    is_plain = draw_from(st.integers(0, 2)) > 0
    if is_plain:
        white = draw_from(st.sampled_from(WHITES[kind]))
        values: tuple[float, ...] = (0, white) if draw_from(st.integers(0, 4)) else (white, 0)
    else:
        classes = draw_from(st.lists(st.sampled_from([0, 1, 2, 7, 15, 38, 128, 200, 255]), min_size=2, max_size=3,
                                     unique=True))  # fmt: skip
        values = tuple(classes)
    channels = "grey"
    if kind == "uint8":
        channels = draw_from(st.sampled_from(["grey", "rgb", "opaque", "constant", "alpha"]))
    noise = "none"
    if kind == "uint8" and channels in ("grey", "rgb"):
        noise = draw_from(st.sampled_from(["none", "none", "grain", "50", "90"]))
        if noise != "none" and {1, 2, 7, 15} & set(values):
            noise = "none"  # classes so near to black are lost in noise, also to people
    soft = draw_from(st.sampled_from([0.0, 0.0, 1.5])) if max(values) >= 100 and len(values) == 2 else 0.0
    orientation = draw_from(st.sampled_from([1, 1, 2, 3, 6]))
    return Encoding(values, kind, channels, soft, noise, orientation, orientation != 1 and draw_from(st.booleans()))


def encode(person: np.ndarray, how: Encoding, seed: int) -> np.ndarray:
    share = person.astype(np.float32)
    if how.soft:
        share = cv2.GaussianBlur(share, (0, 0), how.soft)
    values = how.values[0] + share * (how.values[1] - how.values[0])
    if len(how.values) == 3:
        values[:8] = how.values[2]
    if how.kind == "float32":
        return values.astype(np.float32)
    grey = np.rint(values).astype(how.kind)
    if how.noise == "grain":
        grain = np.random.default_rng(seed).integers(-1, 2, grey.shape)
        grey = np.clip(grey.astype(np.int32) + grain, 0, 255).astype(np.uint8)
    alpha = {"opaque": np.full(grey.shape, 255, np.uint8), "constant": np.full(grey.shape, 128, np.uint8)}
    if how.channels in alpha:
        return np.dstack([grey] * 3 + [alpha[how.channels]])
    if how.channels == "alpha":
        return np.dstack([np.full_like(grey, 9)] * 3 + [grey])
    return np.dstack([grey] * 3) if how.channels == "rgb" else grey


def write(root: Path, how: Encoding) -> list[Candidate]:
    candidates = []
    for number in range(PHOTOS):
        photo, person = draw(number, 44, 60)
        back = TO_STORED[how.orientation]
        exif = Pillow.Exif()
        exif[0x0112] = how.orientation
        save(root / f"images/{number}.png", upright(photo, back), exif=exif)
        mask = encode(person, how, number)
        suffix = ".tif" if how.kind == "float32" else ".jpg" if how.noise.isdigit() else ".png"
        options = {"quality": int(how.noise)} if how.noise.isdigit() else {}
        save(root / f"masks/{number}{suffix}", upright(mask, back) if how.stored else mask, **options)
        candidates.append(
            Candidate(
                "own", f"own/{number}", f"images/{number}.png", "portrait", "train", str(root / f"images/{number}.png"),
                str(root / f"masks/{number}{suffix}"), root=str(root),
            )
        )  # fmt: skip
    return candidates


def statistics_of(foreground_fraction: float) -> dict[str, int]:
    """The statistics of one label, as `label_statistics` counts it."""
    counts = LabelStatistics(labels=1, empty=int(is_empty(foreground_fraction)), full=int(is_full(foreground_fraction)))
    return counts.to_json()


@given(encodings())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_masks_give_the_correct_alpha_a_reject_or_a_warning(how: Encoding) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        candidates = write(root, how)
        recipe, files = source(root), Root(root)
        decision = decide(recipe, candidates, files, workers=1)
        answers = [measure(one, decision.reading(recipe), files) for one in candidates]
        if rotated := [one.candidate for one in answers if isinstance(one, Rotated) and one.is_ambiguous]:
            decision = decision.with_turn(decide_turn(rotated, decision.reading(recipe), files))
            answers = [measure(one, decision.reading(recipe), files) for one in candidates]
        for number, (candidate, answer) in enumerate(zip(candidates, answers, strict=True)):
            if isinstance(answer, Reject | Rotated) or decision.meaning.warnings:
                continue
            assert isinstance(answer, dict)
            reading = decision.reading(recipe).alpha
            alpha = decode_alpha(Path(str(candidate.alpha)).read_bytes(), None, reading=reading)
            alpha = upright(alpha, answer["alpha_orientation"] or 1)
            expected = draw(number, 44, 60)[1]
            if answer["is_trimap"]:
                continue
            if np.unique(np.asarray(Pillow.open(str(candidate.alpha)))).size == 1:  # JPEG made one value of 0 and 1
                assert label_remarks(statistics_of(answer["foreground_fraction"]))
                continue
            assert alpha.shape == expected.shape
            assert ((alpha >= 128) != expected).mean() < 0.06, (how, decision.meaning)
            assert 0.1 < answer["foreground_fraction"] < 0.9
