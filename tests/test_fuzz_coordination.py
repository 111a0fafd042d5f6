"""Random programs over all of asyncio's coordination take the same course on asyncio and on roundelay.

ROUNDELAY_FUZZ_PROGRAMS says how many (default 300), ROUNDELAY_FUZZ_SEED which ones (by default others on each
Python, so that four Pythons try four times as many). What differs is made small and shown as Python, with the
difference, and as data that `python -m fuzz` runs again.
"""

import os
import sys
from itertools import count

import pytest
from fuzz.compare import difference, told
from fuzz.generate import for_each_program
from fuzz.program import Program
from fuzz.reduce import reduced
from fuzz.ways import OTHERS, OURS, STOCK, Way, differing, quiet

PROGRAMS = int(os.environ.get("ROUNDELAY_FUZZ_PROGRAMS", "300"))
SEED = int(os.environ.get("ROUNDELAY_FUZZ_SEED", sys.version_info.minor))


@pytest.mark.timeout(60 + PROGRAMS // 4)
def test_random_programs_take_the_same_course() -> None:
    print(f"ROUNDELAY_FUZZ_SEED={SEED} ROUNDELAY_FUZZ_PROGRAMS={PROGRAMS}")
    numbers = count(1)
    found: list[tuple[int, Program, Way]] = []

    def compare(program: Program) -> bool:
        # On roundelay under its own name each time, and on one mixture of native and stock in turn.
        number = next(numbers)
        way = differing(program, STOCK, (OURS, OTHERS[number % len(OTHERS)]))
        if way is not None:
            found.append((number, program, way))
        return way is not None

    with quiet():
        compared = for_each_program(PROGRAMS, SEED, compare)
        for number, program, way in found:
            small = reduced(program, lambda smaller, way=way: bool(difference(smaller, way)))
            about = f"program {number} of seed {SEED}"
            pytest.fail(told(small, way, difference(small, way), about), pytrace=False)
    assert compared == PROGRAMS
