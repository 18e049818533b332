"""Run libFuzzer over targets, each in a child process, and collect the findings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import load_target

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"
"""Inputs that once broke segdata, by target; an ordinary test replays them."""

_SLOW_S = 30  # an input that takes longer is a finding
_HANG_S = 60  # and one that takes longer still ends the run
_MOST_MEGABYTES = 2048  # of the whole process


class FuzzError(Exception):
    """The fuzzer itself failed: nothing can be said about segdata."""


@dataclass(frozen=True)
class FuzzResult:
    """What a run over one target brought.

    Attributes:
        target: its name.
        inputs: how many inputs were tried.
        findings: files with the inputs that broke segdata's contract.
        log: libFuzzer's output, with the traceback of a finding.
    """

    target: str
    inputs: int
    findings: tuple[Path, ...]
    log: Path


def fuzz_all(names: Sequence[str], seconds: int, folder: Path, jobs: int) -> Iterator[FuzzResult]:
    """`fuzz` for each target, several at a time; results come in the order of the names."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda name: fuzz(name, seconds, folder), names)


def fuzz(name: str, seconds: int, folder: Path) -> FuzzResult:
    """Fuzz one target.

    Args:
        name: of the target.
        seconds: how long.
        folder: keeps per target the inputs that reach new code, the findings and the log. Later runs go on from there.

    Raises:
        FuzzError: The child process fails without a finding.
    """
    target = load_target(name)
    corpus, findings = (folder / name / part for part in ("corpus", "findings"))
    for place in (corpus, findings):
        place.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    log = folder / name / "log"
    with tempfile.TemporaryDirectory(prefix="segdata-fuzz-") as scratch:
        seeds, words = Path(scratch, "seeds"), Path(scratch, "words")
        seeds.mkdir()
        for seed, data in target.seeds().items():
            (seeds / seed).write_bytes(data)
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens), encoding="ascii")
        options = [
            f"-max_total_time={seconds}",
            f"-report_slow_units={_SLOW_S}",
            f"-timeout={_HANG_S}",
            f"-rss_limit_mb={_MOST_MEGABYTES}",
            f"-max_len={target.max_bytes}",
            "-len_control=0",
            f"-dict={words}",
            f"-artifact_prefix={findings}/",
            "-print_final_stats=1",
        ]
        known = [CORPUS / name] if (CORPUS / name).is_dir() else []
        call = [sys.executable, "-m", "tests.fuzz.child", name, *options, *map(str, (corpus, seeds, *known))]
        # A process begins with the peak memory of the one that forked it, and libFuzzer takes that for its own.
        # So a shell is in between, which is small; "exit" keeps it from becoming the command itself.
        call = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *call]
        environment = {**os.environ, "PYTHONPATH": _import_path(), "OMP_NUM_THREADS": "1", "TMPDIR": scratch}
        with log.open("wb") as output:
            code = subprocess.run(
                call, cwd=REPOSITORY, env=environment, stdout=output, stderr=output, check=False
            ).returncode
    new = tuple(sorted(set(findings.iterdir()) - before))
    text = log.read_text(encoding="utf-8", errors="replace")
    if code != 0 and not new:
        raise FuzzError(f"{name}: the fuzzer ended with exit code {code}:\n{text[-3000:]}")
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    return FuzzResult(name, int(tried[1]) if tried else 0, new, log)


def _import_path() -> str:
    """The repository first, then what this process was told."""
    return os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))


def _escaped(token: bytes) -> str:
    r"""A token as libFuzzer's dictionaries spell it.

    >>> _escaped(b'a"\xff')
    '\\x61\\x22\\xff'
    """
    return "".join(f"\\x{byte:02x}" for byte in token)
