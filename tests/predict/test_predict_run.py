"""The stage, with the true alpha in place of a network's: every kind of picture, and what becomes of bad photos."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segdata.catalog.workspace import RunContext, open_workspace
from segdata.cli.printing import print_json
from segdata.drawn.portrait import draw_portrait
from segdata.errors import DataError, PixelError, UsageError
from segdata.imaging.decode import read_image
from segdata.imaging.encode import encode_png
from segdata.predict.pictures import PictureOptions, maker_of, parse_background
from segdata.predict.run import PredictResult, check_any, run

SEEDS = (2, 3, 5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in SEEDS:
        drawn = draw_portrait(seed, camera=False)
        (folder / f"p{seed}.png").write_bytes(encode_png(drawn.image))
    return folder


@pytest.fixture(scope="module")
def opener() -> Callable[[Path], Any]:
    """A version that knows the truth of each photo by its pixels."""
    drawn = [draw_portrait(seed, camera=False) for seed in SEEDS]
    known = {one.image.tobytes(): one.alpha for one in drawn}
    return lambda folder: lambda image: known[image.tobytes()]


@pytest.fixture
def predict(tmp_path: Path, photos: Path, opener: Callable[[Path], Any]) -> Callable[..., PredictResult]:
    def call(options: PictureOptions, *paths: Path, workers: int = 2, **settings: Any) -> PredictResult:
        context = RunContext(open_workspace(tmp_path), "run", workers=workers, **settings)
        return run(context, paths or (photos,), Path("model"), tmp_path / "out", options, opener)

    return call


def test_alpha_and_mask_are_as_large_as_the_photo_and_exact(predict: Any, photos: Path, tmp_path: Path) -> None:
    alpha = draw_portrait(2, camera=False).alpha
    assert predict(PictureOptions()).written == 3
    assert np.array_equal(cv2.imread(str(tmp_path / "out/p2.png"), cv2.IMREAD_UNCHANGED), alpha)
    predict(PictureOptions("mask"))
    mask = cv2.imread(str(tmp_path / "out/p2.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, np.where(alpha >= 128, 255, 0))


def test_a_cutout_keeps_the_sure_pixels_and_has_straight_alpha(predict: Any, photos: Path, tmp_path: Path) -> None:
    predict(PictureOptions("cutout"))
    with Pillow.open(tmp_path / "out/p3.png") as picture:
        cut = np.asarray(picture)
    image = read_image(photos / "p3.png")
    assert cut.shape == (*image.shape[:2], 4)
    sure = cut[..., 3] == 255
    assert sure.mean() > 0.1 and (cut[sure][:, :3] == image[sure]).all()


def test_another_background_shows_where_nobody_is(predict: Any, photos: Path, tmp_path: Path) -> None:
    scene = np.zeros((200, 900, 3), np.uint8)
    scene[:, :300], scene[:, 300:600], scene[:, 600:] = (255, 0, 0), (0, 200, 0), (0, 0, 255)
    (tmp_path / "scene.png").write_bytes(encode_png(scene))
    predict(PictureOptions("background", str(tmp_path / "scene.png")))
    picture = read_image(tmp_path / "out/p2.png")
    assert picture.shape == (800, 600, 3)
    assert picture[5, 5].tolist() == [0, 200, 0]  # cropped to cover: of three thirds only the middle is left
    predict(PictureOptions("background", "#102030"))
    assert read_image(tmp_path / "out/p2.png")[5, 5].tolist() == [16, 32, 48]


def test_identity_photos_have_the_formats_pixels_and_say_their_resolution(predict: Any, tmp_path: Path) -> None:
    result = predict(PictureOptions("id_photo", "white", "35x45mm@300", jpeg=True))
    assert result.written >= 2
    for file in (tmp_path / "out").glob("*.jpg"):
        with Pillow.open(file) as picture:
            assert picture.size == (413, 531)
            assert picture.info["dpi"] == (300, 300)
            assert picture.getpixel((2, 2)) == (255, 255, 255)


def test_a_group_is_one_picture(predict: Any, photos: Path, tmp_path: Path) -> None:
    result = predict(PictureOptions("group", "#204060"), photos / "p2.png", photos / "p3.png")
    assert (result.written, result.failed) == (1, ())
    picture = read_image(tmp_path / "out/group.png")
    assert picture.shape[1] > 600
    assert picture[2, 2].tolist() == [32, 64, 96]


def test_the_same_call_gives_the_same_bytes_whatever_the_workers(predict: Any, tmp_path: Path) -> None:
    predict(PictureOptions("cutout"), workers=1)
    first = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    predict(PictureOptions("cutout"), workers=3)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == first


def test_bad_photos_are_told_and_the_others_go_on(predict: Any, photos: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_bytes(b"junk" if name == "a.jpg" else b"")
    result = predict(PictureOptions(), tmp_path / "a.jpg", photos / "p2.png", tmp_path / "b.png")
    assert result.written == 1
    assert [(Path(one.path).name, one.reason) for one in result.failed] == [
        ("a.jpg", "no picture at all"),
        ("b.png", "0 bytes"),
    ]
    check_any(result)
    none = predict(PictureOptions(), tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"no photo could be used \(1 failed\)"):
        check_any(none)


def test_a_photo_whose_name_is_not_utf8_is_predicted_and_told_in_letters(
    predict: Any, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, bad = (tmp_path / os.fsdecode(name) for name in (b"caf\xe9.png", b"\xff\xfe.jpg"))
    shutil.copy(photos / "p2.png", good)
    bad.write_bytes(b"junk")
    result = predict(PictureOptions(), good, bad)
    assert result.written == 1
    assert (tmp_path / "out" / os.fsdecode(b"caf\xe9.png")).is_file()
    print_json(result.to_json())
    assert json.loads(capfd.readouterr().out)["failed"][0]["path"] == f"{tmp_path}/\\xff\\xfe.jpg"


def test_several_people_get_no_identity_photo() -> None:
    one, two = (draw_portrait(seed, camera=False) for seed in (2, 3))
    make = maker_of(PictureOptions("id_photo", id_photo="35x45mm"))
    with pytest.raises(Exception, match="2 people are in the picture"):
        make(np.hstack([one.image, two.image]), np.hstack([one.alpha, two.alpha]))


def test_a_dry_run_writes_nothing(predict: Any, tmp_path: Path) -> None:
    assert predict(PictureOptions(), dry_run=True).written == 0
    assert not (tmp_path / "out").exists()


def test_the_limit_takes_the_first_photos(predict: Any, tmp_path: Path) -> None:
    assert predict(PictureOptions(), limit=2).written == 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["p2.png", "p3.png"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (PictureOptions("fog"), "no kind 'fog'"),  # type: ignore[arg-type]  # wrong on purpose
        (PictureOptions("alpha", "white"), "goes with no --alpha"),
        (PictureOptions("id_photo"), "wants a format"),
        (PictureOptions("cutout", id_photo="35x45mm"), "no other kind"),
        (PictureOptions("cutout", head_mm=30), "with --id-photo only"),
        (PictureOptions("cutout", jpeg=True), "exact values"),
        (PictureOptions("background", "nosuch"), "neither a colour"),
        (PictureOptions("id_photo", __file__, "35x45mm"), "can't be read as a picture"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: PictureOptions, told: str, predict: Any) -> None:
    with pytest.raises(UsageError, match=told):
        predict(options)


def test_an_identity_photo_has_a_plain_colour(photos: Path) -> None:
    with pytest.raises(UsageError, match="plain colour"):
        maker_of(PictureOptions("id_photo", str(photos / "p2.png"), "35x45mm"))


def test_colours_come_by_name_and_by_number() -> None:
    assert parse_background("navy") == (0, 0, 128)
    assert parse_background("#fff") == (255, 255, 255)


class Unlucky:
    """A version that raises for one photo, whatever the exception, and knows the others."""

    def __init__(self, error: Exception, seeds: tuple[int, ...] = (3,)) -> None:
        self.error = error
        self.unlucky = {draw_portrait(seed, camera=False).image.tobytes() for seed in seeds}

    def __call__(self, _folder: Path) -> Callable[[np.ndarray], np.ndarray]:
        def alpha_of(image: np.ndarray) -> np.ndarray:
            if image.tobytes() in self.unlucky:
                raise self.error
            return np.full(image.shape[:2], 255, np.uint8)

        return alpha_of


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("CUDA out of memory"), "unexpected RuntimeError: CUDA out of memory"),
        (ValueError("odd"), "unexpected ValueError: odd"),
        (MemoryError(), "needs more memory than there is"),
        (PixelError("arrays of two sizes"), "arrays of two sizes"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_whatever_fails_for_one_photo_the_others_are_made(
    error: Exception, reason: str, workers: int, photos: Path, tmp_path: Path
) -> None:
    context = RunContext(open_workspace(tmp_path), "run", workers=workers)
    result = run(context, [photos], Path("model"), tmp_path / "out", PictureOptions(), Unlucky(error))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["p2.png", "p5.png"]
    assert result.written == 2
    assert [(Path(one.path).name, reason in one.reason) for one in result.failed] == [("p3.png", True)]


def test_a_result_that_cant_be_written_does_not_end_the_batch(predict: Any, tmp_path: Path) -> None:
    (tmp_path / "out/p3.png").mkdir(parents=True)  # a folder lies where the file should go
    result = predict(PictureOptions())
    assert result.written == 2
    assert [Path(one.path).name for one in result.failed] == ["p3.png"]
    assert "can't be written" in result.failed[0].reason


def test_a_fault_of_the_program_that_every_photo_meets_keeps_its_traceback(photos: Path, tmp_path: Path) -> None:
    context = RunContext(open_workspace(tmp_path), "run", workers=2)
    with pytest.raises(ZeroDivisionError):
        run(context, [photos], Path("m"), tmp_path / "out", PictureOptions(), Unlucky(ZeroDivisionError("x"), SEEDS))


def test_one_photo_that_fails_does_not_end_a_group(photos: Path, tmp_path: Path, opener: Any) -> None:
    def broken(folder: Path) -> Any:
        known, failing = opener(folder), Unlucky(RuntimeError("odd"))(folder)
        return lambda image: failing(image) if image.tobytes() in Unlucky(RuntimeError()).unlucky else known(image)

    context = RunContext(open_workspace(tmp_path), "run", workers=1)
    paths = [photos / "p2.png", photos / "p3.png"]
    result = run(context, paths, Path("model"), tmp_path / "out", PictureOptions("group"), broken)
    assert result.written == 1
    assert [one.reason for one in result.failed] == ["unexpected RuntimeError: odd"]
