"""One target under libFuzzer, in a process of its own: libFuzzer ends the process that calls it.

Called by `run.fuzz` as: python -m tests.fuzz.child TARGET [libFuzzer's options and folders]
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from segdata.privacy import keep_quiet

_REPEATING = 0.05  # of the mutations
_SEGDATA = Path(__file__).resolve().parents[2] / "segdata"


def main(name: str, options: list[str]) -> None:
    """Fuzz until libFuzzer ends the process."""
    keep_quiet()
    import atheris

    # Nothing in segdata is reached by most broken TOML, so that its parser has to guide the fuzzer.
    with atheris.instrument_imports(include=["segdata", "tomllib"], exclude=_loop_modules()):
        from tests.fuzz.targets import load_target, try_input

        target = load_target(name)

    def test_one_input(data: bytes) -> None:
        try_input(target, data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < _REPEATING:
            return _with_repeated_piece(data, max_size, chance)
        mutated: bytes = atheris.Mutate(data, max_size)
        return mutated

    atheris.Setup([sys.argv[0], *options], test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


def _with_repeated_piece(data: bytes, max_size: int, chance: random.Random) -> bytes:
    """The input with a short piece of it repeated many times: deep nesting, long numbers, long lists."""
    if not data:
        return data
    place = chance.randrange(len(data))
    piece = data[place : place + chance.randint(1, 8)]
    times = chance.randint(1, max(1, (max_size - len(data)) // len(piece)))
    return (data[:place] + piece * times + data[place:])[:max_size]


def _loop_modules() -> list[str]:
    """The modules that numba compiles, which it can't do once they are instrumented."""
    paths = sorted(_SEGDATA.rglob("*_loops.py"))
    return [".".join(("segdata", *path.relative_to(_SEGDATA).with_suffix("").parts)) for path in paths]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
