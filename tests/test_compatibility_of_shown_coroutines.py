"""What a coroutine of asyncio's shows of itself, alone and as that of a task: state, code, stack, repr."""

import asyncio
import inspect
import io
import re
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

CALLS = (
    "sleep(0)",
    "sleep(5)",
    "sleep(5, 'result')",
    "Lock.acquire",
    "Event.wait",
    "Condition.acquire",
    "Semaphore.acquire",
    "Barrier.wait",
    "Queue.get",
    "Queue.put",
    "Queue.join",
    "wait_for",
    "wait",
    "to_thread",
)


def _make(aio: ModuleType, call: str) -> Any:
    """A call that has to wait."""
    match call:
        case "sleep(0)":
            return aio.sleep(0)
        case "sleep(5)":
            return aio.sleep(5)
        case "sleep(5, 'result')":
            return aio.sleep(5, "result")
        case "Lock.acquire":
            lock = aio.Lock()
            lock.acquire().close()
            lock._locked = True
            return lock.acquire()
        case "Event.wait":
            return aio.Event().wait()
        case "Condition.acquire":
            condition = aio.Condition()
            condition._lock._locked = True
            return condition.acquire()
        case "Semaphore.acquire":
            return aio.Semaphore(0).acquire()
        case "Barrier.wait":
            return aio.Barrier(2).wait()
        case "Queue.get":
            return aio.Queue().get()
        case "Queue.put":
            queue = aio.Queue(1)
            queue.put_nowait(1)
            return queue.put(2)
        case "Queue.join":
            queue = aio.Queue()
            queue.put_nowait(1)
            return queue.join()
        case "wait_for":
            return aio.wait_for(asyncio.get_running_loop().create_future(), 5)
        case "wait":
            return aio.wait([asyncio.get_running_loop().create_future()])
        case "to_thread":
            return aio.to_thread(print, end="")
    raise AssertionError(call)


def _shown(thing: Any) -> str:
    # Native code is at no line of asyncio's; it shows the first one of the function.
    return re.sub(r"(running at [^>]*):\d+>", r"\1:LINE>", repr(thing))


@pytest.mark.parametrize("call", CALLS)
@same_on_both
def test_state_and_code(aio: ModuleType, see: Witness, call: str) -> None:
    async def main() -> None:
        coroutine = _make(aio, call)
        code = coroutine.cr_code
        see(inspect.getcoroutinestate(coroutine), code.co_name, code.co_filename, code.co_firstlineno)
        see(coroutine.cr_frame.f_code is code, coroutine.cr_frame.f_back, coroutine.cr_origin)
        see(inspect.iscoroutine(coroutine) or aio.iscoroutine(coroutine))
        coroutine.close()
        see(inspect.getcoroutinestate(coroutine), coroutine.cr_frame, coroutine.cr_code is code)
        coroutine = _make(aio, call)
        see.attempt(coroutine.throw, ValueError("thrown"))
        see(inspect.getcoroutinestate(coroutine), coroutine.cr_frame)
        for resume in (coroutine.send, coroutine.throw):
            see.attempt(resume, None if resume is coroutine.send else ValueError("again"))
        await see.attempt_await(coroutine)

    see.run(main())


@pytest.mark.parametrize("call", CALLS)
@same_on_both
def test_as_that_of_a_task(aio: ModuleType, see: Witness, call: str) -> None:
    async def main() -> None:
        task = aio.create_task(_make(aio, call), name="task")
        coroutine = task.get_coro()

        def look() -> None:
            see(_shown(task), inspect.getcoroutinestate(coroutine))
            see([frame.f_code.co_name for frame in task.get_stack()])
            out = io.StringIO()
            task.print_stack(file=out)
            see(len(out.getvalue().splitlines()))

        look()
        await aio.sleep(0)
        look()
        task.cancel()
        await see.attempt_await(task)
        look()

    see.run(main())


@same_on_both
def test_a_frame_outlives_its_coroutine(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        coroutine = aio.Event().wait()
        frame = coroutine.cr_frame
        coroutine.close()
        del coroutine
        see(frame.f_code.co_name, frame.f_back, frame.f_trace)
        see(frame.f_globals is vars(asyncio.locks))
        frame.clear()
        see(frame.f_locals)

    see.run(main())
