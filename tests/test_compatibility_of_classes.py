"""Native tasks, futures and handles are asyncio's, for whoever asks, derives, copies or refers to them
weakly.
"""

import _asyncio
import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import pickle
import sys
import weakref
from collections.abc import Awaitable, Coroutine
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both


async def _nothing() -> None:
    pass


def test_types_are_true_subclasses() -> None:
    assert issubclass(roundelay.Task, _asyncio.Task)
    assert issubclass(roundelay.Task, asyncio.Task)
    assert issubclass(roundelay.Task, asyncio.Future)
    assert issubclass(roundelay.Future, _asyncio.Future)
    assert issubclass(roundelay.Handle, asyncio.Handle)
    assert issubclass(roundelay.TimerHandle, asyncio.TimerHandle)
    assert issubclass(roundelay.TimerHandle, asyncio.Handle)
    assert issubclass(roundelay.EventLoop, asyncio.AbstractEventLoop)
    assert issubclass(roundelay.EventLoop, asyncio.BaseEventLoop)
    assert not issubclass(roundelay.Future, asyncio.Task)
    assert roundelay.Task.mro()[1] is asyncio.Task


def test_objects_are_instances_for_python_and_for_c() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(_nothing())
        future = loop.create_future()
        gathering = roundelay.gather(future)
        assert type(task) is roundelay.Task
        assert type(future) is roundelay.Future
        assert isinstance(gathering, asyncio.Future)
        handle, timer = loop.call_soon(_nothing), loop.call_later(1000, _nothing)
        assert isinstance(handle, asyncio.Handle)
        assert not isinstance(handle, asyncio.TimerHandle)
        assert isinstance(timer, asyncio.TimerHandle)
        handle.cancel()
        timer.cancel()
        for thing in (task, future, gathering):
            assert asyncio.isfuture(thing)
            assert isinstance(thing, Awaitable)
            assert inspect.isawaitable(thing)
        # C code that checks types itself takes them.
        _asyncio._register_task(task)
        _asyncio._unregister_task(task)
        future.set_result(None)
        await roundelay.gather(task, gathering)

    roundelay.run(main())


def test_functions_that_choose_by_type_choose_as_before() -> None:
    @functools.singledispatch
    def kind(thing: Any) -> str:
        return "something else"

    kind.register(asyncio.Task)(lambda thing: "a task")
    kind.register(asyncio.Future)(lambda thing: "a future")
    kind.register(asyncio.TimerHandle)(lambda thing: "a timer")

    def match(thing: Any) -> str:
        match thing:
            case asyncio.Task():
                return "a task"
            case asyncio.Future():
                return "a future"
        return "something else"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task, future, timer = loop.create_task(_nothing()), loop.create_future(), loop.call_later(1, _nothing)
        assert (kind(task), kind(future), kind(timer)) == ("a task", "a future", "a timer")
        assert (match(task), match(future), match(timer)) == ("a task", "a future", "something else")
        timer.cancel()
        await task

    roundelay.run(main())


def test_sleep_is_a_coroutine_function_and_gives_coroutines() -> None:
    if sys.version_info < (3, 14):
        assert asyncio.iscoroutinefunction(roundelay.sleep)
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(roundelay.sleep)
    assert roundelay.sleep.__name__ == "sleep"
    coro = roundelay.sleep(0)
    assert asyncio.iscoroutine(coro)
    assert isinstance(coro, Coroutine)
    assert inspect.isawaitable(coro)
    coro.close()
    assert str(inspect.signature(roundelay.sleep)) == str(inspect.signature(asyncio.sleep))


@same_on_both
def test_users_derive_futures(aio: ModuleType, see: Witness) -> None:
    class Request(aio.Future):  # type: ignore[misc, name-defined]
        def __init__(self, url: str, *, retries: int = 0, loop: Any = None) -> None:
            super().__init__(loop=loop)
            self.url = url
            self.retries = retries

        def set_result(self, result: Any) -> None:
            see("set_result", self.url, result)
            super().set_result(result)

        def cancel(self, msg: Any = None) -> bool:
            see("cancel", msg)
            return super().cancel(msg=msg)

        def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
            see("add_done_callback", len(args), sorted(kwargs))
            super().add_done_callback(*args, **kwargs)

    async def wait(request: Any) -> Any:
        return await request

    async def main() -> None:
        loop = asyncio.get_running_loop()
        request = Request("here", retries=2, loop=loop)
        request.note = "an attribute"  # type: ignore[attr-defined]
        see(request.url, request.retries, request)
        loop.call_soon(request.set_result, "answer")
        see(await request, await aio.gather(request, request))
        waiting = aio.create_task(wait(Request("there", loop=loop)), name="waits")
        await aio.sleep(0)
        waiting.cancel("no more")
        await see.attempt_await(waiting)
        see(isinstance(waiting, asyncio.Task), repr(waiting))

    see.run(main())


@same_on_both
def test_users_derive_tasks(aio: ModuleType, see: Witness) -> None:
    class Traced(aio.Task):  # type: ignore[misc, name-defined]
        __slots__ = ("extra",)

        def __init__(self, coro: Any, *, parent: Any = None, **kwargs: Any) -> None:
            super().__init__(coro, **kwargs)
            self.parent = parent
            self.extra = "slot"

        def cancel(self, msg: Any = None) -> bool:
            see(self.get_name(), "cancel", msg)
            return super().cancel(msg)

        def set_name(self, value: object) -> None:
            see("set_name", value)
            super().set_name(value)

        def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
            see("add_done_callback")
            super().add_done_callback(*args, **kwargs)

        def get_coro(self) -> Any:
            return super().get_coro()

    def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
        parent = asyncio.current_task(loop)
        return Traced(coro, loop=loop, parent=parent and parent.get_name(), **kwargs)

    async def work(number: int) -> int:
        await aio.sleep(0)
        return number

    async def main() -> None:
        task = aio.create_task(work(1), name="one")
        see(task.parent, task.extra, type(task).__name__)
        see(await task, await aio.gather(work(2), work(3)))
        async with asyncio.TaskGroup() as group:
            group.create_task(work(4))
        task = aio.create_task(aio.sleep(1000), name="sleeper")
        await aio.sleep(0)
        task.cancel("enough")
        await see.attempt_await(task)
        see(repr(asyncio.current_task()))

    loop = see.new_loop()
    loop.set_task_factory(factory)
    see(loop.get_task_factory() is factory)
    loop.run_until_complete(loop.create_task(main(), name="main"))


@same_on_both
def test_objects_have_attributes_and_weak_references(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gone: list[str] = []
        future, task = loop.create_future(), aio.create_task(_nothing(), name="task")
        handle, timer = loop.call_soon(print), loop.call_later(1000, print)
        gathering = aio.gather(aio.sleep(0))
        for name, thing in (("future", future), ("task", task), ("gathering", gathering)):
            thing.note = name
            see(thing.note)
            del thing.note
            see(hasattr(thing, "note"))
            see.attempt(getattr, thing, "note", "none")
        handle.cancel()
        timer.cancel()
        await aio.gather(task, gathering)
        references = [
            weakref.ref(thing, lambda _, name=name: gone.append(name))
            for name, thing in (("future", future), ("task", task), ("handle", handle), ("timer", timer))
        ]
        see(all(reference() is not None for reference in references))
        del future, task, handle, timer, gathering, thing
        await aio.sleep(0)
        gc.collect()
        see(sorted(gone), [reference() for reference in references])

    see.run(main())


@same_on_both
def test_copies_and_pickles_are_refused_alike(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        task = aio.create_task(_nothing())
        future = asyncio.get_running_loop().create_future()
        for thing in (task, future):
            for function in (pickle.dumps, copy.deepcopy):
                error = None
                try:
                    function(thing)
                except (TypeError, AttributeError, pickle.PicklingError) as raised:
                    error = raised
                # Which part of it is the first that cannot be pickled is nobody's promise.
                see(error is not None)
        await task
        future.cancel()

    see.run(main())


@same_on_both
def test_generic_aliases(aio: ModuleType, see: Witness) -> None:
    for class_ in (aio.Task, aio.Future):
        alias = class_[int]
        see(alias.__args__, alias.__origin__ is class_, class_[int] == class_[int])


@same_on_both
def test_public_names(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    coro = _nothing()
    task = loop.create_task(coro)
    for thing in (loop.create_future(), task, loop.call_soon(print), loop.call_later(1, print)):
        # Names that newer Pythons add to the base show here if ours lack them. (Handles had no get_context()
        # before 3.12; ours always have.)
        names = [name for name in dir(thing) if not name.startswith("__") and name != "get_context"]
        see(type(thing).__name__, names)
    loop.run_until_complete(task)


@same_on_both
def test_module_level_functions_exist(aio: ModuleType, see: Witness) -> None:
    for name in sorted(asyncio.__all__):
        see(name, hasattr(aio, name), getattr(getattr(aio, name, None), "__name__", None) is not None)


@same_on_both
def test_contexts_of_tasks(aio: ModuleType, see: Witness) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def child(value: str) -> str:
        before = variable.get()
        variable.set(value)
        await aio.sleep(0)
        assert variable.get() == value
        return before

    async def sees_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        if sys.version_info >= (3, 12):
            context = task.get_context()
            variable.set("set in a step")
            see(context[variable], task.get_context() is context)
            await aio.sleep(0)
            see(context[variable], variable.get(), task.get_context() is context)
            variable.set("set in another")
            see(context[variable])
        token = variable.set("to be reset")
        await aio.sleep(0)
        variable.reset(token)
        see(variable.get())

    async def main() -> None:
        variable.set("main")
        see(await aio.gather(child("a"), child("b")), variable.get())
        own = contextvars.copy_context()
        see(await aio.create_task(child("c"), context=own), own[variable], variable.get())
        see(await aio.create_task(child("d"), context=own), own[variable], variable.get())
        see(await child("e"), variable.get())
        await aio.create_task(sees_itself())
        see(variable.get())
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: (see("callback", variable.get()), variable.set("callback")))
        loop.call_soon(lambda: see("another callback", variable.get()))
        loop.call_soon(lambda: see("in a context", variable.get()), context=own)
        await aio.sleep(0)
        await aio.sleep(0)
        future = loop.create_future()
        future.add_done_callback(lambda done: see("done callback", variable.get()))
        future.add_done_callback(lambda done: see("done callback in a context", variable.get()), context=own)
        variable.set("after")
        future.set_result(None)
        await aio.sleep(0)
        see(variable.get())

    see.run(main())
    see(variable.get())


@same_on_both
def test_tasks_that_never_set_a_variable_do_not_see_each_other(aio: ModuleType, see: Witness) -> None:
    """Contexts that are shared until one changes must never leak a change."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=-1)

    async def sometimes(number: int) -> list[int]:
        seen = [variable.get()]
        for turn in range(4):
            await aio.sleep(0)
            if turn == number % 5:
                variable.set(number)
            seen.append(variable.get())
            if number in (3, 6):
                # A child sees what its parent has at this time, whatever it sets itself.
                seen += await aio.create_task(sometimes(number + 1))
            if number % 4 == 0:
                seen.append(contextvars.copy_context().run(variable.get))
        return seen

    async def main() -> None:
        see(await aio.gather(*(sometimes(number) for number in range(20))))
        variable.set(1000)
        see(await aio.gather(*(sometimes(number) for number in range(20))), variable.get())

    see.run(main())


@pytest.mark.parametrize("kind", ["future", "task", "bare sleep", "sleep", "gather"])
@same_on_both
def test_results_do_not_outlive_their_use(aio: ModuleType, see: Witness, kind: str) -> None:
    class Payload:
        pass

    async def wait(future: Any) -> Any:
        return await future

    async def get() -> Any:
        loop = asyncio.get_running_loop()
        if kind == "bare sleep":
            return await aio.sleep(0, Payload())
        if kind == "sleep":
            return await aio.sleep(0.0001, Payload())
        future = loop.create_future()
        loop.call_soon(future.set_result, Payload())
        if kind == "task":
            return await aio.create_task(wait(future))
        if kind == "gather":
            return (await aio.gather(future))[0]
        return await future

    async def main() -> None:
        results.append(weakref.ref(await get()))

    results: list[Any] = []
    loop = see.new_loop()
    loop.run_until_complete(main())
    # At once, not only when the loop runs again.
    see([result() is None for result in results])


@same_on_both
def test_the_end_of_an_await_is_an_exception_like_any_other(aio: ModuleType, see: Witness) -> None:
    class Payload:
        pass

    def next_of_a_finished_future() -> weakref.ref[Any]:
        local = Payload()
        future = loop.create_future()
        future.set_result("value")
        try:
            next(iter(future))
        except StopIteration as stop:
            see(stop.args, stop.value, repr(stop), stop.__context__)
        return weakref.ref(local)

    loop = see.new_loop()
    reference = next_of_a_finished_future()
    gc.collect()
    see(reference() is None)
