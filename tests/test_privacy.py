"""Libraries that report are silenced before they are imported, and every dependency is known to report or not to."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segdata.privacy import SWITCHES, keep_quiet
from tests.tracing import ROOT, documented_rows

REPORTING_MODULES = {"albumentations", "fiftyone", "hf_xet", "huggingface_hub", "onnxruntime", "openvino", "timm"}
"""What must not be imported before `keep_quiet`; timm imports huggingface_hub."""
WITHOUT_REPORTS = (Path(__file__).parent / "packages_without_reports.txt").read_text(encoding="utf-8").split()


# --- keep_quiet


@pytest.fixture
def no_switches(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without switches, and none of the packages imported; both come back after the test."""
    for name in SWITCHES:
        monkeypatch.setenv(name, "0")  # so that it is put back, whether it was set or not
        monkeypatch.delenv(name)
    for name in ("onnxruntime", "openvino_telemetry", "huggingface_hub.constants"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        monkeypatch.delitem(sys.modules, name)
    return monkeypatch


def test_every_switch_is_set_also_where_the_environment_says_otherwise(no_switches: pytest.MonkeyPatch) -> None:
    no_switches.setenv("ORT_DISABLE_TELEMETRY", "0")
    keep_quiet()
    assert {name: os.environ[name] for name in SWITCHES} == SWITCHES
    assert SWITCHES["ORT_DISABLE_TELEMETRY"] == "1"


def test_openvinos_sender_can_not_be_imported(no_switches: pytest.MonkeyPatch) -> None:
    keep_quiet()
    with pytest.raises(ImportError):
        __import__("openvino_telemetry")


def test_openvinos_sender_is_replaced_where_openvino_was_imported_first() -> None:
    code = """
import sys
import openvino
sender = sys.modules["openvino_telemetry"]
from segdata.privacy import keep_quiet
real = sender.Telemetry
keep_quiet()
from openvino.tools.ovc.telemetry_utils import init_ovc_telemetry
telemetry = init_ovc_telemetry()
assert not isinstance(telemetry, real)
telemetry.start_session("ovc"); telemetry.send_event("ovc", "version", "1"); telemetry.force_shutdown(1.0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_hugging_face_sends_nothing_where_its_client_was_imported_first(no_switches: pytest.MonkeyPatch) -> None:
    constants = types.ModuleType("huggingface_hub.constants")
    constants.HF_HUB_DISABLE_TELEMETRY = False  # type: ignore[attr-defined]
    no_switches.setitem(sys.modules, "huggingface_hub.constants", constants)
    keep_quiet()
    assert constants.HF_HUB_DISABLE_TELEMETRY is True  # type: ignore[attr-defined]


def test_onnxruntime_imported_too_early_gives_one_warning_that_says_what_to_do(no_switches: pytest.MonkeyPatch) -> None:
    no_switches.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    with pytest.warns(UserWarning, match="ORT_DISABLE_TELEMETRY=1 before onnxruntime is imported"):
        keep_quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep_quiet()  # from now on the switch is set


def test_opening_a_workspace_in_python_sets_the_switches_first(no_switches: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import segdata

    with pytest.raises(segdata.SegdataError):
        segdata.open(tmp_path / "none")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


# --- every import in segdata


def imports_in(tree: ast.AST, function: ast.AST | None = None) -> Iterator[tuple[ast.stmt, str, ast.AST | None]]:
    """Each import statement outside `if TYPE_CHECKING`, the top-level package, and the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name.partition(".")[0], function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node, node.module.partition(".")[0], function
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from imports_in(node, inner)


def imports_before_keep_quiet(source: str) -> list[str]:
    """The imports of a module that reports which no `keep_quiet()` of the same function precedes."""
    found = []
    for statement, package, function in imports_in(ast.parse(source)):
        if package not in REPORTING_MODULES:
            continue
        before = [
            node.lineno
            for node in ast.walk(function or ast.Module([], []))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "keep_quiet"
        ]
        if not any(line < statement.lineno for line in before):
            found.append(f"line {statement.lineno}: {ast.unparse(statement)}")
    return found


def test_no_module_imports_a_library_that_reports_before_it_is_silenced() -> None:
    paths = sorted([*(ROOT / "segdata").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
    unsilenced = {
        path.relative_to(ROOT).as_posix(): imports_before_keep_quiet(path.read_text(encoding="utf-8")) for path in paths
    }
    # FiftyOne reads its database from the environment, so review imports it only after `set_environment`, which
    # calls `keep_quiet`; tests/review holds it to that.
    unsilenced = {
        name: [line for line in lines if not (name.startswith("segdata/review/") and "fiftyone" in line)]
        for name, lines in unsilenced.items()
    }
    assert {name: lines for name, lines in unsilenced.items() if lines} == {}


def test_the_environment_of_fiftyone_has_every_switch(no_switches: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from segdata.review.environment import Place, set_environment

    before = dict(os.environ)
    try:
        set_environment(Place(tmp_path, tmp_path / "mongo", None, own=True), "mongodb://127.0.0.1:1", "kim")
        assert {name: os.environ[name] for name in SWITCHES} == SWITCHES
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ("import onnxruntime", True),
        ("def f():\n    import onnxruntime as ort", True),
        ("def f():\n    from openvino import Core\n    keep_quiet()", True),
        ("def f():\n    keep_quiet()\n\ndef g():\n    import timm", True),
        (
            "def f():\n    keep_quiet()\n    try:\n        import onnxruntime.capi\n    finally:\n        pass",
            False,
        ),
        ("if TYPE_CHECKING:\n    import onnxruntime", False),
        ("import numpy", False),
    ],
)
def test_an_import_is_refused_unless_its_own_function_calls_keep_quiet_first(source: str, refused: bool) -> None:
    assert bool(imports_before_keep_quiet(source)) is refused


# --- every dependency


def listed() -> set[str]:
    """The packages in the table of `docs/security.md`."""
    return {canonicalize_name(package) for package, *_ in documented_rows("package")}


def pinned() -> set[str]:
    """The packages of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line and not line.startswith("#")}


def declared() -> set[str]:
    """The packages that pyproject.toml names, those of the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_dependency_is_either_listed_as_reporting_or_reviewed_as_silent() -> None:
    unknown = (pinned() | declared()) - listed() - set(WITHOUT_REPORTS)
    assert unknown == set(), (
        f"{sorted(unknown)}: look in the package for telemetry, version checks and requests that it makes by itself. "
        "If it can report, add it to the table in docs/security.md, its switch to segdata/privacy.py, and a traced "
        "command to tests/test_traces.py; otherwise add it to tests/packages_without_reports.txt"
    )


def test_no_package_is_both_listed_as_reporting_and_reviewed_as_silent() -> None:
    assert listed() & set(WITHOUT_REPORTS) == set()
    assert sorted(set(WITHOUT_REPORTS)) == WITHOUT_REPORTS
    assert [name for name in WITHOUT_REPORTS if canonicalize_name(name) != name] == []


def test_reviewed_packages_are_still_dependencies() -> None:
    here = {canonicalize_name(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    assert (set(WITHOUT_REPORTS) | listed()) - pinned() - declared() - here == set()


def test_the_page_names_every_switch_and_no_other() -> None:
    words = [word.strip("`,;()") for _, _, switch in documented_rows("package") for word in switch.split()]
    named = {word for word in words if "=" in word and word != "="}
    assert named | {"RAY_USAGE_STATS_ENABLED=0"} == {f"{name}={value}" for name, value in SWITCHES.items()}
