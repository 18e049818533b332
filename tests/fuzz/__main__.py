"""Fuzz segdata's readers of files from strangers: python -m tests.fuzz --help."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from tests.fuzz.reduce import reduce
from tests.fuzz.run import REPOSITORY, FuzzError, fuzz_all
from tests.fuzz.targets import TARGETS, load_target, try_input


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 1 where there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz segdata's readers of input files.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="how long to fuzz each target (default 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many targets at a time")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".fuzz", help="keeps inputs, findings and logs")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try this input once, without fuzzing")
    parser.add_argument("--reduce", type=Path, metavar="FILE", help="make this finding smaller, in place")
    options = parser.parse_args(arguments)
    names = options.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target is called {unknown[0]}; there are {', '.join(TARGETS)}")
    if options.replay or options.reduce:
        if len(options.targets) != 1:
            parser.error("name the one target of the file")
        return _replay(names[0], options.replay) if options.replay else _reduce(names[0], options.reduce)
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed; it has wheels for Linux on x86-64 and Python 3.11 to 3.13")
        return 0
    return _fuzz(names, options)


def _fuzz(names: list[str], options: argparse.Namespace) -> int:
    broken = False
    try:
        for result in fuzz_all(names, options.seconds, options.folder, options.jobs):
            print(f"{result.target}: {result.inputs:,} inputs, {len(result.findings)} findings", flush=True)
            for finding in result.findings:
                broken = True
                print(f"  {finding}\n  its traceback is in {result.log}; CONTRIBUTING.md says what to do with it")
    except FuzzError as error:
        print(error, file=sys.stderr)
        return 2
    return int(broken)


def _replay(name: str, file: Path) -> int:
    accepted = try_input(load_target(name), file.read_bytes())
    print(f"{file}: {'accepted' if accepted else 'refused'}, as it should be")
    return 0


def _reduce(name: str, file: Path) -> int:
    data = file.read_bytes()
    smaller = reduce(load_target(name), data)
    file.write_bytes(smaller)
    print(f"{file}: {len(data)} -> {len(smaller)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
