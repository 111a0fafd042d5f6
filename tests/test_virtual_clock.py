"""A loop with a virtual clock: sleeps and timeouts take no time, in the order in which they would."""

import asyncio
import threading
import time
from typing import Any

import pytest
import roundelay

A_DAY = 86_400.0


def run_virtually(program: Any) -> Any:
    with roundelay.Runner(loop_factory=lambda: roundelay.EventLoop(clock="virtual")) as runner:
        return runner.run(program)


def test_time_begins_at_zero_and_jumps_to_the_next_timer() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await roundelay.sleep(A_DAY)
        times.append(loop.time())
        loop.call_later(2.5, lambda: times.append(loop.time()))
        await roundelay.sleep(10)
        return [*times, loop.time()]

    began = time.monotonic()
    assert run_virtually(main()) == [0.0, A_DAY, A_DAY + 2.5, A_DAY + 10]
    assert time.monotonic() - began < 60.0


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.ensure_future(roundelay.sleep(1))
        for _ in range(1000):
            await roundelay.sleep(0)
        assert loop.time() == 0.0
        assert not sleeper.done()
        await sleeper
        assert loop.time() == 1.0

    run_virtually(main())


def test_sleeps_end_in_order_of_time_and_then_of_beginning() -> None:
    async def main() -> list[int]:
        ended: list[int] = []

        async def sleeper(number: int, delay: float) -> None:
            await roundelay.sleep(delay)
            ended.append(number)

        await roundelay.gather(*(sleeper(n, d) for n, d in enumerate([3.0, 1.0, 2.0, 1.0, 3.0])))
        return ended

    assert run_virtually(main()) == [1, 3, 2, 0, 4]


def test_a_timeout_is_due_at_its_virtual_moment() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 3600)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 3600.0


def test_a_thread_is_waited_for_in_real_time_and_takes_no_virtual_time() -> None:
    gate = threading.Event()

    async def main() -> tuple[str, float]:
        loop = asyncio.get_running_loop()

        def work() -> str:
            assert gate.wait(30)
            return "worked"

        later = loop.call_later(1, gate.set)
        threading.Timer(0.01, gate.set).start()
        result = await loop.run_in_executor(None, work)
        assert not later.cancelled()
        return result, loop.time()

    assert run_virtually(main()) == ("worked", 0.0)


def test_a_call_from_another_thread_wakes_a_loop_that_has_no_timer() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Timer(0.01, loop.call_soon_threadsafe, (future.set_result, "called")).start()
        result: str = await future
        return result

    assert run_virtually(main()) == "called"


def test_a_clock_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="clock must be 'real' or 'virtual', not 'sundial'"):
        roundelay.EventLoop(clock="sundial")  # type: ignore[arg-type]


def test_a_subclass_cannot_ask_for_a_virtual_clock_too_late() -> None:
    class Loop(roundelay.EventLoop):
        def __init__(self) -> None:
            super().__init__(clock="virtual")

    with pytest.raises(TypeError, match="must be called with clock='virtual' itself"):
        Loop()
