"""Stock and native tasks, futures and loops in one program, and asyncio with its names made native."""

import _asyncio
import asyncio
import subprocess
import sys
import textwrap
from asyncio import gather as gather_before
from asyncio import sleep as sleep_before
from collections.abc import Iterator
from typing import Any

import pytest
import roundelay

StockTask: Any = _asyncio.Task
StockFuture: Any = _asyncio.Future


class PythonFuture(asyncio.futures._PyFuture):  # type: ignore[name-defined, misc]
    """asyncio's future in pure Python."""


class PythonTask(asyncio.tasks._PyTask):  # type: ignore[name-defined, misc]
    """asyncio's task in pure Python."""


TASKS = {"native": roundelay.Task, "stock": StockTask}
FUTURES = {"native": roundelay.Future, "stock": StockFuture, "pure Python": PythonFuture}
LOOPS = {"native": roundelay.new_event_loop, "stock": asyncio.SelectorEventLoop}


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    yield
    roundelay.uninstall()


def run_on(kind: str, coro: Any) -> Any:
    """Run a coroutine as a native task's on a native loop, or as a stock task's on a stock loop."""
    loop = LOOPS[kind]()
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()


each_loop = pytest.mark.parametrize("loop_kind", LOOPS)
each_task = pytest.mark.parametrize("task_kind", TASKS)
each_future = pytest.mark.parametrize("future_kind", FUTURES)


@each_loop
@each_task
@each_future
def test_any_task_awaits_any_future_on_any_loop(loop_kind: str, task_kind: str, future_kind: str) -> None:
    async def wait(future: Any) -> Any:
        return await future

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # Done before it is awaited, and after.
        early, late = (FUTURES[future_kind](loop=loop) for _ in range(2))
        early.set_result("early")
        assert await TASKS[task_kind](wait(early), loop=loop) == "early"
        task = TASKS[task_kind](wait(late), loop=loop)
        await asyncio.sleep(0)
        assert task._fut_waiter is late
        late.set_result("late")
        assert await task == "late"
        # Failed, and cancelled from both sides.
        failing = FUTURES[future_kind](loop=loop)
        task = TASKS[task_kind](wait(failing), loop=loop)
        loop.call_soon(failing.set_exception, ValueError("wrong"))
        with pytest.raises(ValueError, match="wrong"):
            await task
        for cancel_the_task in (True, False):
            future = FUTURES[future_kind](loop=loop)
            task = TASKS[task_kind](wait(future), loop=loop)
            await asyncio.sleep(0)
            (task if cancel_the_task else future).cancel("message")
            with pytest.raises(asyncio.CancelledError, match="message"):
                await task
            assert future.cancelled()
            assert task.cancelled()

    run_on(loop_kind, main())


@each_loop
@each_task
def test_any_task_sleeps_natively_and_stock(loop_kind: str, task_kind: str) -> None:
    async def sleep_all_ways() -> list[Any]:
        return [
            await roundelay.sleep(0, "native, bare"),
            await asyncio.sleep(0, "stock, bare"),
            await roundelay.sleep(0.001, "native"),
            await asyncio.sleep(0.001, "stock"),
            await roundelay.create_task(roundelay.sleep(0.001, "native, as a task")),
            await asyncio.create_task(asyncio.sleep(0.001, "stock, as a task")),
        ]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await TASKS[task_kind](sleep_all_ways(), loop=loop) == [
            "native, bare",
            "stock, bare",
            "native",
            "stock",
            "native, as a task",
            "stock, as a task",
        ]
        for sleep in (roundelay.sleep, asyncio.sleep):
            task = TASKS[task_kind](sleep(1000), loop=loop)
            await asyncio.sleep(0)
            assert task.cancel("enough")
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await task

    run_on(loop_kind, main())


@each_loop
@pytest.mark.parametrize("gather", [roundelay.gather, asyncio.gather], ids=["native gather", "stock gather"])
def test_any_gather_takes_any_children(loop_kind: str, gather: Any) -> None:
    async def work(result: Any, turns: int = 1) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def children(last: Any) -> list[Any]:
            futures = [make(loop=loop) for make in FUTURES.values()]
            for turn, future in enumerate(futures):
                loop.call_soon(future.set_result, f"future {turn}")
            tasks = [make(work(f"task {turn}"), loop=loop) for turn, make in enumerate(TASKS.values())]
            return [*futures, *tasks, work("coroutine"), roundelay.sleep(0, "sleep"), work(last, turns=4)]

        expected = ["future 0", "future 1", "future 2", "task 0", "task 1", "coroutine", "sleep", "last"]
        assert await gather(*children("last")) == expected
        error = ValueError("wrong")
        assert await gather(*children(error), return_exceptions=True) == [*expected[:-1], error]
        with pytest.raises(ValueError, match="wrong"):
            await gather(*children(error))
        given = children("last")
        gathering = gather(*given)
        await asyncio.sleep(0)
        assert gathering.cancel("message")
        with pytest.raises(asyncio.CancelledError):
            await gathering
        await asyncio.sleep(0)
        assert not asyncio.all_tasks() - {asyncio.current_task()}

    run_on(loop_kind, main())


@each_loop
def test_all_tasks_and_current_task_see_both_kinds(loop_kind: str) -> None:
    async def look(seen: dict[str, Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        seen[task.get_name()] = asyncio.all_tasks()
        await asyncio.sleep(0)
        assert asyncio.current_task() is task

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: dict[str, Any] = {}
        tasks = {kind: make(look(seen), loop=loop, name=kind) for kind, make in TASKS.items()}
        everything = {asyncio.current_task(), *tasks.values()}
        assert asyncio.all_tasks() == everything
        assert asyncio.all_tasks(loop) == everything
        await asyncio.wait(tasks.values())
        assert seen == {"native": everything, "stock": everything}
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert roundelay.all_tasks is asyncio.all_tasks

    run_on(loop_kind, main())


@each_loop
def test_tasks_of_both_kinds_await_each_other(loop_kind: str) -> None:
    async def chain(makers: list[Any], end: Any) -> Any:
        if not makers:
            return await end
        make, *rest = makers
        return await make(chain(rest, end), loop=asyncio.get_running_loop())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        makers = [StockTask, roundelay.Task, PythonTask, StockTask, roundelay.Task, roundelay.Task]
        assert await chain(makers, roundelay.sleep(0, "the end")) == "the end"
        end = loop.create_future()
        head = roundelay.Task(chain(makers, end), loop=loop)
        for _ in range(10):
            await asyncio.sleep(0)
        head.cancel("through all of them")
        with pytest.raises(asyncio.CancelledError, match="through all of them"):
            await head
        assert end.cancelled()

    run_on(loop_kind, main())


@each_loop
def test_what_is_built_on_tasks_works_with_both(loop_kind: str) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(2)
        lock, event, semaphore = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2)
        got: list[int] = []

        async def produce() -> None:
            for number in range(6):
                async with semaphore:
                    await queue.put(number)
            event.set()

        async def consume() -> None:
            while len(got) < 6:
                async with asyncio.timeout(10), lock:
                    got.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(consume())
            stock = StockTask(produce(), loop=asyncio.get_running_loop())
            await asyncio.wait_for(event.wait(), 10)
        await stock
        assert got == list(range(6))
        both = [roundelay.create_task(roundelay.sleep(0)), StockTask(asyncio.sleep(1000))]
        done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(pending)) == (1, 1)
        for task in pending:
            task.cancel()
        results = [
            await first for first in asyncio.as_completed([roundelay.sleep(0, 1), asyncio.sleep(0.001, 2)])
        ]
        assert results == [1, 2]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(roundelay.sleep(1000), 0.001)
        assert await asyncio.shield(roundelay.create_task(roundelay.sleep(0, "shielded"))) == "shielded"

    run_on(loop_kind, main())


def test_a_task_factory_of_stock_tasks_on_a_native_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **kwargs: StockTask(coro, loop=loop, **kwargs))
        task = roundelay.create_task(roundelay.sleep(0, "slept"))
        assert type(task) is StockTask
        assert await roundelay.gather(task, roundelay.sleep(0.001, 2)) == ["slept", 2]
        loop.set_task_factory(None)
        assert type(roundelay.create_task(roundelay.sleep(0))) is roundelay.Task

    run_on("native", main())


def test_install_makes_the_names_native_and_uninstall_puts_them_back() -> None:
    names = ("sleep", "gather", "create_task", "ensure_future")
    before = {name: getattr(asyncio, name) for name in names}
    in_tasks = {name: getattr(asyncio.tasks, name) for name in names}
    codes = {name: before[name].__code__ for name in names if hasattr(before[name], "__code__")}

    async def main() -> tuple[Any, ...]:
        task = asyncio.create_task(asyncio.sleep(0.001, "slept"))
        return (
            type(asyncio.get_running_loop()),
            type(task),
            await task,
            await sleep_before(0.001, "by a name from before"),
            await gather_before(sleep_before(0, 1), asyncio.sleep(0, 2)),
        )

    for _ in range(2):
        roundelay.install()
        roundelay.install()
        for name in names:
            assert getattr(asyncio, name) is getattr(roundelay, name) or asyncio.iscoroutinefunction(
                before[name]
            )
        assert asyncio.run(main()) == (
            roundelay.EventLoop,
            roundelay.Task,
            "slept",
            "by a name from before",
            [1, 2],
        )
        roundelay.uninstall()
        roundelay.uninstall()
        for name in names:
            assert getattr(asyncio, name) is before[name]
            assert getattr(asyncio.tasks, name) is in_tasks[name]
        for name, code in codes.items():
            assert before[name].__code__ is code
        loop_type, task_type, *_ = asyncio.run(main())
        assert loop_type is not roundelay.EventLoop
        assert task_type is StockTask


def test_importing_changes_nothing() -> None:
    program = """
        import asyncio, sys
        def state():
            functions = [asyncio.sleep, asyncio.gather, asyncio.create_task, asyncio.run]
            codes = [(function, getattr(function, "__code__", None)) for function in functions]
            classes = [asyncio.Task, asyncio.Future, asyncio.Handle]
            return codes, classes, sorted(vars(asyncio)), sorted(vars(asyncio.tasks))
        before = state()
        import roundelay
        assert state() == before
        loop = asyncio.new_event_loop()
        assert not isinstance(loop, roundelay.EventLoop)
        loop.close()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_roundelay_stands_for_asyncio() -> None:
    namespace: dict[str, Any] = {}
    exec("import roundelay as asyncio", namespace)
    ours = namespace["asyncio"]
    assert [name for name in asyncio.__all__ if not hasattr(ours, name)] == []
    for module in ("events", "tasks", "futures", "locks", "queues", "exceptions"):
        assert getattr(ours, module) is getattr(asyncio, module)
    assert ours.CancelledError is asyncio.CancelledError
    with pytest.raises(AttributeError, match="module 'roundelay' has no attribute 'nonsense'"):
        _ = ours.nonsense


def test_policies_make_native_loops() -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("policies are deprecated")
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(roundelay.EventLoopPolicy())
    try:

        async def main() -> type:
            return type(asyncio.get_running_loop())

        assert asyncio.run(main()) is roundelay.EventLoop
        loop = asyncio.new_event_loop()
        assert type(loop) is roundelay.EventLoop
        loop.close()
    finally:
        asyncio.set_event_loop_policy(before)


def test_a_runner_takes_another_loop() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    with roundelay.Runner() as runner:
        assert runner.run(main()) is roundelay.EventLoop
    with roundelay.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(main()) is asyncio.SelectorEventLoop
    with asyncio.Runner(loop_factory=roundelay.new_event_loop) as runner:
        assert runner.run(main()) is roundelay.EventLoop


def test_loops_are_derived_by_users() -> None:
    class Counting(roundelay.EventLoop):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            self.calls = 0

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            self.calls += 1
            return super().call_soon(callback, *args, context=context)

    async def work() -> str:
        await asyncio.sleep(0)
        await roundelay.sleep(0)
        return "done"

    async def main() -> list[str]:
        future = asyncio.get_running_loop().create_future()
        roundelay.create_task(work()).add_done_callback(lambda done: future.set_result("later"))
        return [*await roundelay.gather(work(), work()), await future]

    loop = Counting("counting")
    assert loop.run_until_complete(main()) == ["done", "done", "later"]
    assert loop.name == "counting"
    # Every step, wakeup and callback goes through the user's method, as on asyncio.
    stock_calls = _calls_on_stock(main)
    loop.close()
    assert loop.calls == stock_calls


def _calls_on_stock(main: Any) -> int:
    class Counting(asyncio.SelectorEventLoop):
        calls = 0

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            self.calls += 1
            return super().call_soon(callback, *args, context=context)

    loop = Counting()
    assert loop.run_until_complete(main()) == ["done", "done", "later"]
    loop.close()
    return loop.calls


def test_all_tasks_sees_a_native_task_in_a_program_without_a_native_loop() -> None:
    program = """
        import asyncio, roundelay
        loop = asyncio.SelectorEventLoop()
        task = roundelay.Task(asyncio.sleep(0), loop=loop)
        assert asyncio.all_tasks(loop) == {task}, asyncio.all_tasks(loop)
        loop.run_until_complete(task)
        assert asyncio.all_tasks(loop) == set(), asyncio.all_tasks(loop)
        loop.close()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=30)
