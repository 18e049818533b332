"""COCO, CVAT and segdata.json of strangers: every fault ends in a message, and as few labels as possible pay for it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.ingest.annotations.coco import entry_id, read_coco
from segdata.ingest.annotations.cvat import read_cvat
from segdata.ingest.annotations.images import draw_label, draw_shapes
from segdata.ingest.annotations.manifest import parse_manifest
from segdata.ingest.annotations.shapes import ShapeError

SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]
MANIFEST = {"format": "segdata repair 1", "as": "coco"}


def coco_file(*segmentations: Any, size: Any = (8, 10), **image: Any) -> bytes:
    entry = {"id": 1, "file_name": "a.jpg", "width": size[1], "height": size[0], **image}
    annotations = [{"image_id": 1, "segmentation": one} for one in segmentations]
    other = {"id": 2, "file_name": "b.jpg", "width": 10, "height": 8}
    annotations.append({"image_id": 2, "segmentation": [SQUARE]})
    return json.dumps({"images": [entry, other], "annotations": annotations}).encode()


def cvat_file(shapes: str, width: str = "10", height: str = "8") -> bytes:
    image = f'<image name="a.jpg" width="{width}" height="{height}">{shapes}</image>'
    return f'<annotations>{image}<image name="b.jpg" width="10" height="8"/></annotations>'.encode()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "shape 1 (polygon): a point lies more than one image width"),
        ([[0, 0, float("nan"), 0, 4, 4]], "shape 1 (polygon): a point is not finite"),
        ([[0, 0, float("inf"), 0, 4, 4]], "shape 1 (polygon): a point is not finite"),
        ([[0, 0, 10**400, 0, 4, 4]], "shape 1 (polygon): a point is not finite"),
        ([[1, 2, 3, 4]], "shape 1 (polygon): it has 2 points"),
        ([[1, 2, 3]], "of 3 coordinates"),
        ([["1", "2", "3", "4", "5", "6"]], "not a list of numbers"),
        ([[True, 2, 3, 4, 5, 6]], "not a list of numbers"),
        ([SQUARE, "x"], "shape 1: polygon 2 is not a list of numbers"),
        ([SQUARE, SQUARE, [0, 0, 1e9, 0, 1e9, 1e9]], "shape 1 (polygon 3): a point lies"),
        ([], "neither a list of polygons nor RLE"),
        (None, "neither a list of polygons nor RLE"),
        ("x", "neither a list of polygons nor RLE"),
        ({"size": [8, 10], "counts": [2**63, 2**63, 80]}, "runs don't fill"),
        ({"size": [8, 10], "counts": [-1, 81]}, "runs don't fill"),
        ({"size": [8, 10], "counts": [40.0, 40.0]}, "has no counts"),
        ({"size": [8, 10], "counts": "\u0000\uffff"}, "compressed runs are damaged"),
        ({"size": [8, 10], "counts": "0" * 50}, "runs don't fill"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "the mask is 1000000000x1000000000, the image 10x8"),
        ({"size": [4, 5], "counts": [0, 20]}, "shape 1 (mask): the mask is 5x4, the image 10x8"),
        ({"size": [10, 8], "counts": [0, 80]}, "shape 1 (mask): the mask is 8x10, the image 10x8"),
        ({"size": [8, 9], "counts": "0X2"}, "shape 1 (mask): the mask is 9x8, the image 10x8"),
        ({"size": [0, 0], "counts": [0]}, "shape 1 (mask): the mask is 0x0, the image 10x8"),
        ({"size": [10], "counts": [80]}, "no size"),
        ({"size": "8x10", "counts": [80]}, "no size"),
        ({}, "no size"),
    ],
)
def test_a_shape_of_coco_that_can_not_be_drawn_is_told_and_costs_its_image_alone(
    segmentation: Any, reason: str
) -> None:
    images = read_coco(coco_file(segmentation))
    with pytest.raises(ShapeError) as told:
        draw_label(images["a.jpg"], (8, 10))
    assert reason in str(told.value)
    assert draw_label(images["b.jpg"], (8, 10)).any()


def test_several_shapes_of_coco_make_one_label_together() -> None:
    runs = {"size": [8, 10], "counts": [8 * 9, 8]}
    images = read_coco(coco_file([SQUARE, [6, 6, 8, 6, 8, 8, 6, 8]], runs))
    label = draw_label(images["a.jpg"], (8, 10))
    expected = np.zeros((8, 10), np.uint8)
    expected[1:5, 1:5] = expected[6:8, 6:8] = expected[:, 9] = 255
    assert np.array_equal(label, expected)


def test_every_shape_that_can_not_be_drawn_is_told() -> None:
    bad = [[0, 0, float("nan"), 0, 4, 4]]
    images = read_coco(coco_file(bad, [SQUARE], bad, bad, bad))
    with pytest.raises(ShapeError, match=r"shape 1 \(polygon\): .*; shape 3 .*: .*; shape 4 .*: .*; and 1 more"):
        draw_label(images["a.jpg"], (8, 10))


def test_runs_of_coco_that_have_the_size_of_their_image_are_drawn() -> None:
    images = read_coco(coco_file({"size": [8, 10], "counts": [0, 80]}))
    assert draw_label(images["a.jpg"], (8, 10)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"images": ' + b"[" * 100_000,
        b"[]",
        b"null",
        b'{"images": {}, "annotations": []}',
        b'{"images": [], "annotations": [7]}',
        b'{"images": [], "annotations": [{"image_id": 1}]}',
        b'{"images": [], "annotations": [{"image_id": [1]}]}',
        b'{"images": [], "images": [], "annotations": []}',
        b'{"images": [{"id": ' + b"1" * 5000 + b'}], "annotations": []}',
        b'{"images": [{"id": true}], "annotations": [{"image_id": true}]}',
    ],
)
def test_a_file_that_is_not_coco_is_refused_with_a_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_coco(data)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"width": "10"}, "its width or height is not a whole number"),
        ({"width": 1e9}, "its width or height is not a whole number"),
        ({"width": None}, "its width or height is not a whole number"),
        ({"width": 10**30}, "the photograph 10x8"),
        ({"id": 2}, "another image has the id 2 too"),
        ({"file_name": "b.jpg"}, "another image has its file_name too"),
    ],
)
def test_an_image_of_coco_that_is_wrong_or_ambiguous_has_no_label(image: Any, reason: str) -> None:
    document = json.loads(coco_file())
    document["images"][0] |= image
    images = read_coco(json.dumps(document).encode())
    with pytest.raises(ShapeError, match=reason):
        draw_label(images[image.get("file_name", "a.jpg")], (8, 10))


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ('<polygon points="0,0;1e9,0;5,5"/>', "shape 1 (polygon): a point lies more than one image width"),
        ('<polygon points="0,0;1,1"/>', "shape 1 (polygon): it has 2 points"),
        ('<polygon points="0,0;nan,0;5,5"/>', "not finite"),
        ('<polygon points="0,0;1e999,0;5,5"/>', "not finite"),
        ('<polygon points="0,0;5;5,5"/>', "not a pair of numbers"),
        ('<polygon points=""/>', "not a pair of numbers"),
        ("<polygon/>", "not a pair of numbers"),
        (
            '<mask left="0" top="0" width="3" height="2" rle="9223372036854775807, 9223372036854775807, 8"/>',
            "don't fill",
        ),
        ('<mask left="0" top="0" width="3" height="2" rle="4294967296, 4294967302"/>', "don't fill"),
        ('<mask left="0" top="0" width="3" height="2" rle="-1, 7"/>', "a run is '-1'"),
        ('<mask left="0" top="0" width="3" height="2" rle=""/>', "a run is ''"),
        ('<mask left="9" top="0" width="3" height="2" rle="6"/>', "shape 1 (mask): its box leaves the image"),
        ('<mask left="0" top="0" width="100000" height="100000" rle="10000000000"/>', "leaves the image"),
        ('<mask left="0" top="x" width="3" height="2" rle="6"/>', "top is 'x'"),
        ("<mask/>", "a mask's left is ''"),
    ],
)
def test_a_shape_of_cvat_that_can_not_be_drawn_is_told_and_costs_its_image_alone(shapes: str, reason: str) -> None:
    images = read_cvat(cvat_file(shapes))
    with pytest.raises(ShapeError) as told:
        draw_label(images["a.jpg"], (8, 10))
    assert reason in str(told.value)
    assert not draw_label(images["b.jpg"], (8, 10)).any()


@pytest.mark.parametrize(
    ("width", "height"), [("10000", "10000"), ("9999999999", "1"), ("8", "10"), ("-1", "8"), ("", "8")]
)
def test_the_size_of_an_image_is_compared_with_the_photo_before_anything_is_allocated(width: str, height: str) -> None:
    images = "".join(f'<image name="{n}" width="{width}" height="{height}"/>' for n in range(40))
    tracemalloc.start()
    try:
        read = read_cvat(f"<annotations>{images}</annotations>".encode())
        with pytest.raises(ShapeError, match=r"not a whole number|the photograph 10x8"):
            draw_label(read["0"], (8, 10))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


DOCTYPE = '<?xml version="1.0" encoding="{}"?><!DOCTYPE a [<!ENTITY e "x">]><annotations>&e;</annotations>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("text", [DOCTYPE, DOCTYPE.replace(' [<!ENTITY e "x">]', "").replace("&e;", "")])
def test_a_document_type_is_refused_in_every_encoding(encoding: str, text: str) -> None:
    data = text.format("utf-16" if encoding.startswith("utf-16") else encoding).encode(encoding)
    if encoding.startswith("utf-16-"):
        data = "\ufeff".encode(encoding) + data
    with pytest.raises(ValueError, match="document type"):
        read_cvat(data)


@pytest.mark.parametrize("data", [b"", b"<a>", b"<a></b>", b"\0", b"<a>&x;</a>", b"<a>" * 40, b"<a>" * 10**6])
def test_a_file_that_is_not_cvat_is_refused_with_a_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not well-formed XML|nested more than 32 deep"):
        read_cvat(data)


def test_two_images_of_one_name_have_no_label() -> None:
    image = '<image name="a.jpg" width="10" height="8"/>'
    images = read_cvat(f"<a>{image}{image}</a>".encode())
    with pytest.raises(ShapeError, match="another image has its name too"):
        draw_label(images["a.jpg"], (8, 10))


@pytest.mark.parametrize(
    "text",
    [
        '{"format": "another"}',
        json.dumps({**MANIFEST, "as": "other", "samples": []}),
        json.dumps({**MANIFEST, "samples": {}}),
        '{"format": "segdata repair 1", "format": "x"}',
        '{"format": NaN}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_a_manifest_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_manifest(text.encode())


def test_an_entry_of_the_manifest_that_is_wrong_is_skipped() -> None:
    good = {"sample_id": "p/1", "image": "images/1.png", "image_sha256": "a", "alpha_sha256": "b"}
    wrong = [7, {}, {**good, "sample_id": 5}, {**good, "sample_id": "p/\0"}, {**good, "sample_id": "\ud800"}]
    wrong += [{**good, "sample_id": "p/2", "image": ["x"]}, {**good, "sample_id": "p/3", "image_sha256": 7}]
    twice = {**good, "sample_id": "p/4"}
    found = parse_manifest(json.dumps({**MANIFEST, "samples": [good, *wrong, twice, twice]}).encode())
    assert [line.sample_id for line in found.lines] == ["p/1"]
    assert [name for name, _ in found.skipped] == [
        *(f"entry {number} of segdata.json" for number in (2, 3, 4)), "p/\0", "\\ud800", "p/2", "p/3", "p/4",
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts"]), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_no_segmentation_ends_in_anything_but_a_label_or_a_message(segmentation: Any) -> None:
    images = read_coco(coco_file(segmentation))
    try:
        label = draw_label(images["a.jpg"], (8, 10))
    except ShapeError:
        return
    assert label.shape == (8, 10)


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "undefined", "idna"])
def test_an_encoding_that_no_xml_has_is_a_message(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_cvat(f'<?xml version="1.0" encoding="{encoding}"?><annotations/>'.encode())


def test_an_integer_so_large_that_its_hash_can_be_chosen_is_no_id() -> None:
    assert [entry_id({"id": value}, "id") for value in (1, "a", 2**53 - 1, -(2**53) + 1)] == [
        1, "a", 2**53 - 1, -(2**53) + 1,
    ]  # fmt: skip
    assert [entry_id({"id": value}, "id") for value in (2**53, (2**61 - 1) * 7, True, None, 1.0)] == [None] * 5


BOXED = """<annotations><image name="a.jpg" width="40" height="30">
<polygon label="person" points="10,5;20,5;15,25"/>{box}</image></annotations>"""


@pytest.mark.parametrize(
    ("box", "is_drawn"),
    [
        ('<box label="person" xtl="10" ytl="5" xbr="20" ybr="25"/>', False),  # the last pixel's near edge
        ('<box label="person" xtl="10" ytl="5" xbr="21" ybr="26"/>', False),  # and its far one
        ('<box label="person" xtl="25" ytl="5" xbr="35" ybr="25"/>', True),  # another person
        ('<box label="person" xtl="10" ytl="5" xbr="20" ybr="25" rotation="10"/>', True),
    ],
)
def test_a_rectangle_that_is_the_bounding_box_of_another_shape_is_not_drawn(box: str, is_drawn: bool) -> None:
    plain, boxed = (draw_shapes(read_cvat(BOXED.format(box=text).encode())["a.jpg"], (30, 40)) for text in ("", box))
    assert (boxed.label > plain.label).any() == is_drawn
    assert boxed.left_out == (), "nobody has to mend a box"


def test_a_rectangle_alone_is_a_label() -> None:
    text = BOXED.replace('<polygon label="person" points="10,5;20,5;15,25"/>', "")
    image = read_cvat(text.format(box='<box label="person" xtl="10" ytl="5" xbr="20" ybr="25"/>').encode())["a.jpg"]
    assert draw_label(image, (30, 40))[10, 15] == 255
