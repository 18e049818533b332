"""The tables' columns: what each one holds, and its key.

`MERGED` tables hold one row per key, inserted or updated; the others are appended to, a commit a shard.
Delta knows no unsigned integers: a 64-bit pHash is stored as the int64 of the same bits.
"""

from __future__ import annotations

import pyarrow as pa

_text, _i32, _i64, _f32 = pa.string(), pa.int32(), pa.int64(), pa.float32()

_STAMPS = [("image_size", _i64), ("image_mtime_ns", _i64), ("alpha_size", _i64), ("alpha_mtime_ns", _i64)]  # bytes, ns
_HASHES = [("image_sha256", _text), ("alpha_sha256", _text)]

SAMPLES = pa.schema(
    [
        ("sample_id", _text),
        ("dataset", _text),
        ("kind", _text),  # portrait, background, composite
        ("split", _text),  # train, val, test, pool, none
        ("status", _text),  # present, gone, forgotten
        ("group_id", _text),
        ("path", _text),  # of the image under its source's root, posix
        ("image_uri", _text),
        ("alpha_uri", _text),
        ("alpha_channel", _i32),
        ("alpha_index", _i32),  # the class that is person, where the file is a label map
        ("alpha_fit", _text),  # resize: the file is smaller or larger than the image
        ("alpha_reading", _text),  # what the values of the file mean, as JSON; null for a plain mask
        ("alpha_orientation", _i32),  # of a rotated photo whose mask has no EXIF: 1 fits as it is, 2 to 8 is turned
        ("alpha_kind", _text),  # soft, hard, none
        ("width", _i32),
        ("height", _i32),
        *_STAMPS,
        *_HASHES,  # SHA-256, hex: of the photo's bytes; of the label: of its file's bytes, and how they are read
        ("alpha_file_sha256", _text),  # of the alpha file's bytes, where alpha_sha256 is not
        ("phash", _i64),
        ("foreground_fraction", _f32),
        ("soft_fraction", _f32),
        ("hole_count", _i32),
        ("hole_fraction", _f32),
        ("component_count", _i32),
        ("frame_fraction", _f32),  # of the top edge and the upper halves of both sides, how much is person
        ("is_trimap", pa.bool_()),  # three levels: black, white, and one between
        (
            "parents",
            pa.list_(
                pa.struct([("role", _text), ("sample_id", _text), ("image_sha256", _text), ("alpha_sha256", _text)])
            ),
        ),
        ("fusion", _text),  # the composite's plan, as JSON
        ("licence", _text),
        ("run_id", _text),
    ]
)

APPEARANCES = pa.schema(
    [
        ("image_sha256", _text),  # of the files' bytes, hex
        ("thumbnail", pa.binary()),  # 32 x 32 greys, C order
        ("run_id", _text),
    ]
)

EMBEDDINGS = pa.schema(
    [
        ("image_sha256", _text),  # of the files' bytes, hex
        ("over_sha256", _text),  # of the background that the portrait is laid over; null for a picture as it is
        ("network", _text),  # and the way pictures are shown to it
        ("features", pa.binary()),  # 8 bit each
        ("run_id", _text),
    ]
)

REJECTS = pa.schema(
    [
        ("dataset", _text),
        ("path", _text),  # of the image where there is one, under its source's root, posix
        ("reason", _text),
        ("detail", _text),
        *_STAMPS,  # so that a file that was no sample is not decoded again until it changes,
        ("read_as", _text),  # or until the recipe says to read it another way
        ("run_id", _text),
    ]
)

FILTERED = pa.schema([field for field in REJECTS if field.name != "detail"])
"""What turned out to be merely unwanted when it was decoded, and some hundred of the photos that are annotated with
people, from which the veto learns; all else that is unwanted by its name alone is counted, and kept nowhere."""

SOURCES = pa.schema(
    [
        ("dataset", _text),
        ("fact", _text),  # what was decided once for the whole source: naming, split, ...
        ("value", _text),  # JSON
        ("recipe", _text),  # the part of the recipe that it depends on, JSON
        ("run_id", _text),
    ]
)

SCORES = pa.schema(
    [
        ("scorer_id", _text),
        ("model_id", _text),
        ("runtime", _text),  # torch, openvino
        ("precision", _text),  # fp32, bf16
        ("sample_id", _text),
        *_HASHES,
        ("miou", _f32),
        ("iou_foreground", _f32),
        ("iou_background", _f32),
        ("boundary_iou", _f32),
        ("hole_recall", _f32),
        ("hole_recall_worst", _f32),
        ("false_hole_fraction", _f32),
        ("sad", _f32),
        ("mse", _f32),
        ("gradient", _f32),
        ("connectivity", _f32),
        ("true_positive", _i64),  # pixels: what miou_dataset pools
        ("false_positive", _i64),
        ("false_negative", _i64),
        ("true_negative", _i64),
        ("confidence", _f32),
        ("person_probability", _f32),
        ("failure_mode", _text),
        ("status", _text),  # scored, failed
        ("reason", _text),
        ("run_id", _text),
    ]
)

PREDICTIONS = pa.schema(
    [
        ("scorer_id", _text),
        ("sample_id", _text),
        *_HASHES,
        ("probability", pa.binary()),  # 8 bit at network size, C order, zstd
        ("network_height", _i32),
        ("network_width", _i32),
        ("mask", pa.binary()),  # np.packbits of each row, C order, zstd
        ("height", _i32),
        ("width", _i32),
        ("features", pa.binary()),  # the image as a whole: 64 float16, little endian
        ("run_id", _text),
    ]
)

SELECTIONS = pa.schema(
    [
        ("selection", _text),
        ("sample_id", _text),
        *_HASHES,
        ("predicate", _text),
        ("rank", _i32),  # 0 is the worst
        ("triage", _text),  # hard, suspect_label
        ("label_suspicion", _f32),  # [0, 1]
        ("why", _text),
        ("weight", _f32),
        ("scorer_id", _text),
        ("run_id", _text),
    ]
)

VERDICTS = pa.schema(
    [
        ("sample_id", _text),
        *_HASHES,
        ("verdict", _text),  # hard, label_error, drop, fine; null where somebody only left a note or tags
        ("reviewer", _text),
        ("note", _text),
        ("tags", pa.list_(_text)),  # those of the sample at that moment; null where nobody could tag
        ("at", pa.timestamp("us", tz="UTC")),
        ("run_id", _text),
    ]
)

MODELS = pa.schema(
    [
        ("model_id", _text),
        ("name", _text),
        ("spec", _text),
        ("uri", _text),  # the version's folder, relative to the workspace
        ("training_key", _text),  # hash of everything that decides the weights: the same call finds it again
        ("parent_model_id", _text),
        ("selection", _text),  # what was mined for it
        ("test_pin", _text),  # hash of the frozen test split's ids and bytes
        ("metrics", _text),  # JSON: {"test": {...}, "val": {...}, "curves": ...}
        ("promoted", pa.bool_()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("run_id", _text),
    ]
)

RUNS = pa.schema(
    [
        ("run_id", _text),
        ("command", _text),
        ("status", _text),  # running, done, interrupted, failed
        ("recipe", _text),  # resolved, JSON
        ("recipe_sha256", _text),
        ("seed", _i64),
        ("git_commit", _text),
        ("versions", _text),  # packages, JSON
        ("table_versions", _text),  # JSON: {table: version} at the start
        ("result", _text),  # JSON: what --json printed
        ("error", _text),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),
        ("host", _text),  # where its process runs, or ran
        ("pid", _i64),
    ]
)

FORGOTTEN = pa.schema(
    [
        ("sample_hmac", _text),  # stands in for the sample id everywhere: HMAC-SHA256 by the key of the workspace
        ("image_hmac", _text),  # of the photo's SHA-256, likewise; empty where it is not known
        ("alpha_hmac", _text),  # of the label's
        ("name_hmacs", pa.list_(_text)),  # of the names that its label, its annotations or a list may have, likewise
        ("key_id", _text),  # says which key made these
        ("at", pa.timestamp("us", tz="UTC")),
        ("run_id", _text),
    ]
)

SCHEMAS: dict[str, pa.Schema] = {
    "samples": SAMPLES,
    "appearances": APPEARANCES,
    "rejects": REJECTS,
    "filtered": FILTERED,
    "sources": SOURCES,
    "scores": SCORES,
    "predictions": PREDICTIONS,
    "embeddings": EMBEDDINGS,
    "selections": SELECTIONS,
    "verdicts": VERDICTS,
    "models": MODELS,
    "forgotten": FORGOTTEN,
    "runs": RUNS,
}

KEYS: dict[str, tuple[str, ...]] = {
    "samples": ("sample_id",),
    "appearances": ("image_sha256",),
    "rejects": ("dataset", "path"),
    "filtered": ("dataset", "path"),
    "sources": ("dataset", "fact"),
    "scores": ("scorer_id", "sample_id", "image_sha256", "alpha_sha256"),
    "predictions": ("scorer_id", "sample_id", "image_sha256", "alpha_sha256"),
    "embeddings": ("image_sha256", "over_sha256", "network"),
    "selections": ("selection", "sample_id"),
    "verdicts": ("sample_id", "image_sha256", "alpha_sha256", "reviewer", "at"),
    "models": ("model_id",),
    "forgotten": ("sample_hmac", "image_hmac"),
    "runs": ("run_id",),
}

MERGED = frozenset({"samples", "rejects", "filtered", "sources", "selections", "models", "forgotten", "runs"})
"""Tables that insert or update a row by its key; the others are append-only."""


def rows_to_table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    """Rows as a table of that name's schema; a column that a row lacks is null.

    Raises:
        ValueError: A row has a column that the schema does not know: a bug of the caller.

    >>> rows_to_table("rejects", [{"dataset": "coco", "path": "a.jpg", "reason": "empty_file"}]).num_rows
    1
    """
    schema = SCHEMAS[name]
    known = set(schema.names)
    for row in rows:
        if unknown := set(row) - known:
            raise ValueError(f"table {name} has no column {sorted(unknown)}")
    return pa.Table.from_pylist(rows, schema=schema)
