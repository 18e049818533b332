"""Files of Supervisely, Label Studio and LabelMe: shapes of people are drawn, and every fault ends in a message."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.ingest.annotations.brush import pack_runs
from segdata.ingest.annotations.labelled import LabelledImage
from segdata.ingest.annotations.labelme import read_labelme
from segdata.ingest.annotations.labelstudio import read_labelstudio
from segdata.ingest.annotations.shapes import ShapeError
from segdata.ingest.annotations.supervisely import read_supervisely

SIZE = (8, 10)


def is_person(label: str) -> bool:
    return label.startswith("person")


def png(pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    assert done
    return data.tobytes()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def drawn(image: LabelledImage, size_hw: tuple[int, int] = SIZE) -> np.ndarray:
    return image.draw(size_hw)


def boxed(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    label = np.zeros(SIZE, np.uint8)
    label[top:bottom, left:right] = 255
    return label


def sly(*objects: Any, size: Any = None) -> LabelledImage:
    document = {"size": size or {"height": 8, "width": 10}, "tags": [], "objects": list(objects)}
    return read_supervisely(json.dumps(document).encode(), is_person)


def sly_bitmap(data: str, origin: Any = (2, 1), title: str = "person_bmp", kind: str = "bitmap") -> Any:
    return {"classTitle": title, "geometryType": kind, "bitmap": {"origin": list(origin), "data": data}}


def sly_polygon(exterior: Any, *interior: Any, **more: Any) -> Any:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": "person_poly", "geometryType": "polygon", "points": points, "bitmap": None, **more}


RING = np.array([[255, 255, 255], [255, 0, 255], [255, 255, 255]], np.uint8)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("channels", ["grey", "alpha"])
def test_a_bitmap_of_supervisely_lies_at_its_origin(packed: bool, channels: str) -> None:
    pixels = RING if channels == "grey" else np.dstack([np.full((3, 3, 3), 255, np.uint8), RING])
    data = zlib.compress(png(pixels)) if packed else png(pixels)
    expected = np.zeros(SIZE, np.uint8)
    expected[1:4, 2:5] = RING
    assert np.array_equal(drawn(sly(sly_bitmap(text(data)))), expected)


def test_the_bitmap_that_the_documentation_of_supervisely_shows_is_a_ring() -> None:
    shown = (
        "eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPiGuQPr///9Lb86/C2QxlgT5BTM4PLuRBuTwebo4hlTMSa44sKHhISMD"
        "uxpTYrr03F6gDIOnq5/LOqeEJgDM5ht6"
    )
    label = drawn(sly(sly_bitmap(shown, (0, 0))))
    assert np.array_equal(label[:3, :3], RING) and np.count_nonzero(label) == 8


def test_a_pixel_of_a_polygon_of_supervisely_is_named_by_its_vertex_and_a_hole_is_cut_out() -> None:
    square, hole = [[1, 1], [6, 1], [6, 6], [1, 6]], [[3, 3], [4, 3], [4, 4], [3, 4]]
    expected = boxed(1, 7, 1, 7)
    expected[3:5, 3:5] = 0
    assert np.array_equal(drawn(sly(sly_polygon(square, hole))), expected)


def test_a_hole_does_not_remove_another_person_behind_it() -> None:
    square, hole = [[1, 1], [6, 1], [6, 6], [1, 6]], [[2, 2], [5, 2], [5, 5], [2, 5]]
    behind = [[3, 3], [4, 3], [4, 4], [3, 4]]
    label = drawn(sly(sly_polygon(behind), sly_polygon(square, hole)))
    assert label[3:5, 3:5].all() and not label[2, 2]


def test_classes_that_are_no_person_are_left_out_by_name() -> None:
    square = [[1, 1], [6, 1], [6, 6], [1, 6]]
    image = sly(sly_polygon(square), sly_polygon([[8, 0], [9, 0], [9, 7]], classTitle="neutral"))
    assert image.other_labels == {"neutral"}
    assert np.array_equal(drawn(image), boxed(1, 7, 1, 7))


def test_an_object_of_supervisely_that_can_not_be_drawn_is_named_by_its_kind() -> None:
    image = sly({"classTitle": "person", "geometryType": "graph", "nodes": {}})
    assert (image.unsupported, image.image.raw) == ({"graph"}, [])
    box = sly({"classTitle": "person", "geometryType": "rectangle", "points": {"exterior": [[6, 5], [2, 3]]}})
    assert np.array_equal(drawn(box), boxed(3, 6, 2, 7)) and not box.outlines


def test_an_alpha_mask_of_supervisely_is_cut_at_one_half() -> None:
    data = text(zlib.compress(png(np.array([[127, 128]], np.uint8))))
    assert np.array_equal(drawn(sly(sly_bitmap(data, kind="alpha_mask"))), boxed(1, 2, 3, 4))


BOMB = text(zlib.compress(bytes(200_000_000)))
LARGE = text(png(np.zeros((3000, 3000), np.uint8)))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (sly_bitmap(BOMB), "more bytes than the image can need"),
        (sly_bitmap("A" * 2_000_000), "more bytes than the image can need"),
        (sly_bitmap(LARGE), "3000x3000 pixels at 2, 1 leave the image"),
        (sly_bitmap(text(png(RING)), (8, 0)), "3x3 pixels at 8, 0 leave the image"),
        (sly_bitmap(text(png(RING)), (-1, 0)), "leave the image"),
        (sly_bitmap(text(png(RING)[:40])), "its picture can't be used"),
        (sly_bitmap("?"), "no base64 of a PNG"),
        (sly_bitmap(text(b"GIF89a")), "no base64 of a PNG"),
        (sly_bitmap(text(zlib.compress(b"\xff\xd8\xff"))), "its picture can't be used"),
        (sly_bitmap(text(png(RING)), (1.5, 0)), "the origin of its bitmap"),
        ({"classTitle": "person", "geometryType": "bitmap", "bitmap": None}, "it has no bitmap"),
        ({"classTitle": "person"}, "it has no points"),
        (sly_polygon([[1, 1], [2, 2]]), "it has 2 points"),
        (sly_polygon(None), "its points are no list"),
        (sly_polygon([[1, 1], [2, 2], [float("nan"), 3]]), "a point is not finite"),
        (sly_polygon([[1, 1], [2, 2], [10**400, 3]]), "a point is not finite"),
        (sly_polygon([[1, 1], [2, 2], [True, 3]]), "a coordinate of point 3 is no number"),
        (sly_polygon([[1, 1], [2, 2], [1, 2, 3]]), "point 3 is not a list of x and y"),
        (sly_polygon([[1, 1], [6, 1], [6, 6]], [[1e9, 1], [2, 2], [3, 3]]), "hole 1: a point lies more than"),
    ],
)
def test_an_object_of_supervisely_that_is_wrong_is_a_message(entry: Any, reason: str) -> None:
    with pytest.raises(ShapeError) as caught:
        drawn(sly(entry))
    assert reason in str(caught.value)


def labelme(*shapes: Any, **more: Any) -> LabelledImage:
    document = {"imagePath": "a.jpg", "imageData": "AAAA", "imageHeight": 8, "imageWidth": 10, "shapes": list(shapes)}
    return read_labelme(json.dumps({**document, **more}).encode(), is_person)


def shape(kind: str | None, points: Any, label: str = "person", **more: Any) -> Any:
    return {"label": label, "shape_type": kind, "points": points, **more}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (shape("polygon", [[1, 1], [5, 1], [5, 5], [1, 5]]), boxed(1, 5, 1, 5)),
        (shape(None, [[1, 1], [5, 1], [5, 5], [1, 5]]), boxed(1, 5, 1, 5)),
        (shape("rectangle", [[5, 4], [1, 2]]), boxed(2, 4, 1, 5)),
        (shape("oriented_rectangle", [[1, 2], [5, 2], [5, 4], [1, 4]]), boxed(2, 4, 1, 5)),
        (shape("mask", [[2, 1], [4, 3]], mask=text(png(np.full((3, 3), 255, np.uint8)))), boxed(1, 4, 2, 5)),
        (shape("mask", [[2, 1], [4, 3]], mask=text(png(np.ones((3, 3), np.uint8)))), boxed(1, 4, 2, 5)),
    ],
)
def test_a_shape_of_labelme_covers_its_pixels(entry: Any, expected: np.ndarray) -> None:
    assert np.array_equal(drawn(labelme(entry)), expected)


def test_a_circle_of_labelme_goes_through_its_second_point() -> None:
    label = drawn(labelme(shape("circle", [[50, 40], [80, 40]]), imageHeight=80, imageWidth=100), (80, 100)) > 0
    assert label[40, 20:80].all() and not label[40, :20].any() and not label[40, 80:].any()
    assert np.count_nonzero(label) == pytest.approx(np.pi * 30 * 30, rel=0.01)


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_lines_of_labelme_are_ten_pixels_wide(kind: str) -> None:
    points = [[20, 40], [80, 40]]
    image = labelme(shape(kind, points), imageHeight=80, imageWidth=100)
    label = drawn(image, (80, 100)) > 0
    assert 9 <= np.count_nonzero(label[:, 50]) <= 11 and not image.outlines


@pytest.mark.parametrize(("kind", "points"), [("point", [[50, 40]]), ("points", [[50, 40], [20, 20]])])
def test_points_of_labelme_are_dots(kind: str, points: Any) -> None:
    label = drawn(labelme(shape(kind, points), imageHeight=80, imageWidth=100), (80, 100)) > 0
    assert np.count_nonzero(label) == pytest.approx(len(points) * np.pi * 25, rel=0.15)


def test_a_file_of_labelme_without_a_size_takes_that_of_the_photo() -> None:
    image = labelme(shape("rectangle", [[1, 2], [5, 4]]), imageHeight=None)
    assert np.array_equal(drawn(image), boxed(2, 4, 1, 5))
    with pytest.raises(ShapeError, match="photograph 10x8"):
        drawn(labelme(imageHeight=9))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (shape("circle", [[1, 1]]), "a circle of 1 points; it has 2"),
        (shape("circle", [[1, 1], [1, 1]]), "a radius is not greater than 0"),
        (shape("circle", [[1, 1], [1e9, 1]]), "a radius is several times the size"),
        (shape("circle", [[float("nan"), 1], [2, 1]]), "not finite"),
        (shape("line", []), "a line of 0 points"),
        (shape("linestrip", []), "it has no points"),
        (shape("linestrip", [[1, 1], [1e9, 1]]), "a point lies more than"),
        (shape("mask", [[2, 1], [4, 3]]), "can't be used"),
        (shape("mask", [[float("inf"), 1], [4, 3]], mask=""), "not finite"),
        (shape("polygon", {"x": 1}), "its points are no list"),
    ],
)
def test_a_shape_of_labelme_that_is_wrong_is_a_message(entry: Any, reason: str) -> None:
    with pytest.raises(ShapeError) as caught:
        drawn(labelme(entry))
    assert reason in str(caught.value)


def test_an_unknown_shape_and_another_label_of_labelme_are_named() -> None:
    image = labelme(shape("cuboid", []), shape("polygon", [], label="dog"))
    assert (image.unsupported, image.other_labels, image.names) == ({"cuboid"}, {"dog"}, ("a.jpg",))


def result(kind: str, value: Any, name: str = "r1", labels: Any = ("person",), **more: Any) -> Any:
    full = {**value, kind: list(labels)} if labels is not None else value
    size = {"original_width": 10, "original_height": 8, "image_rotation": 0}
    return {"id": name, "type": kind, "value": full, **size, **more}


def studio(*results: Any, **annotation: Any) -> LabelledImage:
    task = {"id": 1, "file_upload": "0a1b2c3d-my_photo.jpg", "data": {"image": "/data/upload/1/0a1b2c3d-my_photo.jpg"}}
    task["annotations"] = [{"result": list(results), **annotation}]
    (image,) = read_labelstudio(json.dumps([task]).encode(), is_person)
    return image


def brush(mask: np.ndarray) -> list[int]:
    return list(pack_runs([(int(value), 4) for value in mask.ravel()]))


SQUARE = {"points": [[10, 25], [50, 25], [50, 75], [10, 75]]}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (result("brushlabels", {"format": "rle", "rle": brush(boxed(1, 4, 2, 5))}), boxed(1, 4, 2, 5)),
        (result("polygonlabels", SQUARE), boxed(2, 6, 1, 5)),
        (result("rectanglelabels", {"x": 10, "y": 25, "width": 40, "height": 50}), boxed(2, 6, 1, 5)),
        (
            result("rectanglelabels", {"x": 50, "y": 25, "width": 40, "height": 50, "rotation": 90}),
            boxed(2, 6, 1, 5),
        ),
        (
            result("bitmasklabels", {"imageDataURL": f"data:image/png;base64,{text(png(boxed(0, 3, 0, 2)))}"}),
            boxed(0, 3, 0, 2),
        ),
    ],
)
def test_a_region_of_label_studio_covers_its_pixels(entry: Any, expected: np.ndarray) -> None:
    assert np.array_equal(drawn(studio(entry)), expected)


def test_an_ellipse_of_label_studio_is_given_in_percent() -> None:
    value = {"x": 50, "y": 50, "radiusX": 30, "radiusY": 25}
    label = drawn(studio(result("ellipselabels", value)))
    assert label[4, 2:8].all() and not label[4, :2].any() and label[2:6, 5].all() and not label[:2].any()


def test_an_ellipse_of_label_studio_is_turned_clockwise() -> None:
    value = {"x": 50, "y": 50, "radiusX": 40, "radiusY": 5, "rotation": 45}
    entry = result("ellipselabels", value, original_width=100, original_height=100)
    label = drawn(studio(entry), (100, 100))
    assert label[75, 75] and label[25, 25] and not label[25, 75]


def test_a_label_may_come_in_a_result_of_its_own() -> None:
    parts = result("polygon", SQUARE, labels=None), result("labels", {}, labels=["person"])
    assert np.array_equal(drawn(studio(*parts)), boxed(2, 6, 1, 5))
    other = studio(result("polygon", SQUARE, labels=None), result("labels", {}, labels=["dog"]))
    assert (other.image.raw, other.other_labels) == ([], {"dog"})


def test_a_cancelled_annotation_does_not_count() -> None:
    assert not studio(result("polygonlabels", SQUARE), was_cancelled=True).is_annotated
    assert studio().is_annotated


@pytest.mark.parametrize("marked", ["ground_truth", "updated_at"])
def test_of_several_annotations_the_ground_truth_or_the_newest_counts(marked: str) -> None:
    wanted: dict[str, Any] = {"result": [result("polygonlabels", SQUARE)], "updated_at": "2024-05-02"}
    other = {"result": [], "updated_at": "2024-05-01"}
    if marked == "ground_truth":
        wanted |= {"ground_truth": True, "updated_at": "2024-01-01"}
    task = {"data": {"image": "a.jpg"}, "annotations": [wanted, other]}
    (image,) = read_labelstudio(json.dumps([task]).encode(), is_person)
    assert np.array_equal(drawn(image), boxed(2, 6, 1, 5))


def test_the_smaller_export_of_label_studio_is_read_too() -> None:
    value = {**SQUARE, "polygonlabels": ["person"], "original_width": 10, "original_height": 8}
    task = {"id": 7, "image": "/data/upload/a.jpg", "label": [value], "annotator": 1}
    (image,) = read_labelstudio(json.dumps([task]).encode(), is_person)
    assert image.names == ("/data/upload/a.jpg",)
    assert np.array_equal(drawn(image), boxed(2, 6, 1, 5))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (result("brushlabels", {"rle": [256]}), "not a list of bytes"),
        (result("brushlabels", {"rle": "AAAA"}), "not a list of bytes"),
        (result("brushlabels", {"rle": [255] * 100}), "4,294,967,295 values"),
        (result("polygonlabels", {"points": [[0, 0], [1, 1]]}), "it has 2 points"),
        (result("polygonlabels", {"points": [[0, 0], [1, 1], [1e9, 1]]}), "a point lies more than"),
        (result("polygonlabels", SQUARE, image_rotation=90), "turned in Label Studio"),
        (result("polygonlabels", SQUARE, original_width="10"), "give no size of the image"),
        (result("polygonlabels", SQUARE, original_width=11), "photograph 10x8"),
        (result("ellipselabels", {"x": None, "y": 1, "radiusX": 1, "radiusY": 1}), "an ellipse's x is no number"),
        (result("bitmasklabels", {"imageDataURL": text(png(RING))}), "its PNG is 3x3, the image 10x8"),
    ],
)
def test_a_region_of_label_studio_that_is_wrong_is_a_message(entry: Any, reason: str) -> None:
    with pytest.raises(ShapeError) as caught:
        drawn(studio(entry))
    assert reason in str(caught.value)


def test_a_region_of_label_studio_that_can_not_be_drawn_is_named() -> None:
    assert studio(result("keypointlabels", {"x": 1, "y": 1, "width": 1})).unsupported == {"keypoint"}


FILES = [
    b"",
    b"{",
    b"[" * 100_000,
    b"null",
    b"[]",
    b"{}",
    b'{"a": 1, "a": 2}',
    b"\xff\xfe{",
    b'{"size": 1, "objects": []}',
]


@pytest.mark.parametrize("data", FILES)
def test_a_file_that_is_none_of_the_tool_is_a_message(data: bytes) -> None:
    for read in (read_supervisely, read_labelme):
        with pytest.raises(ValueError, match=r"\w"):
            read(data, is_person)
    if data != b"[]":
        with pytest.raises(ValueError, match=r"\w"):
            read_labelstudio(data, is_person)


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["exterior", "interior", "origin", "data", "rle", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(ANY, st.sampled_from(["bitmap", "polygon", "rectangle", "circle", "mask", "linestrip", "points", "point"]))
def test_no_shape_ends_in_anything_but_a_label_or_a_message(value: Any, kind: str) -> None:
    images = [
        sly({"classTitle": "person", "geometryType": kind, "points": value, "bitmap": value}),
        labelme(shape(kind, value, mask=value)),
        studio(*[result("labels", {key: value}) for key in ("points",)]),
        studio(result("labels", {"rle": value})),
        studio(result("labels", {"radiusX": value, "x": value, "y": value, "radiusY": value})),
    ]
    for image in images:
        try:
            assert drawn(image).shape == SIZE
        except ShapeError:
            continue


@pytest.mark.parametrize("kind", ["\udfff", "k" * 100_000])
def test_a_kind_of_shape_that_is_no_text_or_endless_is_shown_as_text(kind: str) -> None:
    image = sly({"classTitle": "person", "geometryType": kind})
    with pytest.raises(ShapeError, match="its people are shapes of kind") as error:
        drawn(image)
    assert len(str(error.value).encode()) < 200
