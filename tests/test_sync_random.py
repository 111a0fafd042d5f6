"""Random programs over locks and their like do exactly the same on asyncio's and on ours.

ROUNDELAY_SYNC_SEEDS says how many (default 150), ROUNDELAY_SYNC_SEED where the seeds begin.
"""

import asyncio
import difflib
import gc
import os
import random
import weakref
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.random_sync import SyncProgram

SEEDS = int(os.environ.get("ROUNDELAY_SYNC_SEEDS", "150"))
FIRST = os.environ.get("ROUNDELAY_SYNC_SEED")

WORTH = ("use_lock", "use_barrier 1", "use_condition True", "BrokenBarrierError", "Boom(", "cancelled by",
         " after ", "too late", "in time", "waiters:3", "released too many times", "broken]", "draining",
         "un-acquired lock", "Lock is not acquired")  # fmt: skip

# Whose loop and tasks, and whose locks.
WAYS: dict[str, tuple[ModuleType, ModuleType]] = {
    "native": (roundelay, roundelay),
    "native on stock": (asyncio, roundelay),
    "stock on native": (roundelay, asyncio),
}


def trace(loop_of: Any, primitives_of: Any, seed: int) -> list[str]:
    result: list[str] = loop_of.run(SyncProgram(primitives_of, seed).run())
    return result


@pytest.mark.timeout(60 + SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_random_programs_do_the_same(way: str) -> None:
    first = int(FIRST) if FIRST else random.SystemRandom().randrange(2**32)
    print("first seed", first)
    for seed in range(first, first + SEEDS):
        stock = trace(asyncio, asyncio, seed)
        ours = trace(*WAYS[way], seed)
        difference = list(difflib.unified_diff(stock, ours, "asyncio", way, lineterm=""))
        assert not difference, f"seed {seed}\n" + "\n".join(difference[:80])


def test_the_programs_are_worth_comparing() -> None:
    """Together they meet whatever can happen at these objects."""
    text = "\n".join("\n".join(trace(roundelay, roundelay, seed)) for seed in range(60))
    for word in WORTH:
        assert word in text, word


def test_nothing_stays_of_random_programs() -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    for seed in range(30):
        program = SyncProgram(roundelay, seed)
        roundelay.run(program.run())
        alive.update(program.things())
    del program
    gc.collect()
    assert len(alive) == 0
