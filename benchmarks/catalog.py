"""The catalog as it grows: opening, status, a filtered query, upserts, maintenance; seconds and memory.

Run: python benchmarks/catalog.py [--rows 34000 100000 300000 1000000]
Rows are made up, and look like an archive's: ids in order, a pool, a training and a test split. They come in as an
ingest brings them, in shards. Each figure is of a process of its own: the median of three, start-up apart, and the
most memory that any of them took. What is called plain reads every file whole, as is often done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog

SHARD = 50_000
RECIPE = 'seed = 0\n[[sources]]\nname = "aisegment"\nroot = "data"\n'


def made_up(numbers: np.ndarray, seed: int) -> pa.Table:
    """Rows of `samples`: the same ids for the same numbers, other files for another seed."""
    draw = np.random.default_rng(seed)
    count = len(numbers)
    split = np.where(numbers % 100 < 5, "train", np.where(numbers % 100 == 5, "test", "pool"))
    hashes = [[hashlib.sha256(f"{seed} {part} {n}".encode()).hexdigest() for n in numbers] for part in "ia"]
    columns = {
        "sample_id": [f"aisegment/clip_img/{n // 2000:08d}/clip_00000000/{n:010d}" for n in numbers],
        "image_uri": [f"data/clip_img/{n // 2000:08d}/clip_00000000/{n:010d}.jpg" for n in numbers],
        "alpha_uri": [f"data/matting/{n // 2000:08d}/matting_00000000/{n:010d}.png" for n in numbers],
        **dict.fromkeys(("dataset", "licence", "run_id"), ["aisegment"] * count),
        "kind": ["portrait"] * count,
        "split": split.tolist(),
        "status": ["present"] * count,
        "width": [600] * count,
        "height": [800] * count,
        "image_size": draw.integers(20_000, 300_000, count),
        "image_mtime_ns": 1_700_000_000_000_000_000 + numbers,
        "image_sha256": hashes[0],
        "alpha_sha256": hashes[1],
        "phash": draw.integers(-(2**63), 2**63 - 1, count),
        "foreground_fraction": draw.random(count).astype(np.float32),
        "hole_count": (draw.random(count) < 0.03).astype(np.int32),
    }
    schema = SCHEMAS["samples"]
    return pa.table(
        [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
            for field in schema
        ],
        schema=schema,
    )


def grow(workspace: Path, rows: int) -> None:
    """Bring rows in as an ingest does: shard by shard."""
    for start in range(0, rows, SHARD):
        Catalog(workspace / "catalog").merge("samples", made_up(np.arange(start, min(start + SHARD, rows)), 0))


def work_of(name: str, workspace: Path, rows: int) -> Callable[[], object]:
    """A piece of work, ready to go: what it needs is made before the clock runs."""
    from segdata.pipeline.session import open_session
    from segdata.pipeline.status import status

    catalog, one_percent = Catalog(workspace / "catalog"), rows // 100
    batch = made_up(np.arange(rows // 2, rows // 2 + one_percent), int(time.time()))
    spread = made_up(np.arange(0, rows, 100), int(time.time()))
    new = made_up(np.arange(rows, rows + one_percent), 0)
    where = "split = 'test' AND hole_count > 0"
    files = [str(path) for path in (workspace / "catalog" / "tables" / "samples").glob("*.parquet")]
    todo: dict[str, Callable[[], object]] = {
        "status": lambda: status(open_session(workspace)),
        "a filtered query": lambda: catalog.query(f"SELECT sample_id, image_sha256 FROM samples WHERE {where}"),
        "the training split, all columns": lambda: catalog.read("samples", where="split = 'train'"),
        "plain: all rows by pandas, and then the split": lambda: (
            pa.parquet.read_table(files).to_pandas().query("split == 'train'")
        ),
        "upsert 1 %, one batch": lambda: catalog.merge("samples", batch),
        "upsert 1 %, spread over all": lambda: catalog.merge("samples", spread),
        "insert 1 %, new": lambda: catalog.merge("samples", new),
    }
    return todo[name]


WORKS = (
    "status",
    "a filtered query",
    "the training split, all columns",
    "plain: all rows by pandas, and then the split",
    "insert 1 %, new",
    "upsert 1 %, one batch",
    "upsert 1 %, spread over all",
)


def measured(name: str, workspace: Path, rows: int) -> dict[str, float]:
    """Seconds and megabytes of a piece of work, in this process."""
    import pyarrow.parquet  # noqa: F401  # loaded before the clock runs

    Catalog(workspace / "catalog").query("SELECT 1")  # DuckDB and deltalake are loaded too
    work = work_of(name, workspace, rows)
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(name: str, workspace: Path, rows: int) -> dict[str, float]:
    """The same, in a process of its own."""
    call = [sys.executable, __file__, "--one", name, "--workspace", str(workspace), "--rows", str(rows)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def curve(sizes: list[int]) -> dict[str, list[tuple[float, float]]]:
    """Work -> median seconds and most megabytes, for each size."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WORKS}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as place:
            workspace = Path(place)
            (workspace / "pipelines").mkdir()
            (workspace / "pipelines" / "portrait.toml").write_text(RECIPE)
            grow(workspace, rows)
            for name in WORKS:
                times = [in_a_process(name, workspace, rows) for _ in range(3)]
                seconds = statistics.median(one["seconds"] for one in times)
                found[name].append((seconds, max(one["mb"] for one in times)))
                print(f"{rows:9,} rows  {name:46} {found[name][-1][0]:7.2f} s {found[name][-1][1]:7.0f} MB", flush=True)
    return found


def main() -> None:
    """Print the curve as the table of reports/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[34_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--workspace", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one, given.workspace, given.rows[0])))
        return
    found = curve(given.rows)
    print("| work | " + " | ".join(f"{rows:,} rows" for rows in given.rows) + " |")
    print("|---|" + "---|" * len(given.rows))
    for name, points in found.items():
        print(f"| {name} | " + " | ".join(f"{seconds:.2f} s, {mb:.0f} MB" for seconds, mb in points) + " |")


if __name__ == "__main__":
    main()
