"""Timeouts used wrongly: asyncio's errors at asyncio's moments."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture


@same_in_every_mixture
def test_used_again(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def enter(timeout: Any) -> None:
            async with timeout:
                see("entered")

        timeout = aio.timeout(1000)
        await enter(timeout)
        await see.attempt_await(enter(timeout))
        expired = aio.timeout(0)

        async def expire() -> None:
            async with expired:
                await aio.sleep(1000)

        await see.attempt_await(expire())
        await see.attempt_await(enter(expired))
        running = aio.timeout(1000)

        async def twice() -> None:
            async with running:
                await see.attempt_await(enter(running))

        await see.attempt_await(twice())
        see(timeout, expired, running)

    see.run(main())


@same_in_every_mixture
def test_rescheduled_at_the_wrong_time(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        timeout = aio.timeout(1000)
        see.attempt(timeout.reschedule, 5)
        see.attempt(timeout.reschedule, None)
        async with timeout:
            pass
        see.attempt(timeout.reschedule, 5)
        expired = aio.timeout(0)
        try:
            async with expired:
                try:
                    await aio.sleep(1000)
                finally:
                    see.attempt(expired.reschedule, None)
        except TimeoutError:
            see.attempt(expired.reschedule, None)

    see.run(main())


@same_in_every_mixture
def test_outside_of_a_task(aio: ModuleType, see: Witness) -> None:
    def drive(coro: Any) -> None:
        try:
            see.attempt(coro.send, None)
        finally:
            coro.close()

    see.attempt(aio.timeout, 1)
    see.attempt(aio.timeout, None)
    see(aio.timeout_at(None), aio.timeout_at(5))
    drive(aio.timeout_at(None).__aenter__())
    loop = see.new_loop()
    # A loop runs, and no task.
    loop.call_soon(lambda: drive(aio.timeout(1).__aenter__()))
    loop.call_soon(loop.stop)
    loop.run_forever()


@same_in_every_mixture
def test_wrong_arguments(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for function in (aio.timeout, aio.timeout_at, aio.Timeout):
            see.attempt(function)
            see.attempt(function, 1, 2)
            see.attempt(lambda function=function: function(nonsense=1))
        see(aio.timeout(delay=None), aio.timeout_at(when=None), aio.Timeout(when=None))
        see.attempt(aio.timeout(None).when, 1)
        see.attempt(aio.timeout(None).expired, 1)
        see.attempt(aio.timeout(None).reschedule)
        see.attempt(aio.timeout(None).reschedule, 1, 2)
        see.attempt(lambda: aio.timeout(None).reschedule(when=1))

    see.run(main())


@pytest.mark.parametrize("delay", ["1", [], object(), 1j, b"1"], ids=lambda value: type(value).__name__)
@same_in_every_mixture
def test_delays_of_the_wrong_type(aio: ModuleType, see: Witness, delay: Any) -> None:
    async def main() -> None:
        for function in (aio.timeout, aio.timeout_at):
            try:
                async with function(delay):
                    see("entered")
            except TypeError as error:
                see("refused", type(error).__name__)
        async with aio.timeout(None) as timeout:
            try:
                timeout.reschedule(delay)
            except TypeError as error:
                see("refused", type(error).__name__)
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_delays_that_are_numbers_of_other_classes(aio: ModuleType, see: Witness) -> None:
    from fractions import Fraction

    class Number:
        def __float__(self) -> float:
            return 1000.0

    async def main() -> None:
        for delay in (Fraction(1000), True, 10**6, float("inf")):
            async with aio.timeout(delay) as timeout:
                await aio.sleep(0)
            see(timeout.expired())
        for delay in (Number(),):
            try:
                async with aio.timeout(delay):
                    pass
            except TypeError as error:
                see("refused", type(error).__name__)

    see.run(main())


@same_in_every_mixture
def test_with_instead_of_async_with(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        def use() -> None:
            with aio.timeout(1):
                pass

        see.attempt(use)

        async def wait() -> None:
            await aio.timeout(1)

        await see.attempt_await(wait())

    see.run(main())


@same_in_every_mixture
def test_left_in_another_task(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        timeout = aio.timeout(0)

        async def enter() -> None:
            await timeout.__aenter__()

        async def leave() -> Any:
            return await timeout.__aexit__(None, None, None)

        first = aio.create_task(enter(), name="enters")
        await first
        await aio.sleep(0.002)
        see(timeout, first.cancelling())
        await see.attempt_await(aio.create_task(leave(), name="leaves"))
        see(timeout)

    see.run(main())


@same_in_every_mixture
def test_left_without_having_been_entered(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        timeout = aio.timeout(1000)
        error = None
        try:
            await timeout.__aexit__(None, None, None)
        except (AssertionError, RuntimeError) as raised:
            error = raised
        see(error is not None)

    see.run(main())


@same_in_every_mixture
def test_a_derived_timeout(aio: ModuleType, see: Witness) -> None:
    class Loud(aio.Timeout):  # type: ignore[misc, name-defined]
        def __init__(self, when: Any, *, name: str) -> None:
            super().__init__(when)
            self.name = name

        async def __aenter__(self) -> Any:
            see("enters", self.name)
            return await super().__aenter__()

        async def __aexit__(self, *error: object) -> Any:
            see("leaves", self.name, error[0])
            return await super().__aexit__(*error)

        def reschedule(self, when: Any) -> None:
            see("reschedule", when is None)
            super().reschedule(when)

    async def main() -> None:
        async def body(when: Any) -> None:
            async with Loud(when, name="loud") as timeout:
                see(timeout)
                await aio.sleep(0 if when is None else 1000)

        await see.attempt_await(body(None))
        await see.attempt_await(body(0))

    see.run(main())
