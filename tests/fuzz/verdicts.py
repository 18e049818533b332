"""Files of verdicts, as JSON and as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from segdata.errors import DataError
from segdata.records import VERDICTS
from segdata.review.files import FORMAT, read_verdicts
from tests.fuzz.target import Target, check_message, check_text, scratch_folder

_NAMES = frozenset({"portrait2000/1", "'-mine"})


def read(data: bytes) -> bool:
    """Read the file twice, as JSON and as CSV."""
    from_json, from_csv = _read_as("json", data), _read_as("csv", data)
    return from_json or from_csv


def _read_as(suffix: str, data: bytes) -> bool:
    path = scratch_folder() / f"verdicts.{suffix}"
    path.write_bytes(data)
    try:
        file = read_verdicts(path, "kim", _NAMES)
    except DataError as error:
        check_message(str(error))
        return False
    for name, reason in file.refused:
        check_text(name)
        check_message(reason)
    for judgement in file.judgements:
        assert judgement.sample_id
        assert judgement.reviewer
        assert judgement.verdict is None or judgement.verdict in VERDICTS
        assert judgement.at.tzinfo is not None
        assert judgement.at < datetime.now(UTC) + timedelta(days=2)
        check_text(judgement.sample_id, judgement.image_sha256, judgement.alpha_sha256)
        check_text(judgement.reviewer, judgement.note)
    return bool(file.judgements)


_ROW = {
    "sample_id": "portrait2000/1",
    "image_sha256": "a" * 64,
    "alpha_sha256": "b" * 64,
    "verdict": "label_error",
    "reviewer": "ben",
    "note": "hat, and\nhair",
    "at": "2026-03-01T09:00:00Z",
}


def _seeds() -> Mapping[str, bytes]:
    head = ",".join(_ROW)
    return {
        "json": json.dumps({"format": FORMAT, "verdicts": [_ROW]}).encode(),
        "json_short": json.dumps(
            {"format": FORMAT, "verdicts": [{"sample_id": "a", "verdict": "fine", "at": "2026-03-01"}]}
        ).encode(),
        "csv": f'{head}\r\nportrait2000/1,,,hard,ben,"hat, ""and""\nhair",2026-03-01T09:00:00Z\r\n'.encode(),
        "csv_semicolons": b"sample_id;verdict;reviewer;at\nportrait2000/1;fine;;2026-03-01 09:00:00\n",
        "csv_formula": f"{head}\r\n'=cmd(),,,drop,,'+1,2026-03-01T09:00:00+02:00\r\n".encode(),
    }


TARGET = Target(
    check=read,
    seeds=_seeds,
    tokens=(
        FORMAT.encode(), b'"format"', b'"verdicts"', *(f'"{name}"'.encode() for name in _ROW),
        *(name.encode() for name in (*_ROW, *VERDICTS)), b"\\ud800", b"\\u0000", b"null", b"true", b"1e999", b"NaN",
        b"\xef\xbb\xbf", b"\r\n", b'""', b"[[[[[[[[", b'{"a":{"a":', b"2026-03-01T09:00:00Z", b"-23:59", b"W53",
    ),
    max_bytes=16_384,
)  # fmt: skip
