"""Task groups: results, errors and cancellations of children and bodies, and what comes out of the group.

A group cancels its children in no order, since it keeps them in a set. So no program here has two at a time
whose ends would show that.
"""

import asyncio
import gc
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import forever, same_in_every_mixture, turns


class End(BaseException):
    """Ends whatever it passes."""


async def _work(aio: Any, see: Any, name: str, turns_left: int, result: Any = None) -> Any:
    try:
        await turns(aio, turns_left)
    except asyncio.CancelledError as error:
        see(name, "cancelled", error, asyncio.current_task().cancelling())
        raise
    see(name, "ends")
    if isinstance(result, BaseException):
        raise result
    return name if result is None else result


async def _attempt_group(aio: Any, see: Any, body: Any) -> None:
    """Run a body in a group, and take down how the group ended."""
    group = aio.TaskGroup()
    try:
        async with group as entered:
            see(entered is group)
            await body(group)
            see("body ends")
    except BaseException as error:
        see("raised", error, [type(one).__name__ for one in getattr(error, "exceptions", ())])
    else:
        see("no error")
    see(group, asyncio.current_task().cancelling())


@same_in_every_mixture
def test_results(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async with aio.TaskGroup() as group:
            tasks = [group.create_task(_work(aio, see, f"task {count}", count)) for count in (2, 0, 1)]
            see(len(group._tasks), [task.done() for task in tasks])
        see([task.result() for task in tasks], group)
        async with aio.TaskGroup():
            pass
        async with aio.TaskGroup() as group:
            task = group.create_task(_work(aio, see, "early", 1))
            see(await task)
        see("all done")

    see.run(main())


ENDS: dict[str, Any] = {
    "nothing": None,
    "ValueError": lambda: ValueError("wrong"),
    "CancelledError": lambda: asyncio.CancelledError("its own"),
    "ExceptionGroup": lambda: ExceptionGroup("group", [ValueError("in it")]),
    "BaseException": lambda: End("end"),
    "GeneratorExit": lambda: GeneratorExit("exit"),
}


@pytest.mark.parametrize("child", ENDS)
@pytest.mark.parametrize("body", ENDS)
@same_in_every_mixture
def test_bodies_and_children_that_fail(aio: ModuleType, see: Witness, body: str, child: str) -> None:
    async def main() -> None:
        for child_first in (True, False):
            for body_waits in (True, False):

                async def run(
                    group: Any, child_first: bool = child_first, body_waits: bool = body_waits
                ) -> None:
                    if ENDS[child]:
                        group.create_task(_work(aio, see, "fails", 0 if child_first else 2, ENDS[child]()))
                    else:
                        group.create_task(forever(aio) if ENDS[body] else _work(aio, see, "works", 1))
                    try:
                        if body_waits:
                            await turns(aio, 3)
                    except asyncio.CancelledError as error:
                        see("body cancelled", error, asyncio.current_task().cancelling())
                        raise
                    if ENDS[body]:
                        end = ENDS[body]()
                        raise end

                await _attempt_group(aio, see, run)

    see.run(main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("who", ["the body", "a child", "both"])
@same_in_every_mixture
def test_errors_that_end_the_program(
    aio: ModuleType, see: Witness, who: str, error: type[BaseException]
) -> None:
    async def main() -> None:
        async def run(group: Any) -> None:
            if who != "the body":
                group.create_task(_work(aio, see, "child", 0, error("child")), name="child")
                await turns(aio, 2)
            group.create_task(_work(aio, see, "bystander", 5), name="bystander")
            await turns(aio)
            if who != "a child":
                raise error("body")
            await turns(aio, 3)

        await _attempt_group(aio, see, run)

    # What ends the program leaves the loop at once; the rest runs when it is run again.
    loop = see.new_loop()
    task = loop.create_task(main(), name="main")
    for _ in range(4):
        if not task.done():
            see.attempt(loop.run_until_complete, task)
    see(task)


@same_in_every_mixture
def test_many_fail_at_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def run(group: Any) -> None:
            for number in range(4):
                group.create_task(_work(aio, see, f"task {number}", 1, ValueError(number)))
            await forever(aio)

        await _attempt_group(aio, see, run)

        async def fails_late(group: Any) -> None:
            async def fails_when_cancelled() -> None:
                try:
                    await forever(aio)
                except asyncio.CancelledError:
                    raise KeyError("when cancelled") from None

            group.create_task(fails_when_cancelled())
            await aio.sleep(0)
            group.create_task(_work(aio, see, "first", 1, ValueError("first")))
            await forever(aio)

        await _attempt_group(aio, see, fails_late)

    see.run(main())


@same_in_every_mixture
def test_cancelled_children_are_no_errors(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def run(group: Any) -> None:
            task = group.create_task(forever(aio), name="child")
            await turns(aio)
            task.cancel("by the body")
            await see.attempt_await(task)
            group.create_task(_work(aio, see, "next", 1))

        await _attempt_group(aio, see, run)

    see.run(main())


@pytest.mark.parametrize("moment", range(5))
@pytest.mark.parametrize("child", ["obeys", "resists", "fails"])
@same_in_every_mixture
def test_cancelled_from_outside(aio: ModuleType, see: Witness, child: str, moment: int) -> None:
    """Before the body begins, in the body, and while the group waits for its child."""

    async def main() -> None:
        async def live() -> None:
            try:
                await forever(aio)
            except asyncio.CancelledError as error:
                see("child cancelled", error)
                if child == "fails":
                    raise ValueError("instead") from None
                if child == "obeys":
                    raise
                await turns(aio, 3)

        async def run(group: Any) -> None:
            group.create_task(live(), name="child")
            await turns(aio, 2)

        async def outer() -> str:
            await _attempt_group(aio, see, run)
            await aio.sleep(0)
            return "went on"

        task = aio.create_task(outer(), name="outer")
        await turns(aio, moment)
        see(task.cancel("from outside"))
        await turns(aio)
        see(task.cancelling(), task.done())
        await see.attempt_await(task)
        see(task.cancelling())

    see.run(main())


@pytest.mark.parametrize("times", [1, 2, 3])
@same_in_every_mixture
def test_cancelled_again_while_it_ends(aio: ModuleType, see: Witness, times: int) -> None:
    async def main() -> None:
        async def slow_to_end() -> None:
            try:
                await forever(aio)
            except asyncio.CancelledError:
                await turns(aio, 6)
                raise

        async def outer() -> None:
            async def run(group: Any) -> None:
                group.create_task(slow_to_end(), name="slow")
                await turns(aio)

            await _attempt_group(aio, see, run)

        task = aio.create_task(outer(), name="outer")
        await turns(aio, 3)
        for time in range(times):
            task.cancel(f"cancel {time}")
            await turns(aio)
        await see.attempt_await(task)
        see(task.cancelling())

    see.run(main())


@pytest.mark.parametrize("order", ["fails, cancelled", "cancelled, fails"])
@same_in_every_mixture
def test_a_child_fails_and_somebody_cancels(aio: ModuleType, see: Witness, order: str) -> None:
    async def main() -> None:
        for between in range(3):
            future = asyncio.get_running_loop().create_future()

            async def outer(future: Any = future) -> None:
                async def run(group: Any) -> None:
                    async def child() -> None:
                        await future

                    group.create_task(child(), name="child")
                    await forever(aio)

                await _attempt_group(aio, see, run)

            task = aio.create_task(outer(), name="outer")
            await turns(aio, 3)
            for step in order.split(", "):
                if step == "fails":
                    if not future.done():
                        future.set_exception(ValueError("child"))
                else:
                    task.cancel("from outside")
                await turns(aio, between)
            await see.attempt_await(task)
            see(between, task.cancelling())

    see.run(main())


@same_in_every_mixture
def test_cancelled_by_the_body_itself(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for with_child in (False, True):

            async def outer(with_child: bool = with_child) -> None:
                async def run(group: Any) -> None:
                    if with_child:
                        group.create_task(_work(aio, see, "child", 2))
                    asyncio.current_task().cancel("by itself")

                await _attempt_group(aio, see, run)
                await aio.sleep(0)

            task = aio.create_task(outer(), name="outer")
            await see.attempt_await(task)
            see(task.cancelling())

    see.run(main())


@pytest.mark.parametrize(
    "fails", ["the inner child", "the outer child", "the inner body", "the outer body", "both"]
)
@same_in_every_mixture
def test_nested(aio: ModuleType, see: Witness, fails: str) -> None:
    async def main() -> None:
        async def run(outer: Any) -> None:
            if fails in ("the outer child", "both"):
                outer.create_task(_work(aio, see, "outer child", 2, ValueError("outer child")))
            try:
                async with aio.TaskGroup() as inner:
                    if fails in ("the inner child", "both"):
                        inner.create_task(_work(aio, see, "inner child", 2, ValueError("inner child")))
                    else:
                        inner.create_task(_work(aio, see, "inner bystander", 4))
                    if fails == "the inner body":
                        raise KeyError("inner body")
                    await turns(aio, 3)
            finally:
                see("inner group ends", inner, asyncio.current_task().cancelling())
            if fails == "the outer body":
                raise KeyError("outer body")
            await turns(aio, 2)

        await _attempt_group(aio, see, run)

    see.run(main())


@same_in_every_mixture
def test_children_that_have_children(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def spawn(group: Any, depth: int) -> int:
            if depth:
                group.create_task(spawn(group, depth - 1), name=f"depth {depth - 1}")
                await aio.sleep(0)
            see(depth, len(group._tasks))
            return depth

        async with aio.TaskGroup() as group:
            group.create_task(spawn(group, 4), name="depth 4")
        see(group)

        async def late(group: Any) -> None:
            await turns(aio, 2)
            group.create_task(_work(aio, see, "while the group waits", 2))

        async with aio.TaskGroup() as group:
            group.create_task(late(group))

    see.run(main())


@same_in_every_mixture
def test_who_runs_when(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        trace: list[str] = []

        async def child(name: str, count: int) -> None:
            for turn in range(count):
                trace.append(f"{name} {turn}")
                await aio.sleep(0)
            trace.append(f"{name} ends")

        async def outer() -> None:
            async with aio.TaskGroup() as group:
                group.create_task(child("a", 1))
                group.create_task(child("b", 2))
                trace.append("body")
                await aio.sleep(0)
                trace.append("body ends")
            trace.append("group ends")

        task = aio.create_task(outer())
        for turn in range(7):
            trace.append(f"-- {turn}")
            await turns(aio)
        await task
        see(trace)

    see.run(main())


@same_in_every_mixture
def test_errors_are_reported_once(aio: ModuleType, see: Witness) -> None:
    """A child that fails after the parent is done tells the loop's exception handler."""

    async def main() -> None:
        group = aio.TaskGroup()

        async def outer() -> None:
            await group.__aenter__()
            group.create_task(_work(aio, see, "child", 3, ValueError("nobody waits")), name="child")

        await aio.create_task(outer(), name="outer")
        await turns(aio, 5)
        see(group)
        gc.collect()

    see.run(main())


@same_in_every_mixture
def test_the_group_by_hand(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        group = aio.TaskGroup()
        see(await group.__aenter__() is group)
        group.create_task(_work(aio, see, "child", 2))
        see(await group.__aexit__(None, None, None), group)
        group = aio.TaskGroup()
        await group.__aenter__()
        group.create_task(forever(aio))
        error = ValueError("told")
        await see.attempt_await(group.__aexit__(ValueError, error, None))
        see(group)

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
@pytest.mark.parametrize("ends", ["returns", "fails", "waits", "waits and fails", "is cancelled"])
@same_in_every_mixture
def test_children_that_start_at_once(aio: ModuleType, see: Witness, ends: str) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(aio.eager_task_factory)

        async def child() -> str:
            see("child begins", asyncio.current_task().get_name())
            if "waits" in ends:
                await aio.sleep(0)
            if "fails" in ends:
                raise ValueError("child")
            if ends == "is cancelled":
                raise asyncio.CancelledError("child")
            return "result"

        async def run(group: Any) -> None:
            task = group.create_task(child(), name="child")
            see(task, len(group._tasks))
            await turns(aio, 2)
            see("body goes on")

        await _attempt_group(aio, see, run)
        asyncio.get_running_loop().set_task_factory(None)

    see.run(main())
