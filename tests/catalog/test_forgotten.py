"""Keyed values stand in for ids and hashes: the same for one key, unlike for another, and nobody guesses the key."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import pytest

from segdata.catalog.forgetting import remember
from segdata.catalog.forgotten import KEY_FILE, Pseudonyms, make_pseudonyms, read_forgotten
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.workspace import Workspace, open_workspace
from segdata.errors import CatalogError, StorageError

SHA256 = hashlib.sha256(b"a photo").hexdigest()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path)


def test_a_keyed_value_is_the_hmac_of_its_purpose_and_text() -> None:
    key = bytes(range(32))
    expected = hmac.new(key, b"sample\0people/anna", hashlib.sha256).hexdigest()
    assert Pseudonyms(key).of_sample("people/anna") == f"forgotten/{expected}"
    assert Pseudonyms(key).of_bytes(SHA256) == hmac.new(key, b"bytes\0" + SHA256.encode(), hashlib.sha256).hexdigest()
    assert Pseudonyms(bytes(32)).of_bytes(SHA256) != Pseudonyms(key).of_bytes(SHA256)


def test_the_key_is_not_in_the_text_of_an_object() -> None:
    assert "1f" * 4 not in repr(Pseudonyms(b"\x1f" * 32)) and "\\x1f" not in repr(Pseudonyms(b"\x1f" * 32))


def test_two_workspaces_have_two_keys_and_one_keeps_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (make_pseudonyms(open_workspace(tmp_path / name)) for name in ("a", "b"))
    assert first.key != second.key
    assert make_pseudonyms(open_workspace(tmp_path / "a")) == first


def test_the_key_is_for_its_owner_alone_whatever_the_umask(workspace: Workspace) -> None:
    mask = os.umask(0)
    try:
        make_pseudonyms(workspace)
    finally:
        os.umask(mask)
    assert (workspace.root / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_what_was_forgotten_is_recognised_by_id_and_by_bytes_and_nothing_else_is(workspace: Workspace) -> None:
    nobody = read_forgotten(workspace)
    assert not nobody
    assert not nobody.has_sample("people/anna")
    assert not nobody.has_image(None)
    assert not (workspace.root / KEY_FILE).exists()
    row = {"sample_id": "people/anna", "image_sha256": SHA256, "alpha_sha256": None}
    remember(workspace, make_pseudonyms(workspace), [row], "run")
    forgotten = read_forgotten(workspace)
    assert forgotten.has_sample("people/anna")
    assert forgotten.has_image(SHA256)
    assert not forgotten.has_sample("people/ann")
    assert not forgotten.has_image(hashlib.sha256(b"another").hexdigest())
    assert not forgotten.has_image("")


def test_a_mark_with_its_id_is_recognised_too(workspace: Workspace) -> None:
    row = {"sample_id": "people/anna", "status": "forgotten", "image_sha256": SHA256}
    workspace.catalog.merge("samples", rows_to_table("samples", [row]))
    forgotten = read_forgotten(workspace)
    assert forgotten
    assert (forgotten.has_sample("people/anna"), forgotten.has_image(SHA256)) == (True, True)


def test_a_dataset_may_be_called_forgotten(workspace: Workspace) -> None:
    rows = [{"sample_id": f"forgotten/{name}", "status": "forgotten"} for name in ("anna", "0f" * 32)]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    assert read_forgotten(workspace).plain_samples == {"forgotten/anna"}


IDS = ["people/Anna Smith", "people/anna(1)", 'people/o\'neil, "kim"', "my-set/a.b/c d.e", "people/Zoë"]


@pytest.mark.parametrize("sample_id", IDS)
@pytest.mark.parametrize(
    "text", ["{}", "{}.jpg", "[{}]", "{}.", "/data/{}.png", "no sample '{}': find its id", "x {}, y", "和{}是同一个人"]
)
def test_ids_with_any_characters_are_concealed_in_what_later_commands_say(
    workspace: Workspace, sample_id: str, text: str
) -> None:
    names = make_pseudonyms(workspace)
    remember(workspace, names, [{"sample_id": sample_id, "image_sha256": SHA256, "alpha_sha256": None}], "run")
    forgotten = read_forgotten(workspace)
    assert forgotten.conceal({"a": [text.format(sample_id), 1]}) == {"a": [text.format(names.of_sample(sample_id)), 1]}
    other = text.format(f"{sample_id}2")
    assert forgotten.conceal(other) == other


def test_a_kill_while_the_key_is_written_leaves_no_half_of_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "fsync", killed)
        make_pseudonyms(workspace)
    assert list(workspace.root.iterdir()) == []
    assert make_pseudonyms(workspace) == make_pseudonyms(workspace)


def test_a_damaged_key_is_named(workspace: Workspace) -> None:
    (workspace.root / KEY_FILE).write_text("no key")
    with pytest.raises(StorageError, match=r"forgotten.key: it is no key of segdata: 64 hexadecimal digits"):
        make_pseudonyms(workspace)


def test_without_the_key_the_message_says_how_many_and_what_to_do(workspace: Workspace) -> None:
    row = {"sample_id": "people/anna", "image_sha256": SHA256, "alpha_sha256": None}
    remember(workspace, make_pseudonyms(workspace), [row], "run")
    (workspace.root / KEY_FILE).unlink()
    for call in (read_forgotten, make_pseudonyms):
        with pytest.raises(
            CatalogError, match=r"forgotten.key.*recognises the 1 rows.*Restore forgotten.key from a backup"
        ):
            call(workspace)
