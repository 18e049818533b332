"""The App's server hands out the catalog's pictures and segdata's overlays, as pictures, and nothing else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from segdata.review.limits import may_run, only_registered
from segdata.review.overlays import NAMES, overlay_paths
from segdata.review.recipe import ReviewRecipe
from segdata.review.registered_media import registered_media
from segdata.review.served_media import open_picture, serve_media

PNG = cv2.imencode(".png", np.zeros((3, 5), np.uint8))[1].tobytes()


def media(files: dict[str, str], path: object, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer to `/media?filepath=`."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    query = f"filepath={quote(str(path), safe='')}".encode()
    asyncio.run(serve_media({"query_string": query, "method": method}, send, files))
    body = b"".join(message["body"] for message in sent[1:])
    assert [message.get("more_body", False) for message in sent[1:]][-1] is False
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_a_registered_picture_is_served_as_a_picture_in_a_sandbox(tmp_path: Path) -> None:
    path = tmp_path / "a photo & more+.jpg"  # a name that lies about the type
    path.write_bytes(PNG)
    status, headers, body = media({str(path): str(path)}, path)
    assert (status, body) == (200, PNG)
    assert headers[b"content-type"] == b"image/png" and headers[b"content-length"] == str(len(PNG)).encode()
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"content-security-policy"] == b"sandbox"
    assert headers[b"cross-origin-resource-policy"] == b"same-origin"
    assert media({str(path): str(path)}, path, "HEAD")[2] == b""


def test_a_picture_of_many_chunks_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(PNG + os.urandom(1_000_000))
    assert media({str(path): str(path)}, path)[2] == path.read_bytes()


def test_what_is_not_registered_is_not_there_whether_or_not_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    other = tmp_path / "b.png"
    answers = [media({str(other): str(other)}, asked) for asked in ("/etc/hostname", path, "/nowhere", "", other)]
    assert {status for status, _, _ in answers} == {404}
    assert len({(tuple(headers.items()), body) for _, headers, body in answers}) == 1, "all look the same"
    assert answers[0][1][b"content-security-policy"] == b"sandbox"
    assert media({str(path): str(path)}, f"{tmp_path}/./a.png")[0] == 404, "one file has one name"


@pytest.mark.parametrize(
    "content", [b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"%PDF-1.7"]
)
def test_a_registered_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert media({str(path): str(path)}, path)[0] == 404


def test_a_link_that_took_the_place_of_a_file_or_folder_is_not_followed(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    for each in (secret, folder):
        each.mkdir()
        (each / "a.png").write_bytes(PNG)
    path = str(folder / "a.png")
    opened = open_picture(path)
    assert opened is not None
    opened.file.close()
    Path(path).unlink()
    Path(path).symlink_to(secret / "a.png")
    assert open_picture(path) is None
    Path(path).unlink()
    folder.rmdir()
    folder.symlink_to(secret)
    assert open_picture(path) is None
    os.mkfifo(tmp_path / "pipe.png")
    assert open_picture(str(tmp_path / "pipe.png")) is None, "a pipe is not waited for"


def test_the_files_come_from_the_catalog(mined: Any) -> None:
    workspace = mined.workspace
    folder = workspace.root / "review"
    rows = workspace.catalog.read("samples", where="kind <> 'background'").to_pylist()
    scorer = workspace.catalog.read("predictions", ["scorer_id"])["scorer_id"][0].as_py()
    wanted = rows[:2]
    files = registered_media(workspace, folder, {row["sample_id"] for row in wanted} | {"no such sample"}, 640)
    expected = {str(workspace.resolve(row["image_uri"])) for row in wanted}
    for row in wanted:
        expected |= {str(path) for path in overlay_paths(row, scorer, folder / "overlays", 640).values()}
    assert set(files) == expected and len(expected) == 2 * 4
    assert all(os.path.realpath(path) == real for path, real in files.items())


def test_a_registered_link_is_followed_once_when_the_review_opens(mined: Any) -> None:
    workspace = mined.workspace
    row = workspace.catalog.read("samples").to_pylist()[0]
    picture = workspace.resolve(row["image_uri"])
    kept = picture.rename(picture.with_name("kept.png"))
    picture.symlink_to(kept)
    files = registered_media(workspace, workspace.root / "review", {row["sample_id"]}, 640)
    assert files[str(picture)] == os.path.realpath(kept)
    assert media(files, picture)[0] == 200


def test_a_format_that_browsers_do_not_know_is_served_by_its_copy_alone(mined: Any) -> None:
    workspace = mined.workspace
    name = mined.sample("aisegment/pool/tiff", image_uri="data/a.tiff")
    mined.context()
    (workspace.root / "data" / "a.tiff").write_bytes(b"II*\0")
    files = registered_media(workspace, workspace.root / "review", {name}, 640)
    row = mined.written[name]
    assert str(workspace.root / "review" / "pictures" / f"{row['image_sha256']}.jpg") in files
    assert str(workspace.resolve("data/a.tiff")) not in files


def test_all_that_the_dataset_shows_is_registered_also_after_the_overlays_size_changed(
    fiftyone: Any, mined: Any
) -> None:
    from segdata.review import run
    from segdata.review.dataset import open_dataset

    context, root = mined.context(), mined.workspace.root
    chosen = run._choose(context, run.Asked())
    dataset = open_dataset("registered", root, own=True)
    changed = []
    for overlay_px in (640, 64, 64):
        synced = run._synchronise(context, ReviewRecipe(overlay_px=overlay_px), chosen, dataset)
        changed.append(synced.changed)
        shown = dataset.values(["filepath", *(f"{name}.mask_path" for name in NAMES)])
        files = registered_media(mined.workspace, root / "review", set(dataset.values("sample_id")), overlay_px)
        assert {path for column in shown for path in column} == set(files) and len(files) == 4 * 4
        assert {media(files, path)[0] for path in files} == {200}
    assert changed == [0, 4, 0]


def test_operators_that_list_the_disk_change_paths_or_run_code_are_refused() -> None:
    assert may_run("@segdata/review/judge") and may_run("@voxel51/operators/save_view")
    refused = (
        *("operators/list_files", "operators/download_file", "panels/init_similarity_run", "io/export_samples"),
        *("operators/edit_field_values", "operators/rename_sample_field", "operators/mes_plot_resolver"),
        *("operators/model_evaluation_configure_scenario", "panels/model_evaluation_panel_builtin"),
    )
    for name in refused:
        assert not may_run(f"@voxel51/{name}")


def test_fiftyone_measures_registered_pictures_alone(tmp_path: Path) -> None:
    async def measure(path: str, is_video: bool) -> dict[str, Any]:
        return {"path": path}

    read = only_registered(measure, {"/a.png": "/real/a.png"})
    assert asyncio.run(read("/a.png", False)) == {"path": "/real/a.png"}
    for path, is_video in (("/etc/hostname", False), ("/a.png", True)):
        with pytest.raises(PermissionError):
            asyncio.run(read(path, is_video))
