"""How quickly portraits and scenes are drawn, on one core.

Run: python benchmarks/drawn.py [--size 800 600] [--count 60] [--rounds 5]
Prints the median over rounds, and the quickest round, which a busy machine disturbs least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2

from segdata.drawn.portrait import draw_portrait
from segdata.drawn.scenes import draw_scene


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(800, 600), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    size_hw = (options.size[0], options.size[1])
    work: dict[str, Callable[[int], object]] = {
        "portrait, plain": lambda seed: draw_portrait(seed, size_hw),
        "portrait, wide": lambda seed: draw_portrait(seed, size_hw, difficulty="wide"),
        "scene": lambda seed: draw_scene(seed, size_hw),
    }
    print(f"{size_hw[0]}x{size_hw[1]}, one core")
    for name, draw in work.items():
        draw(0)
        rates = []
        for _ in range(options.rounds):
            start = time.perf_counter()
            for seed in range(options.count):
                draw(seed)
            rates.append(options.count / (time.perf_counter() - start))
        print(f"  {name:18} {statistics.median(rates):6.1f} a second, at best {max(rates):6.1f}")


if __name__ == "__main__":
    main()
