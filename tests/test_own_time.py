"""A loop whose `time()` is the program's own: on the loop itself, as tests patch it, or in a subclass."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import roundelay
from support.both import Witness, same_on_both


class Clock:
    """Shows what it is told to show."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def own_time(loop: Any, way: str) -> Iterator[Clock]:
    clock = Clock(loop.time())
    if way == "on the loop":
        with mock.patch.object(loop, "time", clock):
            yield clock
    else:

        class Own(type(loop)):  # type: ignore[misc]
            def time(self) -> float:
                return clock()

        clock.loop = Own()  # type: ignore[attr-defined]
        yield clock


def loop_of(see: Witness, clock: Clock, loop: Any) -> Any:
    made = getattr(clock, "loop", loop)
    if made is not loop:
        see._loops.append(made)
    return made


@pytest.mark.parametrize("way", ["on the loop", "in a subclass"])
@same_on_both
def test_timers_are_due_when_it_says_so(aio: ModuleType, see: Witness, way: str) -> None:
    async def main(clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, see, "an hour later")
        loop.call_at(clock.now + 7200, see, "two hours later")
        sleeper = loop.create_task(aio.sleep(5000, "slept"))
        try:
            async with aio.timeout(100):
                for _ in range(5):
                    await aio.sleep(0)
                see("nothing is due yet")
                clock.now += 100
                await aio.sleep(50)
        except TimeoutError:
            see("timed out")
        for hours in range(3):
            see("hours", hours)
            clock.now += 3600
            for _ in range(3):
                await aio.sleep(0)
        see(await sleeper)

    plain = see.new_loop()
    with own_time(plain, way) as clock:
        loop_of(see, clock, plain).run_until_complete(main(clock))
    see("after it", plain.time() >= 0)
    plain.run_until_complete(aio.sleep(0.001))


@same_on_both
def test_it_is_asked_anew_for_each_wait(aio: ModuleType, see: Witness) -> None:
    """A loop with nothing to do waits for as long as the time says that is left, and asks again."""

    async def main() -> None:
        see(await aio.sleep(10, "ten seconds, each of them a millisecond"))

    def time() -> float:
        nonlocal asked
        asked += 1
        return 1000.0 + asked * 9.9995

    asked = 0
    loop = see.new_loop()
    loop.time = time  # type: ignore[method-assign]
    loop.run_until_complete(main())
    see(2 <= asked < 50)
    del loop.time
    loop.run_until_complete(aio.sleep(0.001))


@same_on_both
def test_one_that_raises_ends_the_run(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def time() -> float:
        raise ValueError("no time")

    task = loop.create_task(aio.sleep(0))
    with mock.patch.object(loop, "time", time):
        see.attempt(loop.run_until_complete, task)
    see.attempt(loop.run_until_complete, task)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), float("-inf"), 5])
@same_on_both
def test_times_that_are_no_times(aio: ModuleType, see: Witness, now: float) -> None:
    loop = see.new_loop()
    handle = loop.call_later(1000, see, "due")
    with mock.patch.object(loop, "time", return_value=now):
        loop.call_soon(loop.stop)
        loop.run_forever()
        later = loop.call_later(1, see, "later")
        see(repr(later.when()))
        later.cancel()
    handle.cancel()


def test_slow_callbacks_are_measured_by_it(caplog: pytest.LogCaptureFixture) -> None:
    loop = roundelay.new_event_loop()
    loop.set_debug(True)
    clock = Clock(0.0)

    def slow() -> None:
        clock.now += 7

    with mock.patch.object(loop, "time", clock):
        loop.call_soon(slow)
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    assert "took 7.000 seconds" in caplog.text
