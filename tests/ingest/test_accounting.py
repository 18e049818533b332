"""Every photo, and every mask without one, is a sample, a reject or filtered; nothing is left out in silence."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import RunContext, Workspace
from segdata.cli.working import show_ingest
from segdata.imaging.decode import decode_alpha
from segdata.ingest import folder
from segdata.ingest.counts import SourceCounts
from segdata.ingest.recipe import SourceRecipe
from segdata.ingest.run import run
from segdata.records import Candidate, Filtered, NamingReport, PhotoSet, Reject, TreeReport
from tests.ingest.test_reader_contract import LAYOUTS, NAMES, build

RNG = np.random.default_rng(0)


def photo(size: tuple[int, int] = (24, 18)) -> np.ndarray:
    return RNG.integers(0, 255, (*size, 3), dtype=np.uint8)


def mask(start: int = 8, size: tuple[int, int] = (24, 18)) -> np.ndarray:
    pixels = np.zeros(size, np.uint8)
    pixels[start:, 4:14] = 255
    return pixels


def write(path: Path, pixels: np.ndarray, suffix: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(suffix or path.suffix, pixels)[1].tobytes())


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(Workspace(tmp_path, Catalog(tmp_path / "catalog")), "run", workers=1)


def ingest(context: RunContext, **keys: Any) -> SourceCounts:
    return run(context, [SourceRecipe(**{"name": "mine", "reader": "folder", "root": "d", **keys})]).sources["mine"]


def total(counts: SourceCounts) -> int:
    return counts.added + counts.unchanged + counts.changed + counts.rejected + sum(counts.filtered.values())


def rejects(context: RunContext) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["reason"], row["detail"]) for row in context.catalog.read("rejects").to_pylist()}


def samples(context: RunContext) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in context.catalog.read("samples", where="status = 'present'").to_pylist()}


def pairs(root: Path, **keys: Any) -> dict[str, str]:
    """The mask of each photo that the reader pairs, relative to the root."""
    source = SourceRecipe(**{"name": "mine", "reader": "folder", "root": str(root), **keys})
    found = [one for one in folder.read(root.resolve(), source) if isinstance(one, Candidate)]
    return {one.path: os.path.relpath(str(one.alpha), root.resolve()) for one in found}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


# the equation, for every reader


@pytest.mark.parametrize("reader", sorted(LAYOUTS))
@pytest.mark.parametrize("limit", [None, 1, 2])
def test_the_equation_holds_for_every_reader(
    reader: str, limit: int | None, context: RunContext, tmp_path: Path
) -> None:
    layout = LAYOUTS[reader]
    build(tmp_path / "d", layout, [*NAMES, "lone", "broken"])
    if layout.label is not None:
        (tmp_path / "d" / layout.label("lone")).unlink()
    (tmp_path / "d" / layout.image("broken")).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    context = replace(context, limit=limit)
    first = ingest(context, reader=reader)
    assert first.found == total(first)
    if limit is None:
        assert first.found == len(NAMES) + 2
        assert (first.rejected, first.added) == ((2, 3) if layout.label is not None else (1, 4))
    again = ingest(context, reader=reader)
    assert again.found == total(again) == first.found
    assert (again.added, again.decoded) == (0, 0)


@pytest.mark.parametrize("dry_run", [False, True])
def test_each_file_of_a_mixed_tree_is_counted_once(context: RunContext, tmp_path: Path, dry_run: bool) -> None:
    root = tmp_path / "d"
    for name in ("1", "2", "sub/3"):
        write(root / f"images/{name}.jpg", photo())
        write(root / f"masks/{name}.png", mask())
    write(root / "images/1.png", photo())  # same name
    write(root / "images/no mask.jpg", photo())
    write(root / "masks/no photo.png", mask())
    write(root / "images/.hidden.jpg", photo())
    touch(root, "images/4.CR2", "images/1.nef", "masks/4.png", "images/5.jpg", "masks/5.npy")
    touch(root, "images/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "images/._1.jpg", "masks/.DS_Store", "images/Thumbs.db")
    touch(root, "__MACOSX/images/._1.jpg", "images/__MACOSX/2.jpg", "images/#recycle/9.jpg", "masks/desktop.ini")
    touch(root, "images/notes.txt", "images/clip.MP4", "images/README")
    counts = ingest(replace(context, dry_run=dry_run))
    assert counts.added == 3
    assert counts.filtered == {"same_name": 2, "hidden": 1}
    assert (counts.rejected, counts.found) == (4, 3 + 3 + 4)
    assert (counts.ignored, counts.other_files) == (7, {"": 1, ".mp4": 1, ".txt": 1})
    if not dry_run:
        assert {path: reason for path, (reason, _) in rejects(context).items()} == {
            "images/no mask.jpg": "missing_alpha",
            "masks/no photo.png": "missing_image",
            "images/4.CR2": "unsupported_format",
            "images/5.jpg": "unsupported_format",
        }
        assert "its mask masks/5.npy is NumPy (.npy)" in rejects(context)["images/5.jpg"][1]
        assert ingest(context).found == counts.found


def test_the_summary_names_what_was_not_looked_at(
    context: RunContext, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "d/images/1_image.jpg", photo())
    write(tmp_path / "d/masks/1_mask.png", mask())
    touch(tmp_path / "d", "images/@eaDir/x", "images/Thumbs.db", "images/a.txt")
    show_ingest(run(context, [SourceRecipe(name="mine", reader="folder", root="d")]).to_json())
    shown = capsys.readouterr().out
    assert "mine ignored: 2 leftovers of file systems" in shown
    assert "mine other files, which are no pictures by their names: 1 .txt" in shown
    assert (
        'mine naming: photos *_image, masks *_mask, 1 pairs (image_suffix = "_image", mask_suffix = "_mask")' in shown
    )


# photos of one name


def test_the_first_photo_of_a_name_that_decodes_is_the_sample(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "d"
    write(root / "masks/1.png", mask())
    (root / "images").mkdir()
    (root / "images/1.jpg").write_bytes(b"<html>")
    write(root / "images/1.webp", photo())
    write(root / "images/1.png", photo())
    write(root / "images/1.bmp", photo())
    counts = ingest(context)
    assert (counts.found, counts.added, counts.rejected, counts.filtered) == (4, 1, 0, {"same_name": 3})
    assert samples(context).keys() == {"images/1.png"}
    again = ingest(context)
    assert (again.unchanged, again.decoded, again.filtered) == (1, 0, {"same_name": 3})
    (root / "images/1.png").write_bytes(b"<html>")  # the sample's own file is lost: another one takes its place
    counts = ingest(context)
    assert (counts.changed, counts.rejected, counts.filtered) == (1, 0, {"same_name": 3})
    assert samples(context).keys() == {"images/1.webp"}


def test_photos_of_one_name_that_all_fail_are_all_rejected_and_not_tried_again(
    context: RunContext, tmp_path: Path
) -> None:
    root = tmp_path / "d"
    write(root / "masks/1.png", mask())
    (root / "images").mkdir()
    for suffix in ("jpg", "png", "webp"):
        (root / f"images/1.{suffix}").write_bytes(b"<html>")
    counts = ingest(context)
    assert (counts.found, counts.rejected, counts.filtered) == (3, 3, {})
    assert ingest(context).decoded == 0
    write(root / "images/1.png", photo())
    counts = ingest(context)
    assert (counts.found, counts.added, counts.rejected, counts.filtered) == (3, 1, 0, {"same_name": 2})


def test_a_mask_at_fault_rejects_the_photo_and_not_its_twins(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "d"
    (root / "masks").mkdir(parents=True)
    (root / "masks/1.png").write_bytes(b"junk")
    write(root / "images/1.jpg", photo())
    write(root / "images/1.png", photo())
    counts = ingest(context)
    assert (counts.found, counts.rejected, counts.filtered) == (2, 1, {"same_name": 1})
    assert rejects(context)["images/1.jpg"][0] == "unreadable_alpha"


# naming


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    ("photos", "masks", "expected"),
    [
        (["Ren\u00e9", "が"], [nfd("Ren\u00e9"), nfd("が")], [(0, 0), (1, 1)]),
        ([nfd("René"), "René"], ["René", nfd("René")], [(0, 1), (1, 0)]),  # exact names first
        (["IMG_1", "img_2"], ["img_1", "IMG_2"], [(0, 0), (1, 1)]),
        (["IMG_1", "Img_1"], ["img_1"], []),  # whose is it?
        (["IMG_1"], ["img_1", "Img_1"], []),
        (["É"], [nfd("é")], [(0, 0)]),
        (["a/1", "b/2"], ["1", "2"], [(0, 0), (1, 1)]),
        (["a/1", "b/1"], ["1"], []),
        (["a/1", "b/2"], ["c/1", "2"], []),  # the masks do not lie in one folder
        (["a/IMG_É"], [nfd("img_é")], [(0, 0)]),
    ],
)
def test_names_pair_exactly_then_normalised_then_without_case(
    photos: list[str], masks: list[str], expected: list[tuple[int, int]], tmp_path: Path
) -> None:
    touch(tmp_path, *(f"images/{name}.jpg" for name in photos), *(f"masks/{name}.png" for name in masks))
    assert pairs(tmp_path) == {f"images/{photos[one]}.jpg": f"masks/{masks[other]}.png" for one, other in expected}


@pytest.mark.parametrize(
    ("photo_name", "mask_name"),
    [
        *(
            ("{}.jpg", f"{{}}{suffix}.png")
            for suffix in ("_mask", "-mask", ".mask", " mask", "_MASK", "_matte", "-alpha")
        ),
        *(
            ("{}.jpg", f"{{}}{suffix}.png")
            for suffix in ("_seg", "_label", "_gt", " copy", ".jpg", ".jpg_mask", "_person")
        ),
        *(("{}.jpg", f"{prefix}{{}}.png") for prefix in ("mask_", "matte-", "alpha_", "gt_", "label ")),
        ("{}_image.png", "{}_mask.png"),
        ("image_{}.jpg", "mask_{}.png"),
        ("image{}.jpg", "mask{}.png"),
        ("img_{}.jpg", "{}_seg.png"),
        ("{}_rgb.jpg", "{}_label.png"),
        ("{}.jpeg", "{}.bmp"),
    ],
)
def test_usual_naming_schemes_are_found_and_kept(
    photo_name: str, mask_name: str, context: RunContext, tmp_path: Path
) -> None:
    for number in range(3):
        write(tmp_path / "d/images" / photo_name.format(number), photo())
        write(tmp_path / "d/masks" / mask_name.format(number), mask())
    counts = ingest(context)
    assert (counts.found, counts.added) == (3, 3)
    assert counts.naming is not None and counts.naming.pairs == 3


def test_a_scheme_is_kept_until_the_recipe_changes(context: RunContext, tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"d/images/{number}.jpg", photo())
        write(tmp_path / f"d/masks/{number}_mask.png", mask())
    assert ingest(context).added == 2
    for number in range(5, 10):  # more pairs of another scheme do not move the source to it
        write(tmp_path / f"d/images/{number}.jpg", photo())
        write(tmp_path / f"d/masks/{number}_matte.png", mask())
    kept = ingest(context)
    assert (kept.unchanged, kept.added, kept.gone, kept.rejected) == (2, 0, 0, 10)
    assert kept.naming is not None and kept.naming.mask_suffix == "_mask"
    assert ingest(context, mask_suffix="_matte").added == 5


def test_a_scheme_without_pairs_is_not_kept(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path / "d/images/1.jpg", photo())
    (tmp_path / "d/masks").mkdir()
    assert ingest(context).rejected == 1
    write(tmp_path / "d/masks/1_mask.png", mask())
    assert ingest(context).added == 1


def test_what_a_given_scheme_leaves_out_is_reported(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "d"
    for name in ("1_image", "1_depth"):
        write(root / f"images/{name}.png", photo())
    for name in ("1_mask", "1_trimap"):
        write(root / f"masks/{name}.png", mask())
    counts = ingest(context, image_suffix="_image", mask_suffix="_mask")
    assert (counts.found, counts.added, counts.filtered) == (3, 1, {"other_name": 1})
    assert rejects(context)["masks/1_trimap.png"] == (
        "missing_image",
        "not named as masks are: *_mask; set mask_prefix or mask_suffix",
    )


def test_masks_named_by_label_studio_are_explained(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path / "d/images/photo1.jpg", photo())
    write(tmp_path / "d/masks/task-1-annotation-1-by-1-tag-person-0.png", mask())
    assert ingest(context).rejected == 2
    (detail,) = (detail for path, (_, detail) in rejects(context).items() if path.startswith("masks/"))
    assert 'reader = "labelstudio"' in detail


# one folder, or folders in one another


def test_in_one_folder_the_png_is_the_mask_of_the_jpeg(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.png", "2.JPG", "2.png", "3.png")
    assert pairs(tmp_path, images=".", masks=".") == {"1.jpg": "1.png", "2.JPG": "2.png"}


def test_in_one_folder_names_of_masks_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "d/1.png", "d/1_mask.png", "d/2.jpg", "d/2_mask.png")
    assert pairs(tmp_path, images="d", masks="d/") == {"d/1.png": "d/1_mask.png", "d/2.jpg": "d/2_mask.png"}


def test_in_one_folder_with_a_channel_each_photo_is_its_own_mask(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path / "d/1.png", np.dstack([photo(), mask()]))
    counts = ingest(context, images=".", masks=".", alpha_channel=3)
    assert (counts.found, counts.added) == (1, 1)
    assert samples(context)["1.png"]["foreground_fraction"] == pytest.approx(160 / 432)


@pytest.mark.parametrize(("images", "masks"), [(".", "m"), ("i", "."), ("a", "a/b/m"), ("m/i", "m")])
def test_folders_that_contain_one_another_are_told_apart(images: str, masks: str, tmp_path: Path) -> None:
    touch(tmp_path / images, "1.jpg", "s/2.jpg")
    touch(tmp_path / masks, "1.png", "s/2.png")
    source = SourceRecipe(name="mine", reader="folder", root=str(tmp_path), images=images, masks=masks)
    found = [one for one in folder.read(tmp_path.resolve(), source) if not isinstance(one, NamingReport | PhotoSet)]
    assert [type(one) for one in found] == [Candidate, Candidate]


# several masks of one photo


def test_masks_of_a_pattern_are_merged(context: RunContext, tmp_path: Path) -> None:
    root = tmp_path / "d"
    for number in range(2):
        write(root / f"images/{number}.jpg", photo())
        for part, start in enumerate((20, 4)):
            write(root / f"masks/{number}-person-{part}.png", mask(start))
        write(root / f"masks/{number}-dog-0.png", mask(0))
    counts = ingest(context, mask_suffix="-person-*", masks_of_one="union")
    assert (counts.found, counts.added, counts.rejected) == (4, 2, 2)
    row = samples(context)["images/0.jpg"]
    assert row["foreground_fraction"] == pytest.approx(200 / 432)
    label = context.workspace.resolve(row["alpha_uri"])
    assert label.is_relative_to(context.catalog.files)
    assert (decode_alpha(label.read_bytes(), None) == mask(4)).all()
    again = ingest(context, mask_suffix="-person-*")  # a pattern merges by itself
    assert (again.unchanged, again.decoded) == (2, 0)
    write(root / "masks/0-person-2.png", mask(0))
    counts = ingest(context, mask_suffix="-person-*")
    assert (counts.changed, counts.unchanged) == (1, 1)
    assert samples(context)["images/0.jpg"]["foreground_fraction"] == pytest.approx(240 / 432)
    assert len(list((context.catalog.files / "merged").rglob("*.png"))) == 2


def test_masks_of_different_sizes_are_not_merged(context: RunContext, tmp_path: Path) -> None:
    write(tmp_path / "d/images/1.jpg", photo())
    write(tmp_path / "d/masks/1-a.png", mask())
    write(tmp_path / "d/masks/1-b.png", mask(size=(12, 9)))
    counts = ingest(context, mask_suffix="-?")
    assert (counts.found, counts.rejected) == (1, 1)
    assert rejects(context)["images/1.jpg"][0] == "size_mismatch"


def test_a_pattern_takes_the_longest_name_that_a_photo_has(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "images/1-2.jpg", "masks/1-2-0.png", "masks/1-0.png")
    assert pairs(tmp_path, mask_suffix="-*") == {
        "images/1-2.jpg": "masks/1-2-0.png",
        "images/1.jpg": "masks/1-0.png",
    }


# any names at all


SHARED = st.text("aB1é_- .", min_size=1, max_size=4).map(lambda text: text.strip(" .") or "x")
AFFIXES = ["", "_mask", "-mask", " copy", ".jpg", "mask_", "_image", "img_", "_x9", "-person-0"]
FORMS: list[Callable[[str], str]] = [str, nfd, str.upper, str.lower]


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Names of photos and of masks, without suffixes: mostly of one scheme, with faults."""
    names = draw(st.lists(SHARED, min_size=1, max_size=5, unique=True))
    before, after = draw(st.sampled_from(AFFIXES)), draw(st.sampled_from(AFFIXES))
    mask_before, mask_after = draw(st.sampled_from(AFFIXES)), draw(st.sampled_from(AFFIXES))
    where = draw(st.sampled_from(["", "sub/"]))
    photos, masks = [], []
    for name in names:
        form = draw(st.sampled_from(FORMS))
        if draw(st.integers(0, 5)):
            photos.append(f"{where}{before}{name}{after}")
        if draw(st.integers(0, 5)):
            masks.append(form(f"{mask_before}{name}{mask_after}"))
    return list(dict.fromkeys(photos)), list(dict.fromkeys(masks))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), one_folder=st.booleans())
def test_every_name_is_a_pair_a_reject_or_filtered(
    tree: tuple[list[str], list[str]], one_folder: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    photos, masks = tree
    root = tmp_path_factory.mktemp("tree").resolve()
    images, labels = ("d", "d") if one_folder else ("images", "masks")
    for place in (images, labels):
        (root / place).mkdir(exist_ok=True)
    touch(root, *(f"{images}/{name}.jpg" for name in photos), *(f"{labels}/{name}.png" for name in masks))
    source = SourceRecipe(name="mine", reader="folder", root=str(root), images=images, masks=labels)
    found = list(folder.read(root, source))
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    used = [path for one in found for path in _paths(one, root)]
    assert sorted(used) == sorted(files), "a file is missing, or counted twice"
    for one in found:
        if isinstance(one, Candidate) and one.path in {f"{images}/{name}.jpg" for name in photos}:
            photo_name, mask_name = (Path(str(path)).stem for path in (one.image, one.alpha))
            assert _shared(photo_name, mask_name), (photo_name, mask_name)


def _paths(one: object, root: Path) -> list[str]:
    if isinstance(one, Candidate):
        return [os.path.relpath(str(path), root) for path in (one.image, one.alpha) if path is not None]
    return (
        [] if isinstance(one, NamingReport | TreeReport) else [one.path] if isinstance(one, Reject | Filtered) else []
    )


def _shared(photo_name: str, mask_name: str) -> bool:
    """Whether two names are one but for an affix before and after each, and but for case and normal form."""
    return bool(_cores(photo_name) & _cores(mask_name))


def _cores(name: str) -> set[str]:
    plain = unicodedata.normalize("NFC", name).casefold()
    cores = set()
    for before in AFFIXES:
        for after in AFFIXES:
            if plain.startswith(before) and plain.endswith(after):
                cores.add(plain[len(before) : len(plain) - len(after)])
    return cores | {plain}
