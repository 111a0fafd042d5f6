"""Callbacks, handlers and finalisers that raise or call back into the loop: as asyncio, in its words."""

import asyncio
import gc
import signal
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


class Broken(Exception):
    pass


class Fatal(BaseException):
    """Neither Exception nor one of the two that stop a loop."""


def _raises(error: BaseException) -> Any:
    def callback(*_: Any) -> None:
        raise error

    return callback


@same_on_both
def test_a_callback_that_raises_is_reported_and_the_next_one_runs(aio: ModuleType, see: Witness) -> None:
    def fails(*args: Any) -> None:
        raise Broken(args)

    for debug in (False, True):
        loop = see.new_loop(debug=debug)
        loop.call_soon(fails)
        loop.call_soon(fails, 1)
        loop.call_soon(fails, 1, "two")
        loop.call_soon(see, "the next one")
        loop.call_later(0, fails, "timer")
        loop.call_soon_threadsafe(fails, "threadsafe")
        loop.run_until_complete(aio.sleep(0))
        loop.run_until_complete(aio.sleep(0.001))


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Fatal, GeneratorExit])
@same_on_both
def test_a_callback_that_raises_what_is_no_error(
    aio: ModuleType, see: Witness, kind: type[BaseException]
) -> None:
    loop = see.new_loop()
    loop.call_soon(_raises(kind("from a callback")))
    loop.call_soon(see, "the next one")
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)
    see(loop.is_running(), loop.is_closed())
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Fatal, Broken])
@same_on_both
def test_a_task_that_raises_what_is_no_error(
    aio: ModuleType, see: Witness, kind: type[BaseException]
) -> None:
    async def fails() -> None:
        await aio.sleep(0)
        raise kind("from a task")

    loop = see.new_loop()
    task = loop.create_task(fails(), name="fails")
    loop.call_soon(loop.call_soon, see, "the next one")
    loop.call_later(0.001, loop.stop)
    see.attempt(loop.run_forever)
    see(task)
    see.attempt(task.exception)
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)


@same_on_both
def test_done_callbacks_that_raise(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(_raises(Broken("first")))
        future.add_done_callback(lambda done: see("second", done.result()))
        future.add_done_callback(_raises(Broken("third")))
        future.set_result("result")
        see(await future)
        await aio.sleep(0)

    see.run(main())


@same_on_both
def test_an_exception_handler_that_raises(aio: ModuleType, see: Witness) -> None:
    def handler(loop: Any, context: Any) -> None:
        see("handler", context["message"])
        raise Broken("handler")

    loop = see.new_loop()
    loop.set_exception_handler(handler)
    loop.call_soon(_raises(Broken("callback")))
    loop.call_soon(see, "the next one")
    loop.run_until_complete(aio.sleep(0))


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Fatal])
@same_on_both
def test_an_exception_handler_that_raises_what_is_no_error(aio: ModuleType, see: Witness, kind: Any) -> None:
    def handler(loop: Any, context: Any) -> None:
        raise kind("handler")

    loop = see.new_loop()
    loop.set_exception_handler(handler)
    loop.call_soon(_raises(Broken("callback")))
    loop.call_soon(see, "the next one")
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)


@same_on_both
def test_a_default_exception_handler_that_is_overridden_and_raises(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.set_exception_handler(None)
    loop.default_exception_handler = _raises(Broken("default handler"))  # type: ignore[method-assign]
    loop.call_soon(_raises(Broken("callback")))
    loop.run_until_complete(aio.sleep(0))


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@same_on_both
def test_a_default_exception_handler_that_ends_the_program(aio: ModuleType, see: Witness, kind: Any) -> None:
    loop = see.new_loop()
    loop.set_exception_handler(None)
    loop.default_exception_handler = _raises(kind("default"))  # type: ignore[method-assign]
    loop.call_soon(_raises(Broken("callback")))
    see.attempt(loop.run_until_complete, aio.sleep(0))
    loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_handlers_that_are_not_callable(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for handler in (1, "text", [], None, print):
        see.attempt(loop.set_exception_handler, handler)
    see(loop.get_exception_handler())


@same_on_both
def test_what_the_default_handler_writes(aio: ModuleType, see: Witness) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise Broken("no repr")

    loop = see.new_loop()
    loop.set_exception_handler(None)
    future = loop.create_future()
    for context in (
        {},
        {"message": "a message"},
        {"message": "with an exception", "exception": Broken("inner")},
        {"message": "with a future", "future": future, "task": None},
        {"message": "anything else", "b": 1, "a": [1, 2]},
        {"message": "cannot be shown", "odd": Odd()},
        {"message": None},
    ):
        see.attempt(loop.call_exception_handler, context)
    see.attempt(loop.call_exception_handler, None)
    loop.call_soon(_raises(Broken("callback")), 1, "two")
    loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_a_handler_sees_the_context_of_its_callback(aio: ModuleType, see: Witness) -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")

    def handler(loop: Any, context: Any) -> None:
        see("handler sees", variable.get(), context["message"].split(" ")[0])

    async def fails() -> None:
        variable.set("in the task")
        raise Broken("never retrieved")

    def callback() -> None:
        variable.set("in the callback")
        raise Broken("callback")

    loop = see.new_loop()
    loop.set_exception_handler(handler)
    loop.call_soon(callback)
    task = loop.create_task(fails())
    loop.run_until_complete(asyncio.wait([task]))
    del task
    gc.collect()
    future = loop.create_future()
    future.set_exception(Broken("of a future"))
    del future


@same_on_both
def test_reports_that_nobody_asked_for(aio: ModuleType, see: Witness) -> None:
    async def fails() -> None:
        raise Broken("never retrieved")

    async def waits(future: Any) -> None:
        await future

    for debug in (False, True):
        loop = see.new_loop(debug=debug)
        task = loop.create_task(fails(), name="fails")
        loop.call_soon(loop.stop)
        loop.run_forever()
        see(task.done())
        del task
        future = loop.create_future()
        future.set_exception(Broken("never retrieved"))
        del future
        task = loop.create_task(waits(loop.create_future()), name="waits")
        loop.call_soon(loop.stop)
        loop.run_forever()
        del task
        gc.collect()
        see("collected")
        loop.close()


@same_on_both
def test_retrieved_exceptions_are_not_reported(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for retrieve in ("result", "exception", "cancel", "_log_traceback"):
        future = loop.create_future()
        future.set_exception(Broken(retrieve))
        if retrieve == "_log_traceback":
            future._log_traceback = False
        else:
            see.attempt(getattr(future, retrieve))
        del future
    gc.collect()
    see("nothing reported")


@same_on_both
def test_coroutines_that_are_never_awaited(aio: ModuleType, see: Witness) -> None:
    async def forgotten() -> None:
        pass

    async def main() -> None:
        forgotten()
        aio.sleep(1)
        aio.sleep(0)
        aio.sleep(delay=1, result=2)
        see("still running")

    see.run(main())
    aio.sleep(1)
    coro = aio.sleep(1)
    coro.close()
    coro = aio.sleep(1)
    see.attempt(coro.throw, Broken("thrown"))
    del coro
    see("closed ones do not warn")


@same_on_both
def test_a_task_whose_first_step_never_comes(aio: ModuleType, see: Witness) -> None:
    async def never() -> None:
        see("never runs")

    loop = see.new_loop()
    loop.create_task(never(), name="never")
    loop.close()
    see("closed")


class CallsBack:
    """Calls a function when it goes."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __del__(self) -> None:
        self.function()


@same_on_both
def test_finalisers_that_call_back_into_the_loop(aio: ModuleType, see: Witness) -> None:
    async def other(name: str) -> str:
        see("other task", name)
        await aio.sleep(0)
        return name

    async def victim() -> None:
        try:
            await aio.sleep(1000)
        finally:
            see("victim ends")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        cancelled = aio.create_task(victim(), name="victim")
        tasks: list[Any] = []
        await aio.sleep(0)

        def schedule() -> None:
            see("finaliser", asyncio.current_task() is not None)
            loop.call_soon(see, "called soon")
            loop.call_later(0, see, "called later")
            tasks.append(aio.create_task(other("from a finaliser"), name="late"))
            cancelled.cancel("from a finaliser")

        # The last reference goes as: an argument of a handle, a result, a local of a task, an exception.
        loop.call_soon(lambda _: None, CallsBack(schedule))
        await aio.sleep(0)
        await aio.sleep(0)
        await aio.gather(*tasks)
        future = loop.create_future()
        future.set_result(CallsBack(schedule))
        del future
        await aio.gather(*tasks)
        try:
            raise Broken(CallsBack(schedule))
        except Broken:
            pass
        await aio.gather(*tasks)
        handle = loop.call_later(1000, lambda _: None, CallsBack(schedule))
        handle.cancel()
        await aio.gather(*tasks)
        await aio.gather(cancelled, return_exceptions=True)

    see.run(main())


@same_on_both
def test_a_finaliser_that_ends_what_its_task_waits_for(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        handle = loop.call_soon(lambda _: None, CallsBack(lambda: future.set_result("from a finaliser")))
        del handle
        see(await future)
        again = loop.create_future()

        async def holds(thing: Any) -> None:
            pass

        aio.create_task(holds(CallsBack(lambda: again.cancel("by a dying coroutine"))))
        await see.attempt_await(again)

    see.run(main())


@same_on_both
def test_a_finaliser_that_closes_the_loop(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.call_later(1000, lambda _: None, CallsBack(lambda: see.attempt(loop.call_soon, print)))
    loop.call_soon(lambda _: None, CallsBack(lambda: see.attempt(loop.close)))
    loop.close()
    see.attempt(loop.close)
    see(loop.is_closed())


@pytest.mark.xfail(
    sys.version_info >= (3, 14), strict=True, reason="such a task is not linked again into 3.14's list"
)
@same_on_both
def test_tasks_that_come_back_from_the_dead(aio: ModuleType, see: Witness) -> None:
    kept: list[Any] = []

    async def waits(future: Any) -> None:
        await future

    def handler(loop: Any, context: dict[str, Any]) -> None:
        see(context["message"])
        kept.append(context["task"])

    loop = see.new_loop()
    loop.set_exception_handler(handler)
    task = loop.create_task(waits(loop.create_future()), name="phoenix")
    loop.call_soon(loop.stop)
    loop.run_forever()
    del task
    gc.collect()
    see(len(kept), kept)
    see([task.get_name() for task in asyncio.all_tasks(loop)])
    while kept:
        kept.pop().cancel()
    gc.collect()
    see("gone")


@same_on_both
def test_cancelling_handles(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    soon = loop.call_soon(see, "cancelled, so not called")
    later = loop.call_later(0, see, "cancelled, so not called")
    for handle in (soon, later):
        see(handle.cancelled(), handle.cancel(), handle.cancelled(), handle.cancel(), handle)
    ran = loop.call_soon(see, "called")
    loop.run_until_complete(aio.sleep(0))
    see(ran.cancel(), ran)

    def cancels_next() -> None:
        following.cancel()

    loop.call_soon(cancels_next)
    following = loop.call_soon(see, "cancelled in the same turn")
    loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_handles_that_are_run_by_hand(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for handle in (loop.call_soon(see, "by hand"), loop.call_later(0, see, "by hand, a timer")):
        see.attempt(handle._run)
        handle.cancel()
    handle = loop.call_soon(_raises(Broken("by hand")))
    see.attempt(handle._run)
    handle.cancel()
    handle = loop.call_soon(_raises(KeyboardInterrupt("by hand")))
    see.attempt(handle._run)
    handle.cancel()
    loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_ctrl_c_in_a_callback(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.call_soon(signal.raise_signal, signal.SIGINT)
    loop.call_soon(see, "the next one")
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)
    loop.call_soon(loop.stop)
    see.attempt(loop.run_forever)
