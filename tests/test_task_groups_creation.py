"""What create_task() of a group takes and refuses, and groups used at the wrong time."""

import asyncio
import contextvars
import sys
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import forever, same_in_every_mixture, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def _nothing() -> str:
    return VARIABLE.get()


@same_in_every_mixture
def test_names_and_contexts(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        context = contextvars.copy_context()
        context.run(VARIABLE.set, "in a context")
        async with aio.TaskGroup() as group:
            named = group.create_task(_nothing(), name="a name")
            numbered = group.create_task(_nothing(), name=1)
            unnamed = group.create_task(_nothing())
            elsewhere = group.create_task(_nothing(), context=context, name="elsewhere")
            none = group.create_task(_nothing(), context=None, name=None)
            VARIABLE.set("too late")
            see(named.get_name(), numbered.get_name(), elsewhere.get_name(), named)
        see([task.result() for task in (named, numbered, unnamed, elsewhere, none)])

    see.run(main())


@same_in_every_mixture
def test_wrong_arguments(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see.attempt(aio.TaskGroup, 1)
        see.attempt(lambda: aio.TaskGroup(loop=None))
        async with aio.TaskGroup() as group:
            see.attempt(group.create_task)
            for thing in (1, None, _nothing, asyncio.get_running_loop().create_future()):
                see.attempt(group.create_task, thing)
            coro = _nothing()
            see.attempt(group.create_task, coro, "a name")
            coro.close()
            see(len(group._tasks))

    see.run(main())


@pytest.mark.parametrize("keyword", ["eager_start", "nonsense", "loop"])
@same_in_every_mixture
def test_keywords_of_other_versions(aio: ModuleType, see: Witness, keyword: str) -> None:
    async def main() -> None:
        async with aio.TaskGroup() as group:
            coro = _nothing()
            error = None
            try:
                task = group.create_task(coro, **{keyword: None if keyword == "loop" else True})
            except TypeError as raised:
                error = raised
                coro.close()
            else:
                see(task.done())
                await task
            # The words are those of whoever refuses it in the end.
            see(keyword, error is None)

    see.run(main())


@pytest.mark.skipif(sys.version_info < (3, 14), reason="keywords go to the loop since 3.14")
@same_in_every_mixture
def test_keywords_go_to_the_task_factory(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
            see(sorted(kwargs))
            kwargs.pop("special", None)
            return aio.Task(coro, loop=loop, **kwargs)

        asyncio.get_running_loop().set_task_factory(factory)
        async with aio.TaskGroup() as group:
            group.create_task(_nothing(), special=1, name="named")
            group.create_task(_nothing())

    see.run(main())


@same_in_every_mixture
def test_a_task_factory_makes_the_children(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        made: list[Any] = []

        def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
            task = aio.Task(coro, loop=loop, **kwargs)
            made.append(task)
            return task

        asyncio.get_running_loop().set_task_factory(factory)
        async with aio.TaskGroup() as group:
            task = group.create_task(_nothing(), name="child")
            see(made[0] is task, task in group._tasks)
        asyncio.get_running_loop().set_task_factory(None)

        def fails(loop: Any, coro: Any, **kwargs: Any) -> Any:
            coro.close()
            raise RuntimeError("no tasks today")

        asyncio.get_running_loop().set_task_factory(fails)
        async with aio.TaskGroup() as group:
            see.attempt(group.create_task, _nothing())
        asyncio.get_running_loop().set_task_factory(None)
        see(group)

    see.run(main())


@same_in_every_mixture
def test_before_it_is_entered_and_after_it_has_ended(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        group = aio.TaskGroup()
        coro = _nothing()
        see.attempt(group.create_task, coro)
        coro.close()
        async with group:
            pass
        coro = _nothing()
        see.attempt(group.create_task, coro)
        coro.close()

        async def enter_again() -> None:
            async with group:
                see("entered again")

        await see.attempt_await(enter_again())

        async def enter_twice() -> None:
            async with aio.TaskGroup() as inner:
                async with inner:
                    see("entered twice")

        await see.attempt_await(enter_twice())

    see.run(main())


@same_in_every_mixture
def test_while_it_is_shutting_down(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def fails() -> None:
            raise ValueError("child")

        async def run() -> None:
            async with aio.TaskGroup() as group:
                group.create_task(fails())
                try:
                    await forever(aio)
                finally:
                    see(group)
                    coro = _nothing()
                    see.attempt(group.create_task, coro)
                    coro.close()

        await see.attempt_await(run())

    see.run(main())


@same_in_every_mixture
def test_outside_of_a_task(aio: ModuleType, see: Witness) -> None:
    def drive(coro: Any) -> None:
        try:
            see.attempt(coro.send, None)
        finally:
            coro.close()

    group = aio.TaskGroup()
    see(group)
    drive(group.__aenter__())
    loop = see.new_loop()
    loop.call_soon(lambda: drive(aio.TaskGroup().__aenter__()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    coro = _nothing()
    see.attempt(group.create_task, coro)
    coro.close()


@same_in_every_mixture
def test_shown_states(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        group = aio.TaskGroup()
        see(group)
        try:
            async with group:
                see(group)
                task = group.create_task(forever(aio))
                see(group)

                async def fails() -> None:
                    raise ValueError("child")

                task.add_done_callback(lambda _: see(group))
                group.create_task(fails())
                await turns(aio)
                see(group)
                await turns(aio)
        except ExceptionGroup as error:
            see(error)
        see(group)

    see.run(main())


@same_in_every_mixture
def test_children_made_by_others(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async with aio.TaskGroup() as group:

            async def other() -> None:
                task = group.create_task(_nothing(), name="by another task")
                see(await task)

            await aio.create_task(other())
            asyncio.get_running_loop().call_soon(lambda: group.create_task(_nothing(), name="by a callback"))
            await turns(aio, 3)
        see(group)

    see.run(main())


@same_in_every_mixture
def test_a_derived_group(aio: ModuleType, see: Witness) -> None:
    class Collecting(aio.TaskGroup):  # type: ignore[misc, name-defined]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            self.results: list[Any] = []

        async def __aenter__(self) -> Any:
            see("enters", self.name)
            return await super().__aenter__()

        async def __aexit__(self, *error: object) -> Any:
            see("leaves", self.name, error[0])
            try:
                return await super().__aexit__(*error)
            finally:
                see("left", self.results)

        def create_task(self, coro: Any, **kwargs: Any) -> Any:
            task = super().create_task(coro, **kwargs)
            task.add_done_callback(lambda done: self.results.append(done.result()))
            return task

    async def main() -> None:
        async with Collecting("group") as group:
            group.create_task(_nothing(), name="child")
            see(group, isinstance(group, aio.TaskGroup))

    see.run(main())


@same_in_every_mixture
def test_a_hundred_children(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def child(number: int) -> int:
            await turns(aio, number % 3)
            return number

        async with aio.TaskGroup() as group:
            tasks = [group.create_task(child(number)) for number in range(100)]
        see(sum(task.result() for task in tasks), len(group._tasks), group)

        async def fails(number: int) -> None:
            await turns(aio, 1)
            raise ValueError(number)

        error = await see.attempt_await(group_of(fails))
        see(len(error.exceptions))

    async def group_of(function: Any) -> None:
        async with aio.TaskGroup() as group:
            for number in range(100):
                group.create_task(function(number))

    see.run(main())


@same_in_every_mixture
def test_generators_that_hold_a_group(aio: ModuleType, see: Witness) -> None:
    async def ticks() -> Any:
        async with aio.TaskGroup() as group:
            for number in range(3):
                group.create_task(_nothing())
                yield number
        see("group ends", group)

    async def main() -> None:
        see([number async for number in ticks()])

    see.run(main())
