"""Random programs over all of asyncio's coordination take the same course on asyncio and on roundelay.

ROUNDELAY_FUZZ_PROGRAMS says how many (default 300). They come in parts, each of a seed of its own, from
ROUNDELAY_FUZZ_SEED on (by default another one on each Python, so that four Pythons try four times as many).
What differs is made small and shown as Python, with the difference, and as data that `python -m fuzz` runs
again.
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
SEED = int(os.environ.get("ROUNDELAY_FUZZ_SEED", sys.version_info.minor * 1000))

# So many in one test, which takes seconds: no test may take longer than a minute.
PART = 250


@pytest.mark.parametrize(
    ("seed", "programs"),
    [(SEED + place, min(PART, PROGRAMS - start)) for place, start in enumerate(range(0, PROGRAMS, PART))],
)
def test_random_programs_take_the_same_course(seed: int, programs: int) -> None:
    print(f"ROUNDELAY_FUZZ_SEED={seed} ROUNDELAY_FUZZ_PROGRAMS={programs}")
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
        compared = for_each_program(programs, seed, compare)
        for number, program, way in found:
            small = reduced(program, lambda smaller, way=way: bool(difference(smaller, way)))
            about = f"program {number} of seed {seed}"
            pytest.fail(told(small, way, difference(small, way), about), pytrace=False)
    assert compared == programs
