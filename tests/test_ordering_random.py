"""Random programs run in exactly the same order on asyncio and on roundelay.

ROUNDELAY_ORDERING_SEEDS says how many (default 400), ROUNDELAY_ORDERING_SEED where the seeds begin.
"""

import asyncio
import difflib
import gc
import logging
import os
import random
import warnings
from collections.abc import Iterator

import pytest
import roundelay
from support.random_programs import Program

SEEDS = int(os.environ.get("ROUNDELAY_ORDERING_SEEDS", "400"))
SEEN = ("gathered", "callback of", "timer", "generator ends", "CancelledError(by", "Oops", "TimeoutError",
        "bad yield", "cannot await on itself", "uncancels", "Exception in callback")  # fmt: skip
FIRST = os.environ.get("ROUNDELAY_ORDERING_SEED")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Programs forget coroutines and lose exceptions; the trace tells.

    The collector runs between programs only, because what it finds when is no promise of anybody's.
    """
    logging.disable()
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    gc.enable()
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(60 + SEEDS // 2)
def test_random_programs_run_in_the_same_order() -> None:
    first = int(FIRST) if FIRST else random.SystemRandom().randrange(2**32)
    print("first seed", first)
    for seed in range(first, first + SEEDS):
        stock = Program(asyncio, seed).run()
        gc.collect()
        ours = Program(roundelay, seed).run()
        gc.collect()
        difference = list(difflib.unified_diff(stock, ours, "asyncio", "roundelay", lineterm=""))
        assert not difference, f"seed {seed}\n" + "\n".join(difference)


def test_the_programs_are_worth_comparing() -> None:
    """Together they do everything there is to do, and most of it both succeeds and fails."""
    text = "\n".join("\n".join(Program(roundelay, seed).run()) for seed in range(40))
    for word in SEEN:
        assert word in text, word
