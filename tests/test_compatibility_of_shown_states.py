"""What tasks, futures and handles show of themselves in each state: reprs, fields, stacks, counts."""

import asyncio
import io
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


def _fields(thing: Any) -> dict[str, Any]:
    names = [
        "_state",
        "_result",
        "_exception",
        "_log_traceback",
        "_cancel_message",
        "_asyncio_future_blocking",
    ]
    if isinstance(thing, asyncio.Task):
        names += ["_must_cancel", "_log_destroy_pending"]
    return {name: getattr(thing, name) for name in names}


def _callback(done: Any) -> None:
    pass


@same_on_both
def test_futures(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    future = loop.create_future()

    def look(what: str) -> None:
        see(what, future, _fields(future), future.done(), future.cancelled(), future.get_loop() is loop)
        pairs = future._callbacks or []
        see([(callback.__name__, type(context).__name__) for callback, context in pairs])

    look("new")
    future.add_done_callback(_callback)
    look("with a callback")
    for _ in range(3):
        future.add_done_callback(_callback)
    look("with four callbacks")
    future.remove_done_callback(_callback)
    look("with none again")
    future.set_result([1, 2])
    look("finished")
    future = loop.create_future()
    future.set_exception(ValueError("wrong"))
    look("failed")
    see.attempt(future.exception)
    look("failed and seen")
    future = loop.create_future()
    future.cancel("message")
    look("cancelled")
    see.attempt(future.result)
    look("cancelled and asked")


@same_on_both
def test_results_that_are_long_or_strange(aio: ModuleType, see: Witness) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    loop = see.new_loop()
    for result in ("x" * 1000, list(range(1000)), Broken(), None, ValueError("as a result")):
        future = loop.create_future()
        future.set_result(result)
        see.attempt(repr, future)
    future = loop.create_future()
    future.set_result(future)
    see.attempt(repr, future)


@same_on_both
def test_tasks(aio: ModuleType, see: Witness) -> None:
    async def inner(future: Any) -> Any:
        return await future

    async def outer(future: Any) -> Any:
        try:
            return await inner(future)
        finally:
            await aio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        task = aio.create_task(outer(future), name="observed")

        def look(what: str) -> None:
            see(what, task, _fields(task), task.done(), task.cancelled(), task.cancelling())
            see(task._fut_waiter, [frame.f_code.co_name for frame in task.get_stack()])
            see(future._callbacks and [type(context).__name__ for _, context in future._callbacks])

        look("new")
        await aio.sleep(0)
        look("waiting")
        task.add_done_callback(_callback)
        look("with a callback")
        future.set_result("result")
        look("about to wake")
        await aio.sleep(0)
        look("in its finally clause")
        await aio.sleep(0)
        look("finished")
        future = loop.create_future()
        task = aio.create_task(outer(future), name="to be cancelled")
        see(task.cancel("before its first step"), task.cancel("again"))
        look("cancelled before its first step")
        await aio.sleep(0)
        look("cancelled")
        future = loop.create_future()
        task = aio.create_task(outer(future), name="to be cancelled later")
        await aio.sleep(0)
        see(task.cancel("while it waits"), task.uncancel(), task.uncancel())
        look("cancelled while it waits")
        await aio.sleep(0)
        look("in its finally clause")
        see(task.cancel("in its finally clause"))
        look("cancelled in its finally clause")
        await aio.sleep(0)
        await aio.sleep(0)
        look("cancelled")
        task = aio.create_task(outer(None), name="to fail")
        await aio.sleep(0)
        await aio.sleep(0)
        look("failed")
        see.attempt(task.result)
        look("failed and seen")

    see.run(main())


@same_on_both
def test_tasks_that_wait_for_each_other(aio: ModuleType, see: Witness) -> None:
    async def wait(thing: Any) -> Any:
        return await thing

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        first = aio.create_task(wait(future), name="first")
        second = aio.create_task(wait(first), name="second")
        gathering = aio.gather(second, aio.create_task(wait(second), name="third"))
        fourth = aio.create_task(wait(gathering), name="fourth")
        await aio.sleep(0)
        await aio.sleep(0)
        for task in (first, second, fourth):
            see(task, task._fut_waiter)
        see(gathering, len(gathering._children))
        see(fourth.cancel("from the outside"))
        for task in (first, second, fourth):
            see(task, task._must_cancel, task.cancelling())
        for _ in range(6):
            await aio.sleep(0)
        for task in (first, second, fourth):
            see(task)
        see(gathering)
        see.attempt(gathering.exception)

    see.run(main())


@same_on_both
def test_a_task_that_sleeps_has_a_future_for_who_asks(aio: ModuleType, see: Witness) -> None:
    async def sleeper() -> str:
        return await aio.sleep(0.002, "slept")

    async def main() -> None:
        for what in ("looked at", "cancelled through it", "called back by it"):
            task = aio.create_task(sleeper(), name=what)
            await aio.sleep(0)
            waiter = task._fut_waiter
            see(isinstance(waiter, asyncio.Future), waiter.done(), waiter is task._fut_waiter)
            see(task)
            if what == "cancelled through it":
                see(waiter.cancel("through the waiter"))
            elif what == "called back by it":
                waiter.add_done_callback(lambda done: see("called back", done.cancelled()))
            await see.attempt_await(task)
            see(task)

    see.run(main())


@same_on_both
def test_a_sleeping_task_is_cancelled_and_looked_at(aio: ModuleType, see: Witness) -> None:
    async def sleeper() -> None:
        try:
            await aio.sleep(1000)
        except asyncio.CancelledError as error:
            see("cancelled", error)
            raise

    async def main() -> None:
        task = aio.create_task(sleeper(), name="sleeper")
        await aio.sleep(0)
        see(task.cancel("once"), task._must_cancel, task.cancelling(), task)
        see(isinstance(task._fut_waiter, asyncio.Future), task._fut_waiter.cancelled())
        see(task.cancel("twice"), task._must_cancel, task.cancelling())
        await see.attempt_await(task)
        see(task, task._fut_waiter)

    see.run(main())


@same_on_both
def test_stacks(aio: ModuleType, see: Witness) -> None:
    async def innermost() -> None:
        await future

    async def middle() -> None:
        await innermost()

    async def fails() -> None:
        await aio.sleep(0)
        raise ValueError("wrong")

    async def main() -> None:
        nonlocal future
        future = asyncio.get_running_loop().create_future()
        task = aio.create_task(middle(), name="deep")
        failing = aio.create_task(fails(), name="fails")
        see([frame.f_code.co_name for frame in task.get_stack()])
        await aio.sleep(0)
        for limit in (None, 1, 2, 100):
            see([frame.f_code.co_name for frame in task.get_stack(limit=limit)])
            out = io.StringIO()
            task.print_stack(limit=limit, file=out)
            see(out.getvalue())
        await aio.sleep(0)
        see([frame.f_code.co_name for frame in failing.get_stack()], [len(failing.get_stack(limit=1))])
        out = io.StringIO()
        failing.print_stack(file=out)
        see(out.getvalue())
        future.set_result(None)
        await task
        see(task.get_stack())
        out = io.StringIO()
        task.print_stack(file=out)
        see(out.getvalue())
        see.attempt(failing.exception)
        me = asyncio.current_task()
        assert me is not None
        # Below the task's own frame lie those that drive the loop.
        see([frame.f_code.co_name for frame in me.get_stack()][-1])

    future: Any = None
    see.run(main())


@same_on_both
def test_names(aio: ModuleType, see: Witness) -> None:
    async def nothing() -> None:
        pass

    async def main() -> None:
        first, second = aio.create_task(nothing()), aio.create_task(nothing())
        numbers = [int(task.get_name().removeprefix("Task-")) for task in (first, second)]
        see(numbers[1] - numbers[0], first.get_name() == first.get_name())
        first.set_name("named")
        see(first.get_name(), first)
        await aio.gather(first, second)
        see(first.get_name())

    see.run(main())


@same_on_both
def test_handles(aio: ModuleType, see: Witness) -> None:
    import functools

    class Callable:
        def __call__(self) -> None: ...

        def method(self, *args: Any) -> None: ...

        def __repr__(self) -> str:
            return "<callable>"

    for debug in (False, True):
        loop = see.new_loop(debug=debug)
        for callback, args in (
            (_callback, (1,)),
            (_callback, (1, "two", None)),
            (print, ()),
            (len, ("x",)),
            (Callable(), ()),
            (Callable().method, (1, 2)),
            (functools.partial(_callback, 1), ()),
            (functools.partial(functools.partial(Callable().method, 1), 2), (3,)),
            (lambda: None, ()),
            (_callback, ("x" * 500,)),
        ):
            for handle in (loop.call_soon(callback, *args), loop.call_later(5, callback, *args)):
                see(handle, handle._args, handle._cancelled, handle.cancelled(), handle._loop is loop)
                see(getattr(handle, "_scheduled", None))
                handle.cancel()
                see(handle, handle._callback, handle._args)


@same_on_both
def test_loops(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    see(loop)
    loop.call_soon(lambda: see(loop))
    loop.run_until_complete(aio.sleep(0))
    loop.set_debug(True)
    see(loop)
    loop.close()
    see(loop)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
@same_on_both
def test_eager_tasks(aio: ModuleType, see: Witness) -> None:
    async def at_once() -> str:
        see("runs in", asyncio.current_task().get_name())  # type: ignore[union-attr]
        return "at once"

    async def waits() -> str:
        see("waits in", asyncio.current_task().get_name())  # type: ignore[union-attr]
        await aio.sleep(0)
        return "later"

    async def fails() -> None:
        raise ValueError("at once")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for coro in (at_once(), waits(), fails()):
            task = aio.Task(coro, loop=loop, name="eager", eager_start=True)
            see(task.done(), task in asyncio.all_tasks())
            if sys.version_info >= (3, 13):
                # Older asyncio crashes when a task that is done at once is asked for its coroutine.
                see(task, task.get_coro() is None)
            see(asyncio.current_task().get_name())  # type: ignore[union-attr]
            await see.attempt_await(task)
        loop.set_task_factory(asyncio.eager_task_factory)
        see(await aio.gather(at_once(), waits()))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(at_once(), name="in a group")
            see(task.done())
        task = aio.create_task(at_once(), name="by the factory")
        see(await task)
        loop.set_task_factory(None)

    loop = see.new_loop()
    loop.run_until_complete(loop.create_task(main(), name="main"))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
@same_on_both
def test_eager_start_outside_a_running_loop(aio: ModuleType, see: Witness) -> None:
    async def work() -> str:
        see("runs")
        return "result"

    loop = see.new_loop()
    task = aio.Task(work(), loop=loop, name="not eager after all", eager_start=True)
    see(task.done())
    see(loop.run_until_complete(task))
