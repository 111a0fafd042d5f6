"""Objects that run code where nobody expects any: in comparisons, attribute look-ups and conversions.

CPython had crashes in these places. Here as there, nothing may be used after it was freed, and what the
program sees is what it sees on stock asyncio.
"""

import asyncio
import gc
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


class Broken(Exception):
    pass


class EqualTo:
    """A callback whose comparison runs a function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return self.function(other)

    def __hash__(self) -> int:
        return 1

    def __call__(self, *_: Any) -> None:
        pass


def _future_with(loop: Any, *callbacks: Any) -> Any:
    future = loop.create_future()
    for callback in callbacks:
        future.add_done_callback(callback)
    return future


@pytest.mark.parametrize("count", [1, 2, 5])
@same_on_both
def test_a_comparison_that_removes_every_callback(aio: ModuleType, see: Witness, count: int) -> None:
    loop = see.new_loop()

    def compare(other: object) -> bool:
        if not inside:
            inside.append(1)
            see("inner", future.remove_done_callback(plain))
        return False

    def plain(done: Any) -> None:
        see("called")

    inside: list[int] = []
    future = _future_with(loop, *[plain] * count)
    see("outer", future.remove_done_callback(EqualTo(compare)))
    see(future._callbacks and len(future._callbacks))
    future.set_result(None)
    loop.run_until_complete(aio.sleep(0))


@pytest.mark.parametrize("count", [1, 2, 5])
@same_on_both
def test_a_comparison_that_finishes_the_future(aio: ModuleType, see: Witness, count: int) -> None:
    loop = see.new_loop()

    def compare(other: object) -> bool:
        if not future.done():
            future.set_result("by a comparison")
        return False

    future = _future_with(loop, *[EqualTo(lambda other: NotImplemented) for _ in range(count)])
    see(future.remove_done_callback(EqualTo(compare)))
    see(future.result())
    loop.run_until_complete(aio.sleep(0))


@pytest.mark.parametrize("count", [1, 2, 5])
@same_on_both
def test_a_comparison_that_adds_callbacks(aio: ModuleType, see: Witness, count: int) -> None:
    loop = see.new_loop()

    def compare(other: object) -> bool:
        if not added:
            added.append(1)
            future.add_done_callback(lambda done: see("added", done.result()))
        return False

    added: list[int] = []
    future = _future_with(loop, *[lambda done: see("there before") for _ in range(count)])
    see(future.remove_done_callback(EqualTo(compare)) in (0, 1))
    future.set_result("result")
    loop.run_until_complete(aio.sleep(0))
    see("end")


@pytest.mark.parametrize("count", [1, 2, 5])
@same_on_both
def test_a_comparison_that_raises(aio: ModuleType, see: Witness, count: int) -> None:
    loop = see.new_loop()

    def compare(other: object) -> bool:
        raise Broken("comparison")

    future = _future_with(loop, *[lambda done: see("called") for _ in range(count)])
    see.attempt(future.remove_done_callback, EqualTo(compare))
    future.cancel()


@same_on_both
def test_a_comparison_that_reinitialises_the_future(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def compare(other: object) -> bool:
        future.__init__(loop=loop)
        gc.collect()
        return False

    future = _future_with(loop, *[lambda done: None for _ in range(4)])
    try:
        future.remove_done_callback(EqualTo(compare))
    except IndexError:
        pass
    see("survived", future.done())


@same_on_both
def test_equal_callbacks_are_all_removed(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    equal = [EqualTo(lambda other: True) for _ in range(3)]
    future = _future_with(loop, equal[0], print, equal[1], equal[2])
    see(future.remove_done_callback(print))
    see(future.remove_done_callback(equal[0]))
    see(future._callbacks)


class EvilFuture:
    """Not a future, but looks like one, and every look runs a function."""

    _asyncio_future_blocking = True

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, "function", function)

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, "function")(name)
        return object.__getattribute__(self, name) if found is None else found

    def __await__(self) -> Any:
        yield self


@pytest.mark.parametrize("name", ["_asyncio_future_blocking", "get_loop", "add_done_callback"])
@same_on_both
def test_a_foreign_future_whose_attributes_raise(aio: ModuleType, see: Witness, name: str) -> None:
    def look(asked: str) -> Any:
        if asked == name:
            raise Broken(name)
        return {"get_loop": asyncio.get_running_loop, "add_done_callback": lambda *_, **__: None}.get(asked)

    async def main() -> None:
        await see.attempt_await(EvilFuture(look))
        see("still running")

    loop = see.new_loop()
    task = loop.create_task(main(), name="main")
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    # The error is the loop's to report: nobody will ever wake this task.
    see(task.done())
    task._log_destroy_pending = False


@pytest.mark.parametrize("name", ["_asyncio_future_blocking", "get_loop", "add_done_callback"])
@same_on_both
def test_a_foreign_future_that_cancels_its_task_when_looked_at(
    aio: ModuleType, see: Witness, name: str
) -> None:
    def look(asked: str) -> Any:
        if asked == name:
            task.cancel("looked at")
            gc.collect()
        return {
            "get_loop": asyncio.get_running_loop,
            "add_done_callback": lambda callback, **_: asyncio.get_running_loop().call_soon(callback, done),
            "cancel": lambda msg=None: see("asked to cancel", msg),
        }.get(asked)

    async def main() -> None:
        await see.attempt_await(EvilFuture(look))
        see("still running", task.cancelling())

    loop = see.new_loop()
    done = loop.create_future()
    done.set_result(None)
    task = loop.create_task(main(), name="main")
    see.attempt(loop.run_until_complete, task)


@same_on_both
def test_a_subclass_whose_attributes_are_evil(aio: ModuleType, see: Witness) -> None:
    looked: list[str] = []

    class Future(aio.Future):  # type: ignore[misc, name-defined]
        def __getattribute__(self, name: str) -> Any:
            looked.append(name)
            return super().__getattribute__(name)

    async def main() -> None:
        future = Future()
        asyncio.get_running_loop().call_soon(future.set_result, "result")
        see(await future)
        see(await aio.gather(Future.__await__ and aio.ensure_future(future)))

    see.run(main())
    see("set_result" in looked)


@same_on_both
def test_a_loop_whose_call_soon_finishes_the_future_again(aio: ModuleType, see: Witness) -> None:
    class Loop(asyncio.SelectorEventLoop):
        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            if args and isinstance(args[0], asyncio.Future) and not asked:
                asked.append(1)
                see.attempt(args[0].set_result, "again")
                see.attempt(args[0].remove_done_callback, print)
                args[0].add_done_callback(lambda done: see("added inside"))
            return super().call_soon(callback, *args, context=context)

    asked: list[int] = []
    loop = Loop()
    try:
        future = aio.Future(loop=loop)
        future.add_done_callback(lambda done: see("first"))
        future.add_done_callback(lambda done: see("second"))
        future.set_result("once")
        loop.run_until_complete(aio.sleep(0))
        see(future.result())
    finally:
        loop.close()


@same_on_both
def test_a_loop_whose_call_soon_reinitialises_the_future(aio: ModuleType, see: Witness) -> None:
    class Loop:
        def get_debug(self) -> bool:
            return False

        def call_soon(self, *args: Any, **kwargs: Any) -> None:
            future.__init__(loop=Loop())
            gc.collect()

    future = aio.Future(loop=Loop())
    for _ in range(4):
        future.add_done_callback(lambda done: None)
    future.set_result(1)
    see("survived")
    future.__init__(loop=Loop())
    future.cancel()
    see("survived again")


@same_on_both
def test_initialising_again(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    future = loop.create_future()
    future.add_done_callback(print)
    future.set_exception(Broken("first life"))
    future.__init__(loop=loop)
    see(future, future._callbacks)
    future.set_result("second life")
    see(future.result())

    async def work(name: str) -> str:
        await aio.sleep(0)
        return name

    task = loop.create_task(work("first"), name="one")
    loop.run_until_complete(task)
    task.__init__(work("second"), loop=loop, name="two")
    see(task)
    see(loop.run_until_complete(task), task)


@same_on_both
def test_a_coroutine_that_is_driven_by_two(aio: ModuleType, see: Witness) -> None:
    async def work() -> None:
        await aio.sleep(0)
        await aio.sleep(0)

    async def main() -> None:
        coro = work()
        first = aio.create_task(coro, name="first")
        second = aio.create_task(coro, name="second")
        results = await aio.gather(first, second, return_exceptions=True)
        see(results)
        finished = aio.create_task(coro, name="third")
        await see.attempt_await(finished)

    see.run(main())


@same_on_both
def test_a_task_stepped_while_it_runs(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        me = asyncio.current_task()
        coro = me.get_coro()
        see.attempt(coro.send, None)
        see.attempt(coro.throw, Broken("into itself"))
        see.attempt(coro.close)

    see.run(main())


@same_on_both
def test_a_delay_that_runs_code(aio: ModuleType, see: Witness) -> None:
    class Delay:
        def __le__(self, other: Any) -> bool:
            gc.collect()
            return False

        def __radd__(self, other: float) -> float:
            asyncio.get_running_loop().call_soon(see, "called by a delay")
            gc.collect()
            return other

        def __float__(self) -> float:
            return 0.0

        def __ne__(self, other: object) -> bool:
            return False

    async def main() -> None:
        see(await aio.sleep(Delay(), "slept"))
        asyncio.get_running_loop().call_later(Delay(), see, "called later")
        await aio.sleep(0.001)

    see.run(main())


@same_on_both
def test_an_exception_that_runs_code_when_it_is_made(aio: ModuleType, see: Witness) -> None:
    class Cancels(Exception):
        def __init__(self) -> None:
            see("cancelled by the exception", task.cancel("exception"))
            gc.collect()

    async def main() -> None:
        raise Cancels

    loop = see.new_loop()
    task = loop.create_task(main(), name="main")
    see.attempt(loop.run_until_complete, task)
    see(task)


@same_on_both
def test_results_that_are_awaitable_or_exceptions(aio: ModuleType, see: Witness) -> None:
    async def give(value: Any) -> Any:
        await aio.sleep(0)
        return value

    async def main() -> None:
        loop = asyncio.get_running_loop()
        odd = [Broken("a result"), StopIteration("a result"), asyncio.CancelledError("a result")]
        for value in (*odd, (1, 2), loop, None, ...):
            see(type(await give(value)).__name__, await aio.create_task(give(value)) is value)
            see(await aio.sleep(0, value) is value, await aio.sleep(0.0001, value) is value)
            future = loop.create_future()
            loop.call_soon(future.set_result, value)
            see(await future is value)
            see((await aio.gather(give(value), future))[0] is value)

    see.run(main())
