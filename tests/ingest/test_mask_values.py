"""What mask values mean is decided once per source: the right alpha, a reject with a question, or a named warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.catalog.pixels import read_alpha_of
from segdata.catalog.sources import read_sources
from segdata.ingest.counts import SourceCounts
from tests.ingest.mask_sources import HEIGHT, WIDTH, context_of, draw, ingest, save

Encode = Callable[[np.ndarray], np.ndarray | Pillow.Image]


def lay_out(root: Path, encode: Encode, suffix: str = ".png", photos: int = 3, **options: object) -> None:
    for number in range(photos):
        photo, person = draw(number)
        save(root / f"images/{number}.png", photo)
        save(root / f"masks/{number}{suffix}", encode(person), **options)


def alphas(workspace: Path) -> list[np.ndarray]:
    context = context_of(workspace)
    rows = context.catalog.read("samples", where="status = 'present'").to_pylist()
    return [read_alpha_of(context.workspace, row) for row in rows]


def hard(person: np.ndarray) -> np.ndarray:
    return np.where(person, np.uint8(255), np.uint8(0))


def levels(*values: int) -> Encode:
    """Background, person, and a stripe of a third value along the top."""

    def encode(person: np.ndarray) -> np.ndarray:
        classes = np.where(person, values[1], values[0]).astype(np.uint8)
        if len(values) > 2:
            classes[:6] = values[2]
        return classes

    return encode


def rgba(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.dstack([colours] * 3 + [alpha]) if colours.ndim == 2 else np.dstack([colours, alpha])


def almost_constant(person: np.ndarray) -> np.ndarray:
    alpha = np.full(person.shape, 255, np.uint8)
    alpha[0, :3] = 254
    return rgba(hard(person), alpha)


RIGHT: dict[str, tuple[Encode, str, dict[str, object], str]] = {
    "0 and 255": (hard, ".png", {}, "values 0 and 255: hard masks"),
    "0 and 1": (lambda person: person.astype(np.uint8), ".png", {}, "values 0 and 1: hard masks"),
    "0 and 100": (lambda person: person * np.uint8(100), ".png", {}, "values 0 and 100: hard masks"),
    "12 bits in a 16-bit file": (
        lambda person: person * np.uint16(4095),
        ".png",
        {},
        "values 0 and 4095: hard masks (12 bits in a 16-bit file)",
    ),
    "10 bits in a 16-bit TIFF": (
        lambda person: person * np.uint16(1023),
        ".tif",
        {},
        "values 0 and 1023: hard masks (10 bits in a 16-bit file)",
    ),
    "16 bits": (lambda person: person * np.uint16(65535), ".png", {}, "values 0 and 65535: hard masks"),
    "floats that overshoot 1": (
        lambda person: np.where(person, np.float32(1.001), np.float32(-0.001)),
        ".tif",
        {},
        "values 0 and 1: hard masks",
    ),
    "floats that overshoot 255": (
        lambda person: np.where(person, np.float32(255.3), np.float32(0)),
        ".tif",
        {},
        "values 0 and 255: hard masks",
    ),
    "RGBA, opaque": (
        lambda person: rgba(hard(person), np.full(person.shape, 255, np.uint8)),
        ".png",
        {},
        "values 0 and 255: hard masks",
    ),
    "RGBA, constant alpha": (
        lambda person: rgba(hard(person), np.full(person.shape, 128, np.uint8)),
        ".png",
        {},
        "values 0 and 255: hard masks",
    ),
    "RGBA, alpha 0": (
        lambda person: rgba(hard(person), np.zeros(person.shape, np.uint8)),
        ".png",
        {},
        "values 0 and 255: hard masks",
    ),
    "RGBA, almost constant alpha": (almost_constant, ".png", {}, "values 0 and 255: hard masks"),
    "RGBA of 0 and 1": (
        lambda person: rgba(person.astype(np.uint8), np.ones(person.shape, np.uint8)),
        ".png",
        {},
        "values 0 and 1: hard masks",
    ),
    "a cut-out photo": (
        lambda person: rgba(draw(5)[0], hard(person)),
        ".png",
        {},
        "values 0 and 255: hard masks",
    ),
    "classes in grey": (levels(0, 15, 255), ".png", {"alpha_index": 15}, "label map with values 0, 15, 255"),
    "classes in RGB": (
        lambda person: np.dstack([levels(0, 15, 7)(person)] * 3),
        ".png",
        {"alpha_index": 15},
        "label map with values 0, 7, 15: alpha_index = 15 is the person",
    ),
    "classes in RGBA with transparency": (
        lambda person: rgba(levels(0, 15, 7)(person), np.where(person, 255, 0).astype(np.uint8)),
        ".png",
        {"alpha_index": 15},
        "label map with values 0, 7, 15",
    ),
    "colours": (
        lambda person: np.where(person[:, :, None], np.uint8([250, 50, 83]), np.uint8([0, 90, 0])),
        ".png",
        {"alpha_colour": "#fa3253"},
        "colour masks: #fa3253 is the person",
    ),
    "colours as JPEG": (
        lambda person: np.where(person[:, :, None], np.uint8([250, 50, 83]), np.uint8([0, 90, 0])),
        ".jpg",
        {"alpha_colour": "#FA3253", "quality": 95, "subsampling": 0},
        "colour masks: #fa3253 is the person",
    ),
    "inverted": (
        lambda person: hard(~person),
        ".png",
        {"alpha_invert": True},
        "values 0 and 255: hard masks, inverted: 0 is the person",
    ),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_masks_that_are_clear_give_the_right_alpha_and_a_sentence(tmp_path: Path, kind: str) -> None:
    encode, suffix, keys, words = RIGHT[kind]
    options = {key: keys.pop(key) for key in ("quality", "subsampling") if key in (keys := dict(keys))}
    lay_out(tmp_path / "data", encode, suffix, **options)
    counts = ingest(tmp_path, tmp_path / "data", **keys)
    assert counts.added == 3
    assert counts.masks is not None
    assert counts.masks.alpha.startswith(words)
    assert not counts.masks.warnings
    for number, alpha in enumerate(alphas(tmp_path)):
        expected = draw(number)[1]
        if kind == "classes in grey":  # 255 is ignored, and goes with the nearest class
            assert ((alpha >= 128) == expected)[6:].all()
        else:
            assert np.count_nonzero((alpha >= 128) != expected) <= (20 if suffix == ".jpg" else 0)


OPEN = {
    "0, 2": levels(0, 2),
    "1, 2": levels(1, 2),
    "0, 1, 2": levels(0, 2, 1),
    "0, 15": levels(0, 15),
    "0, 15, 255": levels(0, 15, 255),
    "0, 1, 255": levels(0, 1, 255),
    "0, 38": levels(0, 38),
    "0, 200": levels(0, 200),
    "50, 200": levels(50, 200),
}


@pytest.mark.parametrize("values", OPEN)
def test_label_maps_without_a_class_are_rejected_and_ask_for_it(tmp_path: Path, values: str) -> None:
    lay_out(tmp_path / "data", OPEN[values])
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.rejected) == (0, 3)
    words = f"label map with values {values}: set alpha_index to the class of the person"
    assert counts.masks is not None
    assert counts.masks.alpha == words
    assert counts.masks.alpha_open
    rejects = context_of(tmp_path).catalog.read("rejects").to_pylist()
    assert {(row["reason"], row["detail"]) for row in rejects} == {("implausible_alpha", words)}


def palette(person: np.ndarray, transparent: bool) -> Pillow.Image:
    picture = Pillow.fromarray(levels(0, 15, 7)(person), "P")
    picture.putpalette([value for index in range(256) for value in (index, 255 - index, 99)])
    if transparent:
        picture.info["transparency"] = bytes([0] + [255] * 255)
    return picture


@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "transparent"])
def test_a_palette_of_classes_asks_for_the_class_and_is_read_with_it(tmp_path: Path, transparent: bool) -> None:
    lay_out(tmp_path / "data", lambda person: palette(person, transparent))
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.rejected) == (0, 3)
    assert counts.masks is not None
    assert "a palette of which the entries 0, 7, 15 are used; set alpha_index" in counts.masks.alpha
    assert ingest(tmp_path, tmp_path / "data", alpha_index=15).added == 3
    for number, alpha in enumerate(alphas(tmp_path)):
        expected = draw(number)[1]
        expected[:6] = False
        assert ((alpha >= 128) == expected).all()


def test_colour_masks_without_a_colour_name_the_colours(tmp_path: Path) -> None:
    lay_out(
        tmp_path / "data", lambda person: np.where(person[:, :, None], np.uint8([250, 50, 83]), np.uint8([0, 90, 0]))
    )
    counts = ingest(tmp_path, tmp_path / "data")
    assert counts.rejected == 3
    assert counts.masks is not None
    assert "of the colours #005a00, #fa3253: set alpha_colour to those of the person" in counts.masks.alpha
    wrong = ingest(tmp_path, tmp_path / "data", alpha_colour=["#0000ff"])
    assert wrong.masks is not None
    assert wrong.masks.warnings == (
        "alpha_colour #0000ff is in none of the 3 masks of the sample; they have #005a00, #fa3253",
    )
    assert ingest(tmp_path, tmp_path / "data", alpha_colour=["#0000ff", "#fa3253"]).masks is not None
    assert [((alpha >= 128) == draw(number)[1]).all() for number, alpha in enumerate(alphas(tmp_path))] == [True] * 3


def test_a_transparent_label_map_in_rgba_is_not_taken_for_a_cut_out(tmp_path: Path) -> None:
    lay_out(
        tmp_path / "data",
        lambda person: rgba(levels(90, 200, 30)(person), np.where(person | (np.arange(HEIGHT) < 6)[:, None], 255, 0)
                            .astype(np.uint8)),
    )  # fmt: skip
    counts = ingest(tmp_path, tmp_path / "data")
    assert counts.rejected == 3
    assert counts.masks is not None
    assert "set alpha_channel = 3 if what is opaque is the person" in counts.masks.alpha
    assert ingest(tmp_path, tmp_path / "data", alpha_index=200).added == 3


def test_trimaps_are_read_with_a_warning(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", levels(0, 255, 128))
    counts = ingest(tmp_path, tmp_path / "data")
    assert counts.masks is not None
    assert counts.masks.alpha == "values 0, 128, 255: trimaps with three levels"
    assert "trimaps have three levels" in counts.masks.warnings[0]
    assert counts.masks.labels is not None
    assert counts.masks.labels.trimaps == counts.added == 3


def test_soft_mattes_are_called_so(tmp_path: Path) -> None:
    import cv2

    lay_out(tmp_path / "data", lambda person: cv2.GaussianBlur(hard(person), (0, 0), 2.0))
    masks = ingest(tmp_path, tmp_path / "data").masks
    assert masks is not None
    assert masks.alpha == "values 0 to 255: soft mattes"


@pytest.mark.parametrize(("suffix", "quality"), [(".jpg", 40), (".jpg", 75), (".jpg", 95), (".webp", 50)])
def test_a_hard_mask_in_a_lossy_format_stays_hard(tmp_path: Path, suffix: str, quality: int) -> None:
    lay_out(tmp_path / "data", hard, suffix, quality=quality)
    counts = ingest(tmp_path, tmp_path / "data")
    rows = context_of(tmp_path).catalog.read("samples").to_pylist()
    assert [row["alpha_kind"] for row in rows] == ["hard"] * 3
    assert counts.masks is not None
    assert counts.masks.alpha == "values 0 and 255: hard masks"


def test_a_soft_matte_in_a_lossy_format_stays_soft(tmp_path: Path) -> None:
    import cv2

    lay_out(tmp_path / "data", lambda person: cv2.GaussianBlur(hard(person), (0, 0), 2.0), ".jpg", quality=90)
    ingest(tmp_path, tmp_path / "data")
    rows = context_of(tmp_path).catalog.read("samples").to_pylist()
    assert [row["alpha_kind"] for row in rows] == ["soft"] * 3


def odd_one(root: Path, encode: Encode) -> SourceCounts:
    """Three hard masks, and one of another kind."""
    lay_out(root / "data", hard)
    photo, person = draw(9)
    save(root / "data/images/odd.png", photo)
    save(root / "data/masks/odd.png", encode(person))
    return ingest(root, root / "data")


@pytest.mark.parametrize("values", [(0, 2), (0, 15), (0, 38), (0, 15, 255), (0, 100)], ids=str)
def test_a_file_that_deviates_from_its_source_is_rejected_alone(tmp_path: Path, values: tuple[int, ...]) -> None:
    counts = odd_one(tmp_path, levels(*values))
    assert (counts.added, counts.rejected) == (3, 1)
    (row,) = context_of(tmp_path).catalog.read("rejects").to_pylist()
    assert (row["path"], row["reason"]) == ("images/odd.png", "implausible_alpha")


@pytest.mark.parametrize(
    "encode",
    [
        lambda person: person.astype(np.uint8),
        lambda person: person * np.uint16(65535),
        lambda person: np.dstack([hard(person)] * 3),
        lambda person: rgba(np.full((HEIGHT, WIDTH), 9, np.uint8), hard(person)),
    ],
    ids=["0 and 1", "16 bits", "three channels", "RGBA"],
)
def test_bit_depth_and_channels_may_differ_between_the_files_of_a_source(tmp_path: Path, encode: Encode) -> None:
    assert odd_one(tmp_path, encode).added == 4
    assert ((alphas(tmp_path)[-1] >= 128) == draw(9)[1]).all()


def test_a_twelve_bit_file_among_sixteen_bits_is_no_black_label(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", lambda person: person * np.uint16(65535))
    save(tmp_path / "data/masks/0.png", draw(0)[1] * np.uint16(4095))
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.rejected) == (2, 1)


def test_the_decision_is_recorded_and_nothing_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segdata.ingest import measure, source_decision

    lay_out(tmp_path / "data", lambda person: person * np.uint16(4095))
    ingest(tmp_path, tmp_path / "data")
    row = read_sources(context_of(tmp_path).catalog)["own"]
    assert row.alpha_meaning == "values 0 and 4095: hard masks (12 bits in a 16-bit file)"
    assert row.alpha_reading is not None
    assert json.loads(row.alpha_reading) == {"white_16bit": 4095}
    assert row.masks_sampled == 3

    def refuse(*_: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(source_decision, "read_file", refuse)
    monkeypatch.setattr(measure, "read_file", refuse)
    again = ingest(tmp_path, tmp_path / "data")
    assert (again.unchanged, again.decoded) == (3, 0)
    assert again.masks is not None
    assert again.masks.alpha == row.alpha_meaning


def test_a_later_file_is_read_by_the_recorded_decision(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", lambda person: person * np.uint16(4095))
    ingest(tmp_path, tmp_path / "data")
    photo, person = draw(7)
    save(tmp_path / "data/images/7.png", photo)
    save(tmp_path / "data/masks/7.png", person * np.uint16(65535))
    counts = ingest(tmp_path, tmp_path / "data")
    assert (counts.added, counts.unchanged, counts.rejected) == (0, 3, 1)
    (row,) = context_of(tmp_path).catalog.read("rejects").to_pylist()
    assert row["detail"] == "has values up to 65535, and 4095 is white in this source"


def test_a_catalog_without_a_decision_keeps_its_rows_unread(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", hard)
    ingest(tmp_path, tmp_path / "data")
    context_of(tmp_path).catalog.delete("sources", "dataset = 'own'")
    again = ingest(tmp_path, tmp_path / "data")
    assert (again.unchanged, again.decoded) == (3, 0)
    assert "own" in read_sources(context_of(tmp_path).catalog)


def test_a_key_of_the_recipe_settles_an_open_question_and_reads_again(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", levels(0, 15))
    assert ingest(tmp_path, tmp_path / "data").rejected == 3
    assert ingest(tmp_path, tmp_path / "data").decoded == 0
    counts = ingest(tmp_path, tmp_path / "data", alpha_index=15)
    assert (counts.added, counts.rejected) == (3, 0)


def test_masks_that_were_mended_in_place_close_an_open_question(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", levels(0, 15))
    ingest(tmp_path, tmp_path / "data")
    lay_out(tmp_path / "data", hard)
    assert ingest(tmp_path, tmp_path / "data").added == 3


def test_inverting_a_source_reads_it_again(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", lambda person: hard(~person))
    masks = ingest(tmp_path, tmp_path / "data").masks
    assert masks is not None
    assert masks.warnings == (
        "3 of 3 masks of the sample are white along the frame and look inverted: if black is the person, set "
        "alpha_invert = true",
    )
    counts = ingest(tmp_path, tmp_path / "data", alpha_invert=True)
    assert counts.decoded == 3
    assert [((alpha >= 128) == draw(number)[1]).all() for number, alpha in enumerate(alphas(tmp_path))] == [True] * 3


def test_a_class_that_no_mask_has_is_told(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", levels(0, 15))
    counts = ingest(tmp_path, tmp_path / "data", alpha_index=1)
    assert counts.filtered == {"no_person": 3}
    assert counts.masks is not None
    assert counts.masks.warnings == ("alpha_index = 1 is in none of the 3 masks of the sample; they have 0, 15",)


def test_a_mask_that_differs_by_a_few_pixels_is_resized_on_request(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", lambda person: hard(person)[:-1, :])
    assert ingest(tmp_path, tmp_path / "data").rejected == 3
    assert ingest(tmp_path, tmp_path / "data", alpha_fit="resize").added == 3
    assert alphas(tmp_path)[0].shape == (HEIGHT, WIDTH)
