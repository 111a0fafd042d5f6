"""What random programs found to differ from asyncio, each as a scenario of its own.

tests/fuzz made the programs. A difference that was in the fuzzer itself has no test here.
"""

import asyncio
import contextlib
from types import ModuleType

from support.both import Witness
from support.coordination import same_in_every_mixture, turns


class Oops(Exception):
    pass


async def _fail(text: str) -> None:
    raise Oops(text)


@same_in_every_mixture
def test_the_error_of_a_future_has_what_is_being_handled_as_its_context(
    aio: ModuleType, see: Witness
) -> None:
    """result() and exception() raise anew, and so does an await that finds the future done."""

    async def main() -> None:
        failed, cancelled = aio.create_task(_fail("of the task")), aio.create_task(aio.sleep(1))
        cancelled.cancel("of the other")
        await aio.wait([failed, cancelled])
        for done in (failed, cancelled):
            try:
                raise Oops("first")
            except Oops:
                see.attempt(done.result)
                await see.attempt_await(done)
                if done.cancelled():
                    see.attempt(done.exception)
            see.attempt(done.result)

    see.run(main())


@same_in_every_mixture
def test_an_error_that_comes_to_a_finally_has_the_one_before_as_its_context(
    aio: ModuleType, see: Witness
) -> None:
    async def first_of(fails: asyncio.Task[None]) -> None:
        try:
            raise Oops("first")
        finally:
            for coming in aio.as_completed([fails]):
                await coming

    async def main() -> None:
        await see.attempt_await(first_of(aio.create_task(_fail("while it is waited for"))))
        done = aio.create_task(_fail("before it is waited for"))
        await aio.wait([done])
        await see.attempt_await(first_of(done))

    see.run(main())


@same_in_every_mixture
def test_a_frame_that_handles_nothing_goes_on_handling_nothing(aio: ModuleType, see: Witness) -> None:
    """While an outer frame handles an error, an inner one awaits something that fails and catches that."""

    async def inner(event: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await aio.wait_for(event.wait(), 0)
        try:
            await event.wait()
        except asyncio.CancelledError as error:
            see("inner", error)
            raise

    async def outer(event: asyncio.Event) -> None:
        try:
            raise Oops("first")
        except Oops:
            await inner(event)

    async def main() -> None:
        task = aio.create_task(outer(aio.Event()))
        await turns(aio, 6)
        task.cancel()
        await see.attempt_await(task)

    see.run(main())


@same_in_every_mixture
def test_a_second_cancellation_of_a_wait_for_comes_after_the_first(aio: ModuleType, see: Witness) -> None:
    """Up to 3.11, wait_for() waits for the end of what it cancels, and can be cancelled again meanwhile."""

    async def main() -> None:
        task = aio.create_task(aio.wait_for(aio.Event().wait(), 1))
        await turns(aio, 2)
        task.cancel("once")
        await turns(aio, 1)
        task.cancel("twice")
        await see.attempt_await(task)

    see.run(main())
