"""What DuckDB is allowed to do, beyond what the doctests show."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from segdata.catalog.queries import open_tables, remove_left_folders, select

LARGE_SORT = "SELECT hash(range)::VARCHAR AS text FROM range(1000000) ORDER BY text"
TOO_LITTLE = 48 * 2**20  # bytes, for this sort


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, while the umask lets everybody read new ones."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


def test_a_slow_query_draws_no_bar_on_stdout_where_the_one_json_object_is() -> None:
    answer = select("SELECT current_setting('enable_progress_bar') AS drawn", {}).to_pylist()
    assert answer == [{"drawn": False}]


def test_rows_that_do_not_fit_into_memory_go_to_a_private_folder_that_is_removed(temporary: Path) -> None:
    with open_tables({}, TOO_LITTLE) as connection:
        batches = connection.sql(LARGE_SORT).to_arrow_reader(10_000)
        first = batches.read_next_batch()
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert any(file.stat().st_size for file in folder.iterdir())
        assert first.num_rows + sum(batch.num_rows for batch in batches) == 1_000_000
    assert list(temporary.iterdir()) == []


def test_an_interrupted_query_leaves_no_temporary_folder(temporary: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_tables({}, TOO_LITTLE) as connection:
        connection.sql(LARGE_SORT).to_arrow_reader(10_000).read_next_batch()
        assert len(list(temporary.iterdir())) == 1
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


def test_segdatas_own_statements_may_write_to_a_private_folder_and_those_with_a_memory_limit_not(
    temporary: Path,
) -> None:
    sql = "SELECT current_setting('temp_directory') AS folder"
    own, limited = (select(sql, {}, memory).to_pylist()[0]["folder"] for memory in (None, 2**30))
    assert (Path(own).parent, limited) == (temporary, "")
    assert list(temporary.iterdir()) == []


def test_without_a_place_for_temporary_files_queries_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert select("SELECT 1 AS a", {}).to_pylist() == [{"a": 1}]


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("segdata-rows-abandoned", f"segdata-rows-{os.getpid()}-a", "other"):  # the pid of a living process
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_text("rows")
    (tmp_path / "segdata-rows-link").symlink_to("other")
    with open_tables({}) as connection:
        in_use = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
        remove_left_folders()
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {"other", "segdata-rows-link", Path(in_use).name}
    assert (tmp_path / "other/rows").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"other", "segdata-rows-link"}


def test_the_folder_of_a_process_that_is_killed_is_not_locked_any_more(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from segdata.catalog.queries import open_tables\n"
        "with open_tables({}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert len(list(tmp_path.glob("segdata-rows-*"))) == 1
    subprocess.run(
        [sys.executable, "-c", "from segdata.catalog.queries import remove_left_folders as r; r()"],
        env=environment,
        check=True,
    )
    assert not list(tmp_path.glob("segdata-rows-*"))
