"""install() and uninstall(): coordination under asyncio's own names, and whoever got hold of it before."""

import asyncio
import importlib
import inspect
import subprocess
import sys
import textwrap
import types
from asyncio import (
    Condition as ConditionBefore,
)
from asyncio import (
    Event as EventBefore,
)
from asyncio import (
    Lock as LockBefore,
)
from asyncio import (
    Queue as QueueBefore,
)
from asyncio import (
    Semaphore as SemaphoreBefore,
)
from asyncio import (
    TaskGroup as TaskGroupBefore,
)
from asyncio import (
    as_completed as as_completed_before,
)
from asyncio import (
    run_coroutine_threadsafe as run_coroutine_threadsafe_before,
)
from asyncio import (
    shield as shield_before,
)
from asyncio import (
    timeout as timeout_before,
)
from asyncio import (
    timeout_at as timeout_at_before,
)
from asyncio import (
    to_thread as to_thread_before,
)
from asyncio import (
    wait as wait_before,
)
from asyncio import (
    wait_for as wait_for_before,
)
from collections.abc import Iterator
from typing import Any

import pytest
import roundelay
from support.coordination import CLASSES, FUNCTIONS, turns

# In which module asyncio keeps each of them.
HOMES = {name: importlib.import_module(getattr(asyncio, name).__module__) for name in (*CLASSES, *FUNCTIONS)}
STOCK = {name: getattr(asyncio, name) for name in HOMES}
NATIVE = {name: getattr(roundelay, name) for name in HOMES}


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    yield
    roundelay.uninstall()


def run(coro: Any) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()


@pytest.mark.parametrize("name", HOMES)
def test_names_are_native_while_installed(name: str) -> None:
    home = HOMES[name]
    assert getattr(home, name) is STOCK[name]
    for _ in range(2):
        roundelay.install()
        roundelay.install()
        assert getattr(asyncio, name) is NATIVE[name]
        assert getattr(home, name) is NATIVE[name]
        roundelay.uninstall()
        assert getattr(asyncio, name) is STOCK[name]
        assert getattr(home, name) is STOCK[name]
        roundelay.uninstall()


def test_modules_of_asyncio_are_as_before() -> None:
    """Every name of every module, and the code of every function: all is put back."""

    def names() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for module_name, module in sorted(sys.modules.items()):
            if module_name.split(".")[0] != "asyncio":
                continue
            for name, value in vars(module).items():
                if name.startswith(("__roundelay", "__warningregistry")):
                    continue
                found[f"{module_name}.{name}"] = value
                if isinstance(value, types.FunctionType):
                    found[f"{module_name}.{name}()"] = (
                        value.__code__,
                        value.__defaults__,
                        value.__kwdefaults__,
                    )
        return found

    roundelay.install()  # what is made once may stay
    roundelay.uninstall()
    before = names()
    roundelay.install()
    changed = {name for name, value in names().items() if before.get(name) is not value}
    roundelay.uninstall()
    after = names()
    assert changed
    assert before.keys() == after.keys()
    # Policies are values of their own.
    assert [name for name in before if before[name] != after[name] and "policy" not in name] == []


@pytest.mark.parametrize("name", [name for name in HOMES if name in CLASSES])
def test_isinstance_holds_for_classes_imported_earlier(name: str) -> None:
    make = {"Barrier": lambda class_: class_(2), "Timeout": lambda class_: class_(None)}
    earlier = STOCK[name]
    roundelay.install()
    thing = make.get(name, lambda class_: class_())(getattr(asyncio, name))
    assert isinstance(thing, earlier)
    assert issubclass(getattr(asyncio, name), earlier)


def test_relatives_stay_relatives() -> None:
    roundelay.install()
    assert issubclass(asyncio.PriorityQueue, asyncio.Queue)
    assert issubclass(asyncio.LifoQueue, asyncio.Queue)
    assert issubclass(asyncio.BoundedSemaphore, asyncio.Semaphore)
    assert isinstance(asyncio.LifoQueue(), QueueBefore)
    for error in ("QueueEmpty", "QueueFull", "BrokenBarrierError", "TimeoutError", "CancelledError"):
        assert getattr(asyncio, error) is getattr(roundelay, error)


def test_what_is_derived_before_is_used_after() -> None:
    class Derived(asyncio.Lock):
        pass

    class Items(asyncio.Queue):  # type: ignore[type-arg]
        def _put(self, item: Any) -> None:
            super()._put(item * 2)

    roundelay.install()

    async def main() -> Any:
        lock, items = Derived(), Items()
        async with lock:
            task = asyncio.create_task(lock.acquire())
            await turns(asyncio)
            items.put_nowait(2)
        return await task, await items.get()

    assert run(main()) == (True, 4)


async def use_everything(things: dict[str, Any]) -> list[Any]:
    """Waits and wake-ups over each of the things, by tasks of this loop."""
    seen: list[Any] = []
    lock, event, condition = things["Lock"], things["Event"], things["Condition"]
    semaphore, barrier, queue = things["Semaphore"], things["Barrier"], things["Queue"]

    async def notified() -> Any:
        async with condition:
            return await condition.wait()

    await lock.acquire()
    waits = [lock.acquire, event.wait, notified, semaphore.acquire, barrier.wait, queue.get]
    tasks = [asyncio.create_task(wait()) for wait in waits]
    doomed = [asyncio.create_task(wait()) for wait in waits if wait != barrier.wait]
    await turns(asyncio, 2)
    for task in doomed:
        task.cancel()
    await turns(asyncio, 2)
    seen += [task.cancelled() for task in doomed]
    lock.release()
    event.set()
    async with condition:
        condition.notify_all()
    semaphore.release()
    seen.append(await barrier.wait())
    queue.put_nowait("item")
    async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(asyncio.wait_for(task, 1000))
    done, pending = await asyncio.wait(tasks)
    seen.append((len(done), len(pending)))
    seen += [task.result() for task in tasks]
    seen += [await asyncio.shield(tasks[-1])]
    seen += [len([await one for one in asyncio.as_completed(tasks)])]
    return seen


def make_everything() -> dict[str, Any]:
    return {
        "Lock": asyncio.Lock(), "Event": asyncio.Event(), "Condition": asyncio.Condition(),
        "Semaphore": asyncio.Semaphore(0), "Barrier": asyncio.Barrier(2), "Queue": asyncio.Queue(),
    }  # fmt: skip


EXPECTED = [True] * 5 + [1, (6, 0), True, True, True, True, 0, "item", "item", 6]


@pytest.mark.parametrize("made", ["while installed", "while not installed"])
@pytest.mark.parametrize("used", ["while installed", "while not installed"])
def test_objects_made_before_work_after(made: str, used: str) -> None:
    if made == "while installed":
        roundelay.install()
    things = make_everything()
    if used == "while installed":
        roundelay.install()
    else:
        roundelay.uninstall()
    assert run(use_everything(things)) == EXPECTED


@pytest.mark.parametrize("first", ["stock", "native"])
def test_installed_and_uninstalled_while_tasks_wait(first: str) -> None:
    async def main() -> list[Any]:
        things = make_everything()
        tasks = [asyncio.create_task(things["Event"].wait()), asyncio.create_task(things["Queue"].get())]
        group = asyncio.TaskGroup()
        await group.__aenter__()
        group.create_task(asyncio.sleep(0))
        timeout = asyncio.timeout(1000)
        await timeout.__aenter__()
        await turns(asyncio, 2)
        if first == "stock":
            roundelay.install()
        else:
            roundelay.uninstall()
        things["Event"].set()
        things["Queue"].put_nowait("item")
        await timeout.__aexit__(None, None, None)
        await group.__aexit__(None, None, None)
        done, _ = await asyncio.wait(tasks)
        del things["Event"], things["Queue"]
        return [len(done), *(await asyncio.wait_for(asyncio.gather(*tasks), 1000))]

    if first == "native":
        roundelay.install()
    assert run(main()) == [2, True, "item"]


def test_a_condition_of_one_kind_over_a_lock_of_the_other() -> None:
    stock_lock = asyncio.Lock()
    roundelay.install()
    native_lock = asyncio.Lock()
    conditions = [asyncio.Condition(stock_lock), ConditionBefore(native_lock)]

    async def main() -> list[Any]:
        results = []
        for condition in conditions:

            async def wait(condition: Any = condition) -> Any:
                async with condition:
                    return await condition.wait()

            task = asyncio.create_task(wait())
            await turns(asyncio, 2)
            async with condition:
                condition.notify()
            results.append(await task)
        return results

    assert run(main()) == [True, True]


# What was imported before is the stock function still, and does what the native one does.


def test_functions_imported_before_serve() -> None:
    roundelay.install()

    async def work(result: Any, count: int = 1) -> Any:
        await turns(asyncio, count)
        return result

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(work(number, number + 1)) for number in range(3)]
        done, pending = await wait_before(tasks, timeout=1000, return_when=asyncio.FIRST_COMPLETED)
        assert 0 in {task.result() for task in done}
        assert len(done) + len(pending) == 3
        assert await wait_for_before(work("in time"), 1000) == "in time"
        assert await wait_for_before(work("in time"), timeout=None) == "in time"
        with pytest.raises(TimeoutError):
            await wait_for_before(asyncio.sleep(1000), 0.001)
        assert await shield_before(work("shielded")) == "shielded"
        assert sorted([await one for one in as_completed_before(tasks, timeout=1000)]) == [0, 1, 2]
        if sys.version_info >= (3, 13):
            assert {one.result() async for one in as_completed_before(tasks)} == {0, 1, 2}
        with pytest.raises(TimeoutError):
            async with timeout_before(0.001):
                await asyncio.sleep(1000)
        with pytest.raises(TimeoutError):
            async with timeout_at_before(loop.time()):
                await asyncio.sleep(1000)
        assert await to_thread_before(lambda *args, **kwargs: (args, kwargs), 1, func=2) == (
            (1,),
            {"func": 2},
        )
        foreign = run_coroutine_threadsafe_before(work("safe"), loop)
        assert await asyncio.wrap_future(foreign) == "safe"
        async with TaskGroupBefore() as group:
            group.create_task(work("child"))
        await loop.shutdown_default_executor()

    run(main())


def test_classes_imported_before_serve() -> None:
    roundelay.install()
    things = make_everything()
    before = {"Lock": LockBefore(), "Event": EventBefore(), "Condition": ConditionBefore(),
              "Semaphore": SemaphoreBefore(0), "Queue": QueueBefore()}  # fmt: skip
    assert run(use_everything({**things, **before})) == EXPECTED


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_keep_their_faces(name: str) -> None:
    """Signatures, kinds and documentation of the names, installed or not."""

    def face(function: Any) -> Any:
        return (
            [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()],
            inspect.iscoroutinefunction(function),
            function.__name__,
            function.__qualname__,
            function.__module__.split(".")[0] in ("asyncio", "roundelay"),
            bool(function.__doc__),
        )

    expected = face(STOCK[name])
    roundelay.install()
    assert face(getattr(asyncio, name)) == expected
    assert face(STOCK[name]) == expected
    roundelay.uninstall()
    assert face(STOCK[name]) == expected


async def _one(aio: Any) -> Any:
    await aio.sleep(0)
    return "one"


async def _call_wait() -> None:
    await wait_before([asyncio.create_task(_one(asyncio))])


async def _call_as_completed() -> None:
    for awaitable in as_completed_before([_one(asyncio)]):
        await awaitable


async def _call_timeout() -> None:
    async with timeout_before(1000):
        await asyncio.sleep(0)


async def _call_timeout_at() -> None:
    async with timeout_at_before(None):
        await asyncio.sleep(0)


async def _call_to_thread() -> None:
    await to_thread_before(int)
    await asyncio.get_running_loop().shutdown_default_executor()


async def _call_run_coroutine_threadsafe() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.wrap_future(run_coroutine_threadsafe_before(_one(asyncio), loop))


CALLS: dict[str, Any] = {
    "wait": _call_wait,
    "wait_for": lambda: wait_for_before(_one(asyncio), 1000),
    "shield": lambda: shield_before(_one(asyncio)),
    "as_completed": _call_as_completed,
    "timeout": _call_timeout,
    "timeout_at": _call_timeout_at,
    "to_thread": _call_to_thread,
    "run_coroutine_threadsafe": _call_run_coroutine_threadsafe,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_imported_before_run_native_code(name: str) -> None:
    """None of asyncio's own frames that the stock function runs in is seen."""
    if NATIVE[name] is STOCK[name]:
        pytest.skip(f"{name} is asyncio's own here")

    def frames() -> set[str]:
        seen: set[str] = set()

        def profile(frame: types.FrameType, event: str, _: Any) -> None:
            file = frame.f_code.co_filename.replace("\\", "/")
            if event == "call" and file.endswith(
                ("asyncio/tasks.py", "asyncio/timeouts.py", "asyncio/threads.py")
            ):
                seen.add(frame.f_code.co_qualname)

        async def main() -> None:
            sys.setprofile(profile)
            try:
                # A task of its own, for timeouts.
                await asyncio.create_task(call())
            finally:
                sys.setprofile(None)

        async def call() -> None:
            await CALLS[name]()

        run(main())
        return seen

    assert name in frames()
    roundelay.install()
    # asyncio's own executor is what runs threads, and its futures are wrapped as ever.
    assert {
        one for one in frames() if one.split(".")[0] in (name, f"_{name}", "Timeout", "_AsCompletedIterator")
    } == set()


def test_install_in_a_program_that_has_imported_everything() -> None:
    program = """
        import asyncio, asyncio.locks, asyncio.queues, asyncio.taskgroups, asyncio.timeouts, asyncio.tasks
        import asyncio.threads, asyncio.streams, asyncio.subprocess, asyncio.runners, asyncio.staggered
        import roundelay

        roundelay.install()

        async def main():
            # asyncio's own modules take what they need from each other: streams and Runner go on.
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(30):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\\n")
                await writer.drain()
                print((await reader.readline()).decode().strip())
                writer.close()
                await writer.wait_closed()
                server.close()
                await asyncio.wait_for(server.wait_closed(), 30)

        async def serve(reader, writer):
            writer.write((await asyncio.wait_for(reader.readline(), 30)).upper())
            await writer.drain()
            writer.close()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout.strip(), done.stderr) == ("HELLO", "")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_eager_tasks_are_native_while_installed() -> None:
    factory = asyncio.eager_task_factory

    def made() -> type:
        async def child() -> None:
            await asyncio.sleep(0)

        async def main() -> type:
            asyncio.get_running_loop().set_task_factory(factory)
            task = asyncio.create_task(child())
            await task
            return type(task)

        with asyncio.Runner(loop_factory=roundelay.new_event_loop) as runner:
            return runner.run(main())

    assert made() is asyncio.Task
    roundelay.install()
    assert made() is roundelay.Task
    assert asyncio.eager_task_factory is factory
    roundelay.uninstall()
    assert made() is asyncio.Task
