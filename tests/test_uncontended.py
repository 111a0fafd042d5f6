"""Whoever need not wait at a lock, a queue, an event or a stream is served without memory being taken."""

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import roundelay
from support import preloaded
from support.uncontended import USES, Use, nothing, use_on_a_loop

# After as many rounds, whatever is made once and kept is there.
ROUNDS_BEFORE = 50
ROUNDS = 200

each_use = pytest.mark.parametrize("use", USES)


def memory_in_use(aio: Any, use: Use) -> int:
    """How many bytes of Python's memory were ever in use at once, above those in use before."""
    found = 0

    def watched() -> Iterator[None]:
        nonlocal found
        yield from repeat(None, ROUNDS_BEFORE)
        rounds = repeat(None, ROUNDS)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield from rounds
        _, peak = tracemalloc.get_traced_memory()
        found = peak - before

    gc.disable()
    tracemalloc.start()
    try:
        use_on_a_loop(aio, use, watched())
    finally:
        tracemalloc.stop()
        gc.enable()
    return found


@each_use
def test_no_python_object_is_made(use: str) -> None:
    assert memory_in_use(roundelay, USES[use]) == memory_in_use(roundelay, nothing)


def test_the_memory_that_asyncio_takes_is_seen() -> None:
    for use in ("lock_by_calls", "semaphore_by_calls", "event_that_is_set", "queue"):
        # At the least its coroutine, with a frame.
        assert memory_in_use(asyncio, USES[use]) > memory_in_use(asyncio, nothing) + 100, use


# Native code need not ask the interpreter for memory, so malloc itself is counted as well.
COUNTING = """
import ctypes, sys
from itertools import repeat
import asyncio, roundelay
from support.uncontended import USES, nothing, use_on_a_loop

allocations = ctypes.c_ulong.in_dll(ctypes.CDLL(None), "allocations")

def watched(before, rounds, found):
    yield from repeat(None, before)
    rounds = repeat(None, rounds)
    count = allocations.value
    yield from rounds
    found.append(allocations.value - count)

for name, use in {"nothing": nothing, **USES}.items():
    for aio in (asyncio, roundelay):
        found = []
        use_on_a_loop(aio, use, watched(int(sys.argv[1]), int(sys.argv[2]), found))
        print(aio.__name__, name, *found)
"""


def test_malloc_is_not_called(tmp_path: Path) -> None:
    # Without its own allocator the interpreter asks malloc for each object that is in none of its free lists.
    program = subprocess.run(
        [sys.executable, "-c", COUNTING, str(ROUNDS_BEFORE), str(ROUNDS)],
        env=preloaded.environment(preloaded.build("counted_malloc", tmp_path)) | {"PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert program.returncode == 0, program.stderr
    counted = {}
    for line in program.stdout.splitlines():
        module, use, count = line.split()
        counted[module, use] = int(count)
    overhead = counted["roundelay", "nothing"]
    assert overhead == counted["asyncio", "nothing"] < 10
    for use in USES:
        assert counted["roundelay", use] == overhead, (use, counted)
        if use != "queue_without_waiting":
            assert counted["asyncio", use] >= overhead + ROUNDS, (use, counted)
