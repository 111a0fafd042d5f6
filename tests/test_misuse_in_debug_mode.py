"""Debug mode: slow callbacks, where things were made, and what else asyncio says only then."""

import asyncio
import sys
import time
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

# Far enough apart, and far enough from what a busy machine adds to a callback that is not slow.
LIMIT_S = 0.05
SLOW_S = 0.06


def _slow(*_: Any) -> None:
    time.sleep(SLOW_S)


class Slow:
    def method(self) -> None:
        _slow()

    def __call__(self) -> None:
        _slow()

    def __repr__(self) -> str:
        return "<slow>"


@same_on_both
def test_slow_callbacks_are_named(aio: ModuleType, see: Witness) -> None:
    import functools

    loop = see.new_loop(debug=True)
    loop.slow_callback_duration = LIMIT_S
    loop.call_soon(_slow)
    loop.call_soon(_slow, 1, "two")
    loop.call_soon(functools.partial(_slow, "partial"), "argument")
    loop.call_soon(Slow().method)
    loop.call_soon(Slow())
    loop.call_soon(lambda: _slow() or None)
    loop.call_later(0, _slow, "timer")
    cancels_itself: list[Any] = []

    def slow_and_cancelled() -> None:
        _slow()
        cancels_itself[0].cancel()

    cancels_itself.append(loop.call_soon(slow_and_cancelled))
    loop.run_until_complete(aio.sleep(0))
    loop.run_until_complete(aio.sleep(0.001))


@same_on_both
def test_handles_know_who_made_them(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop(debug=True)
    for make in (
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_soon_threadsafe(print, 1, context=None),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
    ):
        handle = make()
        see([(frame.name, frame.line) for frame in handle._source_traceback[-2:]])
        handle.cancel()


@same_on_both
def test_slow_steps_of_tasks_are_named(aio: ModuleType, see: Witness) -> None:
    async def slow(how: str) -> None:
        if how == "after a sleep":
            await aio.sleep(0.001)
        elif how == "after a yield":
            await aio.sleep(0)
        elif how == "after a future":
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
        _slow()
        if how == "fails":
            raise ValueError(how)

    loop = see.new_loop(debug=True)
    loop.slow_callback_duration = LIMIT_S
    for how in ("at once", "after a yield", "after a sleep", "after a future", "fails"):
        task = loop.create_task(slow(how), name=how)
        loop.run_until_complete(asyncio.wait([task]))
        if how == "fails":
            see.attempt(task.result)


@same_on_both
def test_without_debug_mode_nothing_is_slow(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.slow_callback_duration = LIMIT_S
    loop.call_soon(_slow)
    loop.run_until_complete(aio.sleep(0))
    see("silent")


@same_on_both
def test_debug_mode_switched_while_the_loop_runs(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        see(loop.get_debug(), sys.get_coroutine_origin_tracking_depth())
        loop.set_debug(True)
        await aio.sleep(0)
        await aio.sleep(0)
        see(loop.get_debug(), sys.get_coroutine_origin_tracking_depth())
        loop.slow_callback_duration = LIMIT_S
        loop.call_soon(_slow)
        await aio.sleep(0)
        await aio.sleep(0)
        loop.set_debug(False)
        await aio.sleep(0)
        await aio.sleep(0)
        see(loop.get_debug(), sys.get_coroutine_origin_tracking_depth())

    see.run(main())


@same_on_both
def test_where_coroutines_were_made_is_told(aio: ModuleType, see: Witness) -> None:
    async def forgotten() -> None:
        pass

    async def main() -> None:
        see(sys.get_coroutine_origin_tracking_depth())
        forgotten()

    before = sys.get_coroutine_origin_tracking_depth()
    see.run(main(), debug=True)
    see(sys.get_coroutine_origin_tracking_depth() == before)


@same_on_both
def test_where_tasks_futures_and_handles_were_made(aio: ModuleType, see: Witness) -> None:
    def here(thing: Any) -> Any:
        """The innermost frame outside of asyncio."""
        trace = thing._source_traceback
        if trace is None:
            return None
        frames = [
            frame
            for frame in trace
            if "asyncio/" not in frame.filename and "roundelay/" not in frame.filename
        ]
        return frames[-1].name, len(trace) > 1

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = aio.create_task(aio.sleep(0))
        ensured = aio.ensure_future(aio.sleep(0))
        future, made = loop.create_future(), aio.Future()
        gathering = aio.gather(aio.sleep(0), future)
        soon, later = loop.call_soon(print), loop.call_later(1000, print)
        for thing in (task, ensured, future, made, gathering, soon, later):
            see(type(thing).__name__, here(thing))
        soon.cancel()
        later.cancel()
        see(soon, later)
        future.set_result(None)
        await aio.gather(task, ensured, gathering)

    see.run(main(), debug=True)
    see.run(main())


@pytest.mark.parametrize("debug", [None, False, True])
@same_on_both
def test_debug_mode_of_run(aio: ModuleType, see: Witness, debug: Any) -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    see(aio.run(main(), debug=debug))
    with aio.Runner(debug=debug) as runner:
        see(runner.run(main()), runner.get_loop().get_debug())


@same_on_both
def test_debug_mode_takes_any_truth(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for value in (1, 0, "yes", "", None):
        loop.set_debug(value)  # type: ignore[arg-type]
        see(bool(loop.get_debug()))


@same_on_both
def test_cancelled_handles_keep_what_they_were(aio: ModuleType, see: Witness) -> None:
    for debug in (False, True):
        loop = see.new_loop(debug=debug)
        for handle in (
            loop.call_soon(_slow, 1),
            loop.call_later(5, _slow, 2),
            loop.call_at(5, Slow().method),
        ):
            see(handle)
            handle.cancel()
            see(handle, handle._callback, handle._args)


@same_on_both
def test_selecting_slowly_is_not_the_programs_fault(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop(debug=True)
    loop.slow_callback_duration = 0.001
    loop.run_until_complete(aio.sleep(0.02))
    see("silent, but for what is really slow")
    see.records[:] = see.records[-1:]
