"""Paths in recipes are expanded as shells do it, and a variable that is not set is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from segdata.storage.expansion import ExpansionError, expand_path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/disk/data")
    monkeypatch.setenv("PART", "own")
    monkeypatch.setenv("HOMEWARD", "~/data")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("~", "/home/me"),
        ("~/data", "/home/me/data"),
        ("$DATA", "/disk/data"),
        ("$DATA/own/", "/disk/data/own"),
        ("${DATA}/$PART", "/disk/data/own"),
        ("data/${PART}_2", "/w/data/own_2"),
        ("$HOMEWARD", "/home/me/data"),
        ("../data", "/w/../data"),
        ("a~b", "/w/a~b"),
        ("price$", "/w/price$"),
        ("/absolute", "/absolute"),
    ],
)
def test_paths_are_expanded_as_shells_expand_them(text: str, expanded: str) -> None:
    assert expand_path(text, Path("/w")) == Path(expanded)


@pytest.mark.parametrize("text", ["$NOWHERE/d", "x/${NOWHERE}", "$EMPTY/d"])
def test_a_variable_that_is_not_set_or_empty_is_refused(text: str) -> None:
    with pytest.raises(ExpansionError, match=r"the environment variable (NOWHERE|EMPTY) is not set; set it, or write"):
        expand_path(text, Path("/w"))


def test_a_user_without_a_home_folder_is_refused() -> None:
    with pytest.raises(ExpansionError, match="~nobody-at-all has no home folder; write the whole path"):
        expand_path("~nobody-at-all/d", Path("/w"))


def test_a_folder_that_exists_as_written_is_meant(tmp_path: Path) -> None:
    (tmp_path / "$DATA").mkdir()
    (tmp_path / "~").mkdir()
    assert expand_path("$DATA", tmp_path) == tmp_path / "$DATA"
    assert expand_path("~", tmp_path) == tmp_path / "~"
