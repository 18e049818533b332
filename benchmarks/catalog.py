"""The catalog as it grows: status, a filtered query, upserts, leaks against it; seconds and memory, as table and curve.

Run: python benchmarks/catalog.py [--rows 34000 100000 300000 1000000] [--figure reports/catalog.png]
Rows are made up, and look like an archive's: ids in order, a pool, a training and a test split. They come in as an
ingest brings them, in shards; their thumbnails are those of benchmarks/duplicates.py. Each figure is of a process of
its own: the median of three, or of one where it takes long, start-up apart, and the most memory that any of them took.
What is called plain reads every file whole, as is often done.
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
from duplicates import invent

from segdata.catalog.near_duplicates import COLUMNS, find_duplicates
from segdata.catalog.schemas import SCHEMAS
from segdata.catalog.tables import Catalog
from segdata.catalog.workspace import Workspace
from segdata.drawn.portrait import draw_portrait

SHARD = 50_000
THUMBNAILS = 20_000  # distinct ones
TEST = 300
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
    """Bring rows and thumbnails in as an ingest does: shard by shard; the time that it takes to make them up counts."""
    drawn = [draw_portrait(seed, (200, 150)).image for seed in range(100)]
    thumbnails = invent(drawn, THUMBNAILS, np.random.default_rng(0)).reshape(THUMBNAILS, -1).astype(np.int16)
    for start in range(0, rows, SHARD):
        catalog, table = Catalog(workspace / "catalog"), made_up(np.arange(start, min(start + SHARD, rows)), 0)
        catalog.merge("samples", table)
        # other brightness: the same work, other bytes
        lighter = np.random.default_rng(start).integers(-9, 10, (table.num_rows, 1), np.int16)
        shown = np.clip(thumbnails[np.arange(start, start + table.num_rows) % THUMBNAILS] + lighter, 0, 255)
        columns = [table["image_sha256"], [one.tobytes() for one in shown.astype(np.uint8)], table["run_id"]]
        catalog.append("appearances", pa.table(columns, schema=SCHEMAS["appearances"]))


def work_of(name: str, workspace: Path, rows: int) -> Callable[[], object]:
    """A piece of work, ready to go: what it needs is made before the clock runs."""
    from segdata.pipeline.session import open_session
    from segdata.pipeline.status import status

    catalog, one_percent = Catalog(workspace / "catalog"), rows // 100
    batch = made_up(np.arange(rows // 2, rows // 2 + one_percent), int(time.time()))
    spread = made_up(np.arange(0, rows, 100), int(time.time()))
    there = catalog.query("SELECT count(*) AS n FROM samples")["n"][0].as_py()  # what was inserted before, is known now
    new = made_up(np.arange(there, there + one_percent), 0)
    where = "split = 'test' AND hole_count > 0"
    files = [str(path) for path in (workspace / "catalog" / "tables" / "samples").glob("*.parquet")]

    def leaks() -> object:
        """What `segdata catalog leaks` searches: all that is not test, for what shows a test image."""
        test = catalog.read("samples", COLUMNS, "split = 'test'").slice(0, TEST)
        return find_duplicates(Workspace(workspace, catalog), catalog.read("samples", COLUMNS, "split != 'test'"), test)

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
        LEAKS: leaks,
    }
    return todo[name]


GROW = "bring all in, with their thumbnails"
LEAKS = f"leaks of {TEST} test images against it"
WORKS = (
    GROW,
    LEAKS,
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
    work = (lambda: grow(workspace, rows)) if name == GROW else work_of(name, workspace, rows)
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(name: str, workspace: Path, rows: int) -> dict[str, float]:
    """The same, in a process of its own: what this one has held would count as its peak too."""
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
            for name in WORKS:
                times = [in_a_process(name, workspace, rows) for _ in range(1 if name in (GROW, LEAKS) else 3)]
                seconds = statistics.median(one["seconds"] for one in times)
                found[name].append((seconds, max(one["mb"] for one in times)))
                print(f"{rows:9,} rows  {name:46} {found[name][-1][0]:7.2f} s {found[name][-1][1]:7.0f} MB", flush=True)
    return found


def draw_curve(sizes: list[int], found: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """Seconds and megabytes over the number of rows, both axes by powers of ten."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 4), sharex=True, layout="constrained")
    for name, points in found.items():
        for panel, values in zip(panels, zip(*points, strict=True), strict=True):
            panel.loglog(sizes, values, "o--" if name.startswith("plain") else "o-", label=name)
    for panel, what in zip(panels, ("seconds", "peak memory, MB"), strict=True):
        panel.set(xlabel="rows", ylabel=what)
        panel.grid(visible=True, which="both", alpha=0.2)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the curve as the table of reports/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[34_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--figure", type=Path, help="a PNG file to draw the curve in")
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

    if given.figure:
        draw_curve(given.rows, found, given.figure)


if __name__ == "__main__":
    main()
