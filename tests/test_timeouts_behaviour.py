"""timeout() and timeout_at(): deadlines of every kind, what shows of them, and what they make of errors."""

import asyncio
import contextvars
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import forever, same_in_every_mixture, same_in_real_time, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

DELAYS = {"None": None, "0": 0, "-1": -1, "0.002": 0.002, "1000": 1000, "True": True, "-0.0": -0.0}


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("body", ["does nothing", "takes a turn", "takes three turns"])
@same_in_every_mixture
def test_bodies_that_are_quick(aio: ModuleType, see: Witness, body: str, delay: str) -> None:
    async def main() -> None:
        count = {"does nothing": 0, "takes a turn": 1, "takes three turns": 3}[body]
        cancelled_at = None
        timeout = aio.timeout(DELAYS[delay])
        try:
            async with timeout as entered:
                see(entered is timeout, timeout.expired())
                for turn in range(count):
                    cancelled_at = turn
                    await aio.sleep(0)
        except TimeoutError as error:
            see("timeout", error, cancelled_at)
        see(timeout, timeout.expired(), asyncio.current_task().cancelling())

    see.run(main())


@pytest.mark.parametrize("delay", ["0", "-1", "0.002"])
@pytest.mark.parametrize(
    "awaits", ["sleep", "future", "task", "lock", "queue", "event", "gather", "coroutine"]
)
@same_in_every_mixture
def test_bodies_that_never_end(aio: ModuleType, see: Witness, awaits: str, delay: str) -> None:
    async def main() -> None:
        lock = aio.Lock()
        await lock.acquire()
        future = asyncio.get_running_loop().create_future()
        task = aio.create_task(forever(aio), name="task")
        make = {
            "sleep": lambda: aio.sleep(1000),
            "future": lambda: future,
            "task": lambda: task,
            "lock": lock.acquire,
            "queue": aio.Queue().get,
            "event": aio.Event().wait,
            "gather": lambda: aio.gather(future, aio.sleep(1000)),
            "coroutine": lambda: forever(aio),
        }[awaits]

        async def body() -> None:
            async with aio.timeout(DELAYS[delay]) as timeout:
                see(timeout)
                try:
                    await make()
                finally:
                    see(timeout, timeout.expired(), asyncio.current_task().cancelling())

        await see.attempt_await(body())
        see(future, lock, asyncio.current_task().cancelling())
        task.cancel()
        await aio.wait([task])

    see.run(main())


@same_in_every_mixture
def test_shown_states(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for timeout in (
            aio.timeout(None),
            aio.timeout(1000),
            aio.timeout_at(loop.time() + 1000),
            aio.Timeout(None),
        ):
            see(timeout, timeout.expired())
            async with timeout:
                see(timeout, timeout.expired())
            see(timeout, timeout.expired())
        timeout = aio.timeout(0)
        try:
            async with timeout:
                see(timeout)
                loop.call_soon(lambda: see(timeout))
                try:
                    await aio.sleep(1000)
                finally:
                    see(timeout)
        except TimeoutError:
            see(timeout)
        for when in (12.3456, 5, None, True):
            # Letter by letter, so that no deadline is hidden from the comparison.
            see("|".join(repr(aio.Timeout(when))), aio.Timeout(when).when())

    see.run(main())


@same_in_every_mixture
def test_when(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        see(aio.timeout(None).when(), aio.timeout_at(None).when(), aio.timeout_at(12.5).when())
        see(now <= aio.timeout(0).when() <= now + 20, now + 1000 <= aio.timeout(1000).when() <= now + 1020)
        async with aio.timeout(1000) as timeout:
            timeout.reschedule(now + 2000)
            see(timeout.when() == now + 2000)
            timeout.reschedule(None)
            see(timeout.when(), timeout)
        see(timeout.when(), type(aio.timeout_at(5).when()).__name__)

    see.run(main())


@pytest.mark.parametrize("to", ["the past", "now", "soon", "never", "later"])
@same_in_every_mixture
def test_rescheduled(aio: ModuleType, see: Witness, to: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for first in (None, 1000):

            async def body(first: Any = first) -> None:
                async with aio.timeout(first) as timeout:
                    await aio.sleep(0)
                    when = {"the past": 0, "now": loop.time(), "soon": loop.time() + 0.002,
                            "never": None, "later": loop.time() + 2000}[to]  # fmt: skip
                    timeout.reschedule(when)
                    see(timeout, timeout.when() is None)
                    if to in ("never", "later"):
                        await turns(aio, 3)
                    else:
                        await aio.sleep(1000)
                see(timeout)

            await see.attempt_await(body())
        # A deadline that was near is put off.
        async with aio.timeout(0.01) as timeout:
            timeout.reschedule(loop.time() + 1000)
            await aio.sleep(0.03)
        see(timeout, timeout.expired())

    see.run(main())


@pytest.mark.parametrize("inner", [0.01, 1000, None], ids=repr)
@pytest.mark.parametrize("outer", [0.01, 1000, None], ids=repr)
@same_in_every_mixture
def test_nested(aio: ModuleType, see: Witness, outer: Any, inner: Any) -> None:
    if inner == outer == 0.01:
        inner = 0.001

    async def main() -> None:
        sleeper = 1000 if 0.01 in (inner, outer) or inner == 0.001 else 0

        async def body() -> None:
            outer_timeout, inner_timeout = aio.timeout(outer), aio.timeout(inner)
            try:
                async with outer_timeout:
                    try:
                        async with inner_timeout:
                            await aio.sleep(sleeper)
                    finally:
                        see(outer_timeout, inner_timeout, asyncio.current_task().cancelling())
            finally:
                see(outer_timeout, inner_timeout, asyncio.current_task().cancelling())

        await see.attempt_await(body())

    see.run(main())


@same_in_every_mixture
def test_both_expire_in_one_turn(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for first, second in ((0, 0), (-1, 0), (0, -1)):
            timeouts = [aio.timeout_at(loop.time() + first), aio.timeout_at(loop.time() + second)]

            async def body(timeouts: Any = timeouts) -> None:
                try:
                    async with timeouts[0]:
                        async with timeouts[1]:
                            await aio.sleep(1000)
                finally:
                    see(timeouts, asyncio.current_task().cancelling())

            await see.attempt_await(body())
            see([timeout.expired() for timeout in timeouts], asyncio.current_task().cancelling())

    see.run(main())


ERRORS: dict[str, Any] = {
    "ValueError": lambda: ValueError("from the body"),
    "TimeoutError": lambda: TimeoutError("from the body"),
    "CancelledError": lambda: asyncio.CancelledError("from the body"),
    "a group": lambda: ExceptionGroup("group", [ValueError("one"), KeyError("two")]),
    "a cancelled group": lambda: BaseExceptionGroup("group", [asyncio.CancelledError(), ValueError("one")]),
    "GeneratorExit": lambda: GeneratorExit("from the body"),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "moment", ["before", "in place of the cancellation", "after the cancellation", "from it"]
)
@same_in_every_mixture
def test_bodies_that_fail(aio: ModuleType, see: Witness, moment: str, error: str) -> None:
    async def main() -> None:
        raised = ERRORS[error]()

        async def body() -> None:
            async with aio.timeout(None if moment == "before" else 0):
                if moment == "before":
                    raise raised
                try:
                    await aio.sleep(1000)
                except asyncio.CancelledError as cancelled:
                    if moment == "in place of the cancellation":
                        raise raised from None
                    if moment == "from it":
                        raise raised from cancelled
                raise raised

        await see.attempt_await(body())
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_a_body_that_swallows_the_cancellation(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async def body() -> str:
            async with aio.timeout(0) as timeout:
                try:
                    await aio.sleep(1000)
                except asyncio.CancelledError:
                    see(timeout, asyncio.current_task().cancelling())
                await turns(aio, 2)
            see(timeout, timeout.expired(), asyncio.current_task().cancelling())
            return "went on"

        await see.attempt_await(body())

    see.run(main())


@same_in_real_time
def test_expired_while_the_body_did_not_let_go(aio: ModuleType, see: Witness) -> None:
    """The deadline passes, and the body ends without another wait: nobody is cancelled."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def body(wait: bool) -> str:
            # Long enough that it is not over before it begins, on a machine that is busy with other things.
            async with aio.timeout(0.05) as timeout:
                until = loop.time() + 0.06
                while loop.time() < until:
                    pass
                if wait:
                    await aio.sleep(0)
            see(timeout, timeout.expired())
            return "in time"

        await see.attempt_await(body(False))
        await see.attempt_await(body(True))
        await turns(aio, 3)
        see(asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_the_timer_does_not_outlive_the_body(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        async with aio.timeout(0.005) as timeout:
            await aio.sleep(0)
        await aio.sleep(0.02)
        see(timeout, timeout.expired(), asyncio.current_task().cancelling())

    see.run(main())


@same_in_every_mixture
def test_contexts_and_results(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        VARIABLE.set("outside")

        async def body() -> str:
            async with aio.timeout(1000):
                VARIABLE.set("within")
                return "returned from within"

        see(await body(), VARIABLE.get())
        for number in range(3):
            async with aio.timeout(1000):
                if number == 1:
                    continue
                if number == 2:
                    break
            see("once", number)

    see.run(main())


@same_in_every_mixture
def test_around_async_for_and_generators(aio: ModuleType, see: Witness) -> None:
    async def ticks(count: int) -> Any:
        try:
            for number in range(count):
                async with aio.timeout(1000):
                    yield number
                await aio.sleep(0)
            await aio.sleep(1000)
        finally:
            see("generator ends")

    async def main() -> None:
        async def body() -> None:
            async with aio.timeout(0.02):
                async for number in ticks(3):
                    see(number)

        await see.attempt_await(body())

    see.run(main())
