"""What fuzzing found stays mended; the fuzzer itself finds a fault that is there; two minutes of it find none."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from tests.fuzz import run, targets
from tests.fuzz.__main__ import main
from tests.fuzz.reduce import reduce
from tests.fuzz.run import CORPUS, FuzzError, fuzz, fuzz_all
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, load_target, try_input

# Pillow warns of what is odd in a TIFF; ingest keeps that from stderr, and pytest would list it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed; it has wheels for Linux on x86-64 and Python 3.11 to 3.13 only",
)

FINDINGS = sorted(CORPUS.glob("*/*"))
_SECONDS = 120


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_that_once_broke_segdata_does_no_longer(finding: Path) -> None:
    assert finding.parent.name in TARGETS
    try_input(load_target(finding.parent.name), finding.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_each_seed_is_accepted_so_that_fuzzing_starts_behind_the_first_check(name: str) -> None:
    target = load_target(name)
    seeds = target.seeds()
    assert seeds
    assert [seed for seed, data in seeds.items() if not try_input(target, data)] == []
    assert [seed for seed, data in seeds.items() if len(data) > target.max_bytes] == []
    assert all(0 < len(token) <= 64 for token in target.tokens)  # longer ones are errors for libFuzzer


def test_an_input_that_takes_much_memory_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(lambda data: True, dict, (), 1)
    monkeypatch.setattr(targets, "_peak_megabytes", iter([100, 356, 100, 357]).__next__)
    assert try_input(target, b"x")
    with pytest.raises(AssertionError, match="an input of 1 bytes takes 257 MB"):
        try_input(target, b"x")


PLANTED = """
from tests.fuzz.target import Target

def check(data):
    if b"FAULT" in data:
        raise KeyError("planted")
    return True

TARGET = Target(check, lambda: {"seed": b"a whole input"}, (b"FAULT",), 64)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules this process and its children can import."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))))
    return tmp_path


@needs_atheris
def test_a_planted_fault_is_found_and_reduced(modules: Path) -> None:
    (modules / "planted.py").write_text(PLANTED)
    result = fuzz("planted", 60, modules / "kept")
    (finding,) = result.findings
    assert result.inputs > 0
    assert "KeyError: 'planted'" in result.log.read_text(errors="replace")
    assert reduce(load_target("planted"), finding.read_bytes()) == b"FAULT"
    with pytest.raises(ValueError, match="breaks nothing"):
        reduce(load_target("planted"), b"FAUL")


@needs_atheris
def test_a_fuzzer_that_can_not_start_is_no_finding(modules: Path) -> None:
    (modules / "startless.py").write_text(f"{PLANTED}\nimport sys\nassert 'atheris' not in sys.modules\n")
    with pytest.raises(FuzzError, match=r"startless: the fuzzer ended with exit code 1:\n(.|\n)*AssertionError"):
        fuzz("startless", 5, modules / "kept")


def test_the_command_replays_and_reduces_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no picture")
    assert main(["headers", "--replay", str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'x'}: refused, as it should be\n"
    with pytest.raises(ValueError, match="breaks nothing"):
        main(["headers", "--reduce", str(tmp_path / "x")])
    with pytest.raises(SystemExit):
        main(["header"])
    assert "no target is called header; there are headers, png" in capsys.readouterr().err


@needs_atheris
def test_the_memory_of_the_process_that_fuzzes_is_no_finding(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (modules / "harmless.py").write_text(PLANTED.replace('raise KeyError("planted")', "pass"))
    monkeypatch.setattr(run, "_MOST_MEGABYTES", 500)
    much = b"x" * (700 << 20)
    result = fuzz("harmless", 2, modules / "kept")
    assert len(much) == 700 << 20
    assert (result.findings, result.inputs > 0) == ((), True), result.log.read_text(errors="replace")[-2000:]


@pytest.mark.stress
@needs_atheris
def test_two_minutes_of_fuzzing_find_nothing(tmp_path: Path) -> None:
    jobs = min(os.cpu_count() or 1, len(TARGETS))
    results = list(fuzz_all(TARGETS, _SECONDS * jobs // len(TARGETS), tmp_path, jobs))
    logs = [result.log.read_text(errors="replace")[-4000:] for result in results if result.findings]
    assert [finding for result in results for finding in result.findings] == [], "\n".join(logs)
    assert all(result.inputs > 0 for result in results)
