"""Tasks and futures used wrongly: the same errors as asyncio's, in the same words."""

import asyncio
import concurrent.futures
import sys
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both


class Yields:
    """Awaitable that hands a thing to the task just as it is."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.thing)


async def _nothing() -> None:
    pass


def _generator() -> Generator[None, None, None]:
    yield


class NotAwaitable:
    def __repr__(self) -> str:
        return "<something>"


class AwaitsNothing:
    def __await__(self) -> Any:
        return 1


NON_COROUTINES = [
    None,
    1,
    "text",
    b"bytes",
    [],
    _nothing,
    _generator,
    NotAwaitable(),
    NotAwaitable,
    AwaitsNothing(),
]


@pytest.mark.parametrize(
    "thing", NON_COROUTINES, ids=lambda thing: getattr(thing, "__name__", type(thing).__name__)
)
@same_on_both
def test_what_is_not_a_coroutine(aio: ModuleType, see: Witness, thing: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for function in (
            aio.create_task,
            loop.create_task,
            aio.Task,
            aio.ensure_future,
            aio.gather,
            asyncio.shield,
        ):
            see(function.__name__)
            result = see.attempt(function, thing)
            if isinstance(result, asyncio.Future):
                await see.attempt_await(result)
        await see.attempt_await(asyncio.wait_for(thing, 1))

    see.run(main())
    see.attempt(aio.run, thing)
    with aio.Runner() as runner:
        see.attempt(runner.run, thing)


@same_on_both
def test_a_generator_is_not_a_coroutine(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see.attempt(aio.create_task, _generator())
        see.attempt(aio.ensure_future, _generator())
        await see.attempt_await(Yields(_generator()))

    see.run(main())


@same_on_both
def test_a_failed_task_constructor_reports_nothing_later(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    see.attempt(aio.Task, 1, loop=loop)
    see.attempt(aio.Task)
    see.attempt(aio.Task, loop=loop)
    coro = _nothing()
    try:
        aio.Task(coro, loop=loop, nonsense=1)
    except TypeError as error:
        # The words of the interpreter differ from version to version.
        see("nonsense" in str(error))
    coro.close()


@same_on_both
def test_awaiting_oneself(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.set_name("narcissus")
        await see.attempt_await(me)
        await see.attempt_await(Yields(me))
        await aio.sleep(0)
        see("alive", me.cancelling())

    see.run(main())


@pytest.mark.parametrize("thing", [1, "text", 0.5, (), NotAwaitable(), _nothing, print], ids=repr)
@same_on_both
def test_a_bad_yield(aio: ModuleType, see: Witness, thing: Any) -> None:
    async def main() -> None:
        await see.attempt_await(Yields(thing))
        see("goes on", await aio.sleep(0, "yes"))

    see.run(main())


@same_on_both
def test_the_error_of_a_bad_yield_comes_one_turn_later(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(see, "the next turn has begun")
        await see.attempt_await(Yields(1))

    see.run(main())


@same_on_both
def test_a_future_that_was_yielded_and_not_awaited(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        task = aio.create_task(_nothing(), name="yielded")
        await see.attempt_await(Yields(future))
        await see.attempt_await(Yields(task))
        future.set_result(1)
        await see.attempt_await(Yields(future))
        await task

    see.run(main())


@same_on_both
def test_a_future_awaited_by_hand(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    future = loop.create_future()
    first, second = iter(future), future.__await__()
    see.attempt(first.send, None)
    see(future._asyncio_future_blocking)
    see.attempt(second.send, None)
    future._asyncio_future_blocking = False
    see.attempt(second.send, None)
    future.set_result("done")
    see.attempt(first.send, None)
    see.attempt(second.throw, ValueError("thrown"))
    for arguments in ((1,), (ValueError,), (ValueError("x"), 1), (ValueError, "x", 1), (int,)):
        iterator = iter(future)
        see.attempt(iterator.throw, *arguments)
        see.attempt(iterator.close)


@same_on_both
def test_outcomes_that_are_not_there_yet(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        task = aio.create_task(_nothing())
        for pending in (future, task):
            see.attempt(pending.result)
            see.attempt(pending.exception)
            see(pending.done(), pending.cancelled(), pending._state)
        await task
        future.cancel()

    see.run(main())


@same_on_both
def test_outcomes_that_are_set_twice(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for first in ("set_result", "set_exception", "cancel"):
        future = loop.create_future()
        argument = {"set_result": 1, "set_exception": KeyError("first"), "cancel": "message"}[first]
        see.attempt(getattr(future, first), argument)
        see.attempt(future.set_result, 2)
        see.attempt(future.set_exception, KeyError("second"))
        see.attempt(future.cancel)
        see.attempt(future.result)
        see.attempt(future.exception)
        see(future)


EXCEPTIONS = {
    "a number": lambda: 1,
    "nothing": lambda: None,
    "a text": lambda: "text",
    "a class that is no exception": lambda: object,
    "a class": lambda: ValueError,
    "an exception": lambda: ValueError("x"),
    "StopIteration": lambda: StopIteration,
    "StopIteration(3)": lambda: StopIteration(3),
    "StopAsyncIteration": StopAsyncIteration,
    "KeyboardInterrupt": lambda: KeyboardInterrupt("k"),
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "CancelledError": lambda: asyncio.CancelledError("c"),
    "BaseException": lambda: BaseException("b"),
}


@pytest.mark.parametrize("kind", EXCEPTIONS)
@same_on_both
def test_exceptions_given_to_a_future(aio: ModuleType, see: Witness, kind: str) -> None:
    exception = EXCEPTIONS[kind]()
    loop = see.new_loop()
    future = loop.create_future()
    see.attempt(future.set_exception, exception)
    see(future.done(), future.cancelled())
    if future.done():
        see.attempt(future.exception)
        see.attempt(future.result)

        async def wait() -> Any:
            return await future

        task = loop.create_task(wait(), name="waits")
        see.attempt(loop.run_until_complete, asyncio.wait([task]))
        see(task.done() and task)
        if task.done() and not task.cancelled():
            see.attempt(task.exception)


@same_on_both
def test_exception_classes_that_cannot_be_made(aio: ModuleType, see: Witness) -> None:
    class NeedsArguments(Exception):
        def __init__(self, needed: int) -> None:
            super().__init__(needed)

    class NotReally(Exception):
        def __new__(cls) -> Any:
            return "a string"

    class SetsTheResult(Exception):
        def __init__(self) -> None:
            if not future.done():
                future.set_result("meanwhile")

    loop = see.new_loop()
    future = loop.create_future()
    for class_ in (NeedsArguments, NotReally, SetsTheResult):
        see.attempt(lambda class_=class_: future.set_exception(class_))
        see(future)


@same_on_both
def test_a_task_does_not_take_an_outcome(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        task = aio.create_task(_nothing(), name="task")
        see.attempt(task.set_result, 1)
        see.attempt(task.set_exception, ValueError())
        await task
        see.attempt(task.set_result, 1)

    see.run(main())


@same_on_both
def test_futures_made_without_init(aio: ModuleType, see: Witness) -> None:
    for class_ in (aio.Future, aio.Task):
        raw = class_.__new__(class_)
        for name in (
            "result",
            "exception",
            "get_loop",
            "cancel",
            "done",
            "cancelled",
            "__iter__",
            "__await__",
        ):
            if class_ is aio.Task and name == "cancel":
                continue  # asyncio writes into the object without looking
            see(name)
            see.attempt(lambda name=name, raw=raw: getattr(raw, name)())
        for name in ("_state", "_callbacks", "_asyncio_future_blocking", "_loop", "_result", "_exception",
                     "_log_traceback", "_source_traceback", "_cancel_message"):  # fmt: skip
            see(name)
            see.attempt(lambda name=name, raw=raw: getattr(raw, name))
        for name, argument in (
            ("set_result", 1),
            ("set_exception", ValueError()),
            ("add_done_callback", print),
            ("remove_done_callback", print),
        ):
            see(name)
            see.attempt(lambda name=name, argument=argument, raw=raw: getattr(raw, name)(argument))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older asyncio crashes on such a task")
@same_on_both
def test_tasks_made_without_init(aio: ModuleType, see: Witness) -> None:
    for name in ("get_name", "get_coro", "cancelling", "uncancel"):
        raw = aio.Task.__new__(aio.Task)
        see(name)
        see.attempt(getattr(raw, name))
    raw = aio.Task.__new__(aio.Task)
    see.attempt(raw.set_name, "a name")
    see.attempt(raw.get_name)
    for name in ("_must_cancel", "_fut_waiter", "_coro", "_log_destroy_pending"):
        see.attempt(lambda name=name: getattr(raw, name))


@same_on_both
def test_attributes_that_cannot_be_set(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        task = aio.create_task(_nothing())
        for thing in (future, task):
            for name in (
                "_state", "_loop", "_callbacks", "_result", "_exception", "_source_traceback", "_coro",
                "_fut_waiter", "_must_cancel",
            ):  # fmt: skip
                error = None
                try:
                    setattr(thing, name, None)
                except AttributeError as raised:
                    error = raised
                # The words of the interpreter name the class with or without its module.
                see(name, type(error).__name__)
            see.attempt(setattr, thing, "_log_traceback", True)
            see.attempt(setattr, thing, "_log_traceback", False)
            see.attempt(setattr, thing, "_asyncio_future_blocking", True)
            see.attempt(setattr, thing, "_asyncio_future_blocking", False)
            see.attempt(setattr, thing, "_cancel_message", "a message")
            see(thing._cancel_message)
            for name in ("_log_traceback", "_asyncio_future_blocking"):
                with pytest.raises(AttributeError):
                    delattr(thing, name)
        see.attempt(setattr, task, "_log_destroy_pending", [])
        see(task._log_destroy_pending)
        await task

    see.run(main())


@same_on_both
def test_names_and_contexts_of_the_wrong_type(aio: ModuleType, see: Witness) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise ValueError("no text")

    async def main() -> None:
        for name in (1, None, 1.5, ["x"], "text"):
            task = aio.create_task(_nothing(), name=name)
            see("numbered" if name is None else task.get_name(), type(task.get_name()).__name__)
            task.set_name(name)
            see(task.get_name())
            await task
        coro = _nothing()
        if sys.version_info >= (3, 13):
            see.attempt(aio.create_task, coro, name=Unprintable())
        task = aio.create_task(_nothing())
        see.attempt(task.set_name, Unprintable())
        await task
        coro.close()

    see.run(main())


@same_on_both
def test_a_context_that_is_none(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see(await aio.create_task(aio.sleep(0, "slept"), context=None))

    see.run(main())


@same_on_both
def test_a_context_that_is_entered_already(aio: ModuleType, see: Witness) -> None:
    import contextvars

    async def main() -> None:
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().create_future()
        # Its first step finds the context busy: asyncio reports the step and never comes back to it.
        holder = aio.create_task(hold(future), context=context, name="holder")
        await aio.sleep(0)
        future.set_result(None)
        await holder

    async def hold(future: Any) -> None:
        task = aio.create_task(_nothing(), context=contextvars.copy_context(), name="inner")
        await task
        await future

    see.run(main())
    see("done")


@same_on_both
def test_cancelling_with_messages_of_any_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for message in (None, "text", 1, ("a", "tuple"), ValueError("as message")):
            task = aio.create_task(aio.sleep(1), name="victim")
            await aio.sleep(0)
            see(task.cancel(message), task.cancel(msg=message), task.cancelling())
            error = await see.attempt_await(task)
            see(error.args)

    see.run(main())


@same_on_both
def test_wrapping_futures_of_the_wrong_kind(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see.attempt(asyncio.wrap_future, 1)
        see.attempt(aio.ensure_future, concurrent.futures.Future())
        foreign: Any = concurrent.futures.Future()
        wrapped = asyncio.wrap_future(foreign)
        foreign.set_exception(ValueError("from a thread"))
        await see.attempt_await(wrapped)

    see.run(main())


@same_on_both
def test_arguments_of_gather(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see.attempt(aio.gather, nonsense=1)
        coro = _nothing()
        see.attempt(aio.gather, coro, 1)
        see.attempt(aio.gather, loop=None)
        await see.attempt_await(aio.gather())
        coro = aio.sleep(0, "once")
        await see.attempt_await(aio.gather(coro, coro))

    see.run(main())
