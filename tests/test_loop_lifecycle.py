"""Loops made and closed by the thousand, callbacks by the million: nothing is left open and nothing grows."""

import asyncio
import gc
import os
import resource
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import roundelay


def descriptors() -> int:
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")
    return len(list(folder.iterdir()))


def resident_kib() -> int:
    """Memory of this process that the system holds for it."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() // 1024
    # Elsewhere only the highest value so far is known, which is as good for a test of growth.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def growth_kib(work: Callable[[], Any], *, warm_up: int, times: int) -> int:
    """How much memory some work leaves behind, once it has filled what is kept for reuse."""
    for _ in range(warm_up):
        work()
    gc.collect()
    before = resident_kib()
    for _ in range(times):
        work()
    gc.collect()
    return resident_kib() - before


def test_ten_thousand_loops_are_made_and_closed() -> None:
    loops: list[weakref.ref[Any]] = []
    before = descriptors()

    def a_hundred() -> None:
        for number in range(100):
            loop = roundelay.new_event_loop()
            if number % 10 == 0:
                loop.run_until_complete(roundelay.sleep(0))
                loops.append(weakref.ref(loop))
            loop.close()

    growth = growth_kib(a_hundred, warm_up=20, times=80)
    assert descriptors() == before
    assert not [loop for loop in loops if loop() is not None]
    # 8,000 loops: one that stayed would be 20 KiB with its descriptors' buffers and tables.
    assert growth < 4096, f"{growth} KiB more after 8,000 loops"


def test_runs_one_after_the_other_leave_nothing() -> None:
    async def main() -> list[str]:
        return await roundelay.gather(*(roundelay.sleep(0, "slept") for _ in range(20)))

    before = descriptors()
    growth = growth_kib(lambda: roundelay.run(main()), warm_up=50, times=300)
    assert descriptors() == before
    assert growth < 2048, f"{growth} KiB more after 300 runs"


def test_a_closed_loop_has_no_descriptors_even_while_it_is_referred_to() -> None:
    before = descriptors()
    loop = roundelay.new_event_loop()
    assert descriptors() > before
    loop.run_until_complete(roundelay.sleep(0))
    loop.close()
    assert descriptors() == before


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, roundelay.EventLoop])
def test_a_closed_loop_goes_with_its_last_reference(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    # Without the collector: nothing that the loop has refers to it.
    loop = make()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.run_in_executor(None, int))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gone = weakref.ref(loop)
    gc.collect()
    gc.disable()
    try:
        del loop
        assert gone() is None
    finally:
        gc.enable()


def test_a_loop_that_is_dropped_gives_back_its_descriptors() -> None:
    before = descriptors()

    def forget_a_loop() -> None:
        loop = roundelay.new_event_loop()
        loop.call_soon(print, loop)
        loop.call_later(1000, print, loop)
        future = loop.create_future()
        future.add_done_callback(lambda done, loop=loop: None)

    forget_a_loop()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    assert descriptors() == before


@pytest.mark.parametrize(
    "what", ["queued", "sleeping", "waiting", "reading", "in an executor", "in a gather"]
)
def test_a_closed_loop_lets_go_of_its_tasks(what: str) -> None:
    """Whatever a task is doing when its loop is closed, both are collected, with everything they refer to."""

    class Payload:
        pass

    async def work(payload: Any) -> None:
        me = asyncio.current_task()
        loop = asyncio.get_running_loop()
        try:
            if what == "sleeping":
                await roundelay.sleep(1000)
            elif what == "waiting":
                await loop.create_future()
            elif what == "reading":
                loop.add_reader(reader, print, payload, me)
                await loop.create_future()
            elif what == "in an executor":
                await loop.run_in_executor(None, lambda: payload)
            elif what == "in a gather":
                await roundelay.gather(roundelay.sleep(1000), loop.create_future())
            while True:
                await roundelay.sleep(0)
        finally:
            assert me is not None

    reader, writer = os.pipe()
    loop = roundelay.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    payload = Payload()
    references = [weakref.ref(payload), weakref.ref(loop), weakref.ref(loop.create_task(work(payload)))]
    for _ in range(3):
        loop.call_soon(loop.stop)
        loop.run_forever()
    if what == "in an executor":
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    os.close(reader)
    os.close(writer)
    del payload, loop
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


@pytest.mark.timeout(180)
def test_ten_million_callbacks_do_not_grow() -> None:
    loop = roundelay.new_event_loop()

    def nothing() -> None:
        pass

    def twenty_thousand() -> None:
        for _ in range(20_000):
            loop.call_soon(nothing)
        loop.call_soon(loop.stop)
        loop.run_forever()

    growth = growth_kib(twenty_thousand, warm_up=10, times=500)
    loop.close()
    # A single byte left by each would be nearly ten mebibytes.
    assert growth < 4096, f"{growth} KiB more after ten million callbacks"


@pytest.mark.parametrize(
    "kind", ["tasks", "sleeps", "cancelled timers", "futures", "gathers", "failing tasks"]
)
def test_nothing_grows_with_work_that_is_done(kind: str) -> None:
    async def trivial() -> None:
        pass

    async def fails() -> None:
        raise ValueError("expected")

    async def work() -> None:
        loop = asyncio.get_running_loop()
        if kind == "tasks":
            for _ in range(2000):
                await roundelay.create_task(trivial())
        elif kind == "sleeps":
            await roundelay.gather(*(roundelay.sleep(0.0001) for _ in range(2000)))
        elif kind == "cancelled timers":
            for _ in range(2000):
                loop.call_later(1000, trivial).cancel()
            await roundelay.sleep(0)
        elif kind == "futures":
            for _ in range(2000):
                future = loop.create_future()
                loop.call_soon(future.set_result, None)
                await future
        elif kind == "gathers":
            for _ in range(100):
                await roundelay.gather(*(trivial() for _ in range(20)))
        else:
            for _ in range(500):
                await roundelay.gather(fails(), fails(), return_exceptions=True)
                try:
                    await roundelay.gather(fails())
                except ValueError:
                    pass

    loop = roundelay.new_event_loop()
    growth = growth_kib(lambda: loop.run_until_complete(work()), warm_up=5, times=25)
    loop.close()
    # At least 25,000 of whatever it is: sixteen bytes left by each would be 400 KiB.
    assert growth < 400, f"{growth} KiB more"


def test_memory_of_a_great_crowd_is_given_back_or_used_again() -> None:
    async def crowd() -> None:
        await roundelay.gather(*(roundelay.sleep(0.001) for _ in range(50_000)))

    loop = roundelay.new_event_loop()
    growth = growth_kib(lambda: loop.run_until_complete(crowd()), warm_up=2, times=4)
    loop.close()
    # One crowd takes some 25 MiB while it sleeps.
    assert growth < 8192, f"{growth} KiB more after four crowds"
