"""The built wheel: what is in it, and that it works in an environment of its own, far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without network."""
    folder = tmp_path_factory.mktemp("wheel")
    call = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    subprocess.run([*call, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """The paths in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and sees the other packages of the one that runs the tests."""

    folder: Path

    def run(self, program: str, *arguments: str | Path, cwd: Path) -> str:
        """What a program of it prints; nothing in the caller's environment points at the checkout."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        call = [str(self.folder / "bin" / program), *map(str, arguments)]
        done = subprocess.run(call, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an empty virtual environment."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    call = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        str(wheel),
    ]
    subprocess.run(call, check=True)
    # A path file adds the folder and not the path files in it: an editable install of the checkout stays out.
    outer = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "zz_outer.pth").write_text("".join(f"{path}\n" for path in sorted(outer)))
    return Installed(folder)


def test_the_only_top_level_name_is_segdata(names: list[str]) -> None:
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"segdata"}


def test_recipes_specs_and_the_type_marker_are_inside(names: list[str]) -> None:
    shipped = {
        str(path.relative_to(ROOT))
        for pattern in ("pipelines/*.toml", "models/*/model.toml")
        for path in ROOT.glob(pattern)
    }
    assert {"pipelines/portrait.toml", "models/bisenet_lite0/model.toml"} <= shipped
    assert {f"segdata/_shipped/{name}" for name in shipped} <= set(names)
    assert "segdata/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_nothing_else_of_the_checkout_is_inside(names: list[str]) -> None:
    suffixes = {Path(name).suffix for name in names if name.startswith("segdata/_shipped/")}
    assert suffixes <= {".toml", ".md"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".safetensors")] == []


def test_every_file_of_the_package_is_inside(names: list[str]) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "segdata").rglob("*.*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} <= set(names)


def test_the_installed_package_is_the_wheels_own(installed: Installed, tmp_path: Path) -> None:
    where = installed.run("python", "-c", "import segdata; print(segdata.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.folder)


def test_the_installed_command_makes_a_workspace_and_goes_on(
    installed: Installed, drawn_data: Path, tmp_path: Path
) -> None:
    roots = [f"--{name}={drawn_data / name}" for name in ("portrait2000", "aisegment", "coco")]
    installed.run("segdata", "init", "X", *roots, cwd=tmp_path)
    assert "segdata ingest" in installed.run("segdata", "status", cwd=tmp_path / "X")
    installed.run("segdata", "ingest", "--workspace", "X", cwd=tmp_path)
    assert "segdata train" in installed.run("segdata", "status", "--workspace", "X", cwd=tmp_path)
