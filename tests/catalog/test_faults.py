"""A full disk, a read-only one, too few open files, two writers, a reader during maintenance: nothing is lost.

Either the table is that of an undisturbed run, or the command fails in one clear sentence and the next run mends it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from segdata.catalog.schemas import SCHEMAS, rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.upkeep import maintain
from segdata.catalog.verify import verify_tables
from segdata.catalog.workspace import RunContext, open_workspace

Run = Callable[..., Any]
INGEST = ("ingest", "--workers", "1")


def limited(command: Sequence[str | Path], cwd: Path, **limits: int) -> subprocess.CompletedProcess[str]:
    """Run a command with limits of the system, such as RLIMIT_NOFILE=40."""

    def limit() -> None:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "RUST_BACKTRACE": "1"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,  # the child execs at once; nothing of ours runs in it
    )


def samples(folder: Path) -> list[dict[str, Any]]:
    columns = [name for name in SCHEMAS["samples"].names if name != "run_id"]
    rows: list[dict[str, Any]] = open_workspace(folder).catalog.read("samples", columns).to_pylist()
    return rows


@pytest.fixture
def begun(ingested: Path, tmp_path: Path) -> Path:
    """A workspace that has ingested nothing yet."""
    shutil.copytree(ingested, tmp_path / "begun", ignore=lambda _, names: {"catalog"} & set(names))
    return tmp_path / "begun"


def mended(folder: Path, ingested: Path, segdata: Run) -> None:
    """What went wrong left a catalog that can be looked at, and that the next run makes whole."""
    assert segdata("status", cwd=folder).code == 0
    answer = segdata(*INGEST, cwd=folder)
    assert answer.code == 0, answer.err
    assert samples(folder) == samples(ingested)
    assert verify_tables(RunContext(open_workspace(folder), "r"))[1] == []


def fails_clearly(done: subprocess.CompletedProcess[str], words: str) -> None:
    """One sentence, exit 3, and no traceback."""
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    assert "stack backtrace" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("segdata ingest: "), done.stderr
    assert words in last


@pytest.mark.parametrize("limit_bytes", [1, 9000])
def test_a_file_that_can_not_grow(
    limit_bytes: int, begun: Path, ingested: Path, segdata: Run, segdata_entry: list[str]
) -> None:
    done = limited([*segdata_entry, *INGEST], begun, RLIMIT_FSIZE=limit_bytes)
    fails_clearly(done, "raise the limit of a file's size (ulimit -f) and run it again")
    mended(begun, ingested, segdata)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte, empty."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk takes the right to mount one")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def with_catalog_on(disk: Path, folder: Path) -> None:
    recipe = folder / "pipelines" / "portrait.toml"
    recipe.write_text(recipe.read_text().replace("seed = 0\n", f'seed = 0\n\n[catalog]\nuri = "{disk}/catalog"\n', 1))


def fill(disk: Path, room_bytes: int) -> None:
    """Leave so much room."""
    free = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_bsize - room_bytes)))


def on_a_full_disk(disk: Path, begun: Path, ingested: Path, segdata: Run, entry: list[str], room: int) -> int:
    """Ingest with so much room, then with more, and look; returns the exit code of the first."""
    shutil.rmtree(disk / "catalog", ignore_errors=True)
    (disk / "ballast").unlink(missing_ok=True)
    fill(disk, room)
    done = limited([*entry, *INGEST], begun)
    if done.returncode:
        fails_clearly(done, "make room on the disk and run it again")
    (disk / "ballast").unlink()
    assert segdata("status", cwd=begun).code == 0
    answer = segdata(*INGEST, cwd=begun)
    assert answer.code == 0, answer.err
    columns = [name for name in SCHEMAS["samples"].names if name != "run_id"]
    assert Catalog(disk / "catalog").read("samples", columns).to_pylist() == samples(ingested)
    return done.returncode


def test_a_disk_that_is_full_part_of_the_way(
    small_disk: Path, begun: Path, ingested: Path, segdata: Run, segdata_entry: list[str]
) -> None:
    with_catalog_on(small_disk, begun)
    assert on_a_full_disk(small_disk, begun, ingested, segdata, segdata_entry, room=60 << 10) == 3


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_a_disk_that_is_full_anywhere_on_the_way(
    small_disk: Path, begun: Path, ingested: Path, segdata: Run, segdata_entry: list[str]
) -> None:
    with_catalog_on(small_disk, begun)
    codes = {
        on_a_full_disk(small_disk, begun, ingested, segdata, segdata_entry, room=room << 10)
        for room in range(0, 400, 12)
    }
    assert codes == {0, 3}


@pytest.mark.parametrize("files", [10, 14])
def test_too_few_open_files(files: int, begun: Path, ingested: Path, segdata: Run, segdata_entry: list[str]) -> None:
    done = limited([*segdata_entry, *INGEST], begun, RLIMIT_NOFILE=files)
    fails_clearly(done, "raise the limit (ulimit -n) or lower --workers")
    mended(begun, ingested, segdata)


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_too_few_open_files_anywhere(begun: Path, ingested: Path, segdata: Run, segdata_entry: list[str]) -> None:
    codes = set()
    for files in range(6, 40, 2):
        shutil.rmtree(begun / "catalog", ignore_errors=True)
        done = limited([*segdata_entry, *INGEST], begun, RLIMIT_NOFILE=files)
        if done.returncode:
            fails_clearly(done, "Too many open files")
        codes.add(done.returncode)
        mended(begun, ingested, segdata)
    assert codes == {0, 3}


@pytest.fixture
def read_only(workspace: Path) -> Iterator[Path]:
    """A workspace whose catalog can't be written."""
    catalog = workspace / "catalog"
    if os.geteuid() != 0:
        for folder in [catalog, *(path for path in catalog.rglob("*") if path.is_dir())]:
            folder.chmod(0o555)
        yield workspace
        for folder in [catalog, *(path for path in catalog.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        return
    bind = [["mount", "--bind", str(catalog), str(catalog)], ["mount", "-o", "remount,ro,bind", str(catalog)]]
    if any(subprocess.run(call, capture_output=True, check=False).returncode for call in bind):
        pytest.skip("root may write everywhere, and a read-only disk takes the right to mount one")
    yield workspace
    subprocess.run(["umount", "-l", str(catalog)], check=True)


def test_a_read_only_catalog_is_read_and_writing_to_it_fails_clearly(
    read_only: Path, segdata: Run, segdata_entry: list[str]
) -> None:
    before = samples(read_only)
    done = limited([*segdata_entry, *INGEST], read_only)
    fails_clearly(done, "check who may write there" if os.geteuid() else "the disk is mounted read-only: remount it")
    answer = segdata("catalog", "tables", "--json", cwd=read_only)
    assert answer.code == 0, answer.err
    assert segdata("status", cwd=read_only).code == 0
    assert samples(read_only) == before


def test_two_ingests_at_once_are_one(begun: Path, ingested: Path, segdata_entry: list[str]) -> None:
    calls = (["portrait2000", "coco"], ["coco", "portrait2000", "aisegment"])
    running = [
        subprocess.Popen([*segdata_entry, "ingest", *names], cwd=begun, stderr=subprocess.PIPE, text=True)
        for names in calls
    ]
    for process in running:
        _, told = process.communicate(timeout=600)
        assert process.returncode == 0, told
    assert samples(begun) == samples(ingested)
    assert verify_tables(RunContext(open_workspace(begun), "r"))[1] == []


def read_while_maintained(folder: Path, rounds: int) -> None:
    """A reader that never stops sees the same rows, whatever a writer of the same rows and maintenance do."""
    workspace = open_workspace(folder)
    rows = [{"sample_id": f"a/{number}", "split": "train"} for number in range(50)]
    workspace.catalog.merge("samples", rows_to_table("samples", rows))
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            answer = Catalog(workspace.catalog.root).query("SELECT count(*) AS n, min(split) AS s FROM samples")
            seen.append(answer.to_pylist())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(rounds):
            workspace.catalog.merge("samples", rows_to_table("samples", rows[number : number + 5]))
            maintain(RunContext(workspace, "r"), keep_days=1)
    finally:
        stop.set()
        reader.join()
    assert len(seen) > rounds
    assert all(answer == [{"n": 50, "s": "train"}] for answer in seen)


def test_a_reader_sees_nothing_of_maintenance(tmp_path: Path) -> None:
    read_while_maintained(tmp_path, rounds=3)


@pytest.mark.stress
def test_a_reader_sees_nothing_of_much_maintenance(tmp_path: Path) -> None:
    read_while_maintained(tmp_path, rounds=100)


def test_what_a_commit_brings_is_synced_with_its_folders(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, and only it sees what is synced: apt-get install strace")
    code = """
from pathlib import Path
from segdata.catalog.schemas import rows_to_table
from segdata.catalog.tables import Catalog
from segdata.catalog.upkeep import compact
from segdata.storage.files import atomic_write
catalog = Catalog(Path("new/catalog"))
catalog.merge("samples", rows_to_table("samples", [{"sample_id": "a/1"}]))
compact(catalog, "samples")
atomic_write(Path("reports/r1/index.html"), b"page")
"""
    log = tmp_path / "log"
    strace = ["strace", "-f", "-y", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(log)]
    subprocess.run([*strace, sys.executable, "-c", code], cwd=tmp_path, check=True)
    synced = {line.partition("<")[2].partition(">")[0] for line in log.read_text().splitlines() if "<unf" not in line}
    table = tmp_path / "new" / "catalog" / "tables" / "samples"
    (data,) = table.glob("*.parquet")
    wanted = {data, *(table / "_delta_log").iterdir(), table / "_delta_log", table}
    assert any(path.name.endswith(".checkpoint.parquet") for path in wanted)
    wanted |= {tmp_path, tmp_path / "new", tmp_path / "new" / "catalog", tmp_path / "new" / "catalog" / "tables"}
    wanted |= {tmp_path / "reports", tmp_path / "reports" / "r1"}
    assert {str(path) for path in wanted} - synced == set()
    assert any(name.startswith(f"{tmp_path}/reports/r1/.segdata.") for name in synced)
