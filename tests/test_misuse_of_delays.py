"""Delays and times that are not numbers, or numbers that are not times."""

import asyncio
import datetime
import decimal
import fractions
import math
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both

# No delay here is longer than a millisecond and none is waited for that could not end.
DELAYS: dict[str, Any] = {
    "zero": 0,
    "zero as float": 0.0,
    "minus zero": -0.0,
    "negative": -1,
    "very negative": -1e300,
    "minus infinity": -math.inf,
    "tiny": 5e-324,
    "false": False,
    "fraction": fractions.Fraction(1, 4096),
    "decimal": decimal.Decimal("0.0001"),
    "not a number": math.nan,
    "none": None,
    "text": "1",
    "bytes": b"1",
    "list": [],
    "complex": 1j,
    "timedelta": datetime.timedelta(milliseconds=1),
    "too large for a float": -(10**400),
    "class": float,
}


class FloatSubclass(float):
    pass


class IntSubclass(int):
    pass


class Index:
    def __index__(self) -> int:
        return 0


class FloatLike:
    def __float__(self) -> float:
        return 0.0


OBJECTS = [FloatSubclass(0.0001), IntSubclass(0), Index(), FloatLike()]


@pytest.mark.parametrize("name", DELAYS)
@same_on_both
def test_sleeping_for_it(aio: ModuleType, see: Witness, name: str) -> None:
    async def main() -> None:
        await see.attempt_await(aio.sleep(DELAYS[name], "slept"))

    see.run(main())


@pytest.mark.parametrize("place", range(len(OBJECTS)), ids=[type(delay).__name__ for delay in OBJECTS])
@same_on_both
def test_sleeping_for_an_object(aio: ModuleType, see: Witness, place: int) -> None:
    async def main() -> None:
        await see.attempt_await(aio.sleep(OBJECTS[place], "slept"))

    see.run(main())


# asyncio adds the delay to its clock and looks no further, so that these break the loop when they are due.
BREAKS_ASYNCIO = ("complex",)


@pytest.mark.parametrize("name", [name for name in DELAYS if name not in BREAKS_ASYNCIO])
@same_on_both
def test_calling_after_it(aio: ModuleType, see: Witness, name: str) -> None:
    loop = see.new_loop()
    see.attempt(lambda: type(loop.call_later(DELAYS[name], see, "called")).__name__)
    loop.run_until_complete(aio.sleep(0.002))


# Times of another type asyncio takes, and stumbles over later, whenever two timers are compared.
TIMES = ["zero", "zero as float", "negative", "very negative", "minus infinity", "false", "fraction", "none"]


@pytest.mark.parametrize("name", TIMES)
@same_on_both
def test_calling_at_it(aio: ModuleType, see: Witness, name: str) -> None:
    loop = see.new_loop()
    see.attempt(lambda: type(loop.call_at(DELAYS[name], see, "called")).__name__)
    loop.run_until_complete(aio.sleep(0.002))


@pytest.mark.parametrize("time", ["1", b"1", [], 1j, datetime.timedelta(0), float], ids=repr)
def test_times_of_the_wrong_type_are_refused_at_once(time: Any) -> None:
    loop = roundelay.new_event_loop()
    with pytest.raises(TypeError):
        loop.call_at(time, print)
    loop.run_until_complete(roundelay.sleep(0))
    loop.close()


@pytest.mark.parametrize("place", range(2), ids=[type(delay).__name__ for delay in OBJECTS[:2]])
@same_on_both
def test_calling_after_an_object(aio: ModuleType, see: Witness, place: int) -> None:
    loop = see.new_loop()
    for method in (loop.call_later, loop.call_at):
        see.attempt(lambda method=method: type(method(OBJECTS[place], see, "called")).__name__)
    loop.run_until_complete(aio.sleep(0.002))


@same_on_both
def test_infinite_times_never_come(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    handles = [
        loop.call_later(math.inf, see, "never"),
        loop.call_at(math.inf, see, "never"),
        loop.call_at(1e300, see, "never"),
    ]
    see([handle.when() for handle in handles])
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    for handle in handles:
        handle.cancel()
    see("stopped")


@same_on_both
def test_an_infinite_sleep_is_cancelled(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        task = aio.create_task(aio.sleep(math.inf), name="for ever")
        await aio.sleep(0.001)
        see(task.cancel("enough"))
        await see.attempt_await(task)

    see.run(main())


@same_on_both
def test_what_a_timer_says_of_its_time(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for when in (5, 5.5, -1, fractions.Fraction(1, 2), True):
        handle = loop.call_at(when, print)
        see(handle.when(), type(handle.when()).__name__, handle.cancelled())
        handle.cancel()
    early, late = loop.call_at(1, print), loop.call_at(2, print)
    same = loop.call_at(1, print)
    see(early < late, early <= late, early > late, early >= late, early == late, early == same, early != same)
    see(early == early, hash(early) == hash(same), early.__eq__(1), early.__lt__(1))
    for handle in (early, late, same):
        handle.cancel()


@same_on_both
def test_timers_run_in_the_order_of_their_times(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for when in (-3, -1, -2.5, -math.inf, -7):
        loop.call_at(when, see, when)
    loop.call_later(-5, see, "before now, in order of time")
    loop.run_until_complete(aio.sleep(0))


def test_timers_with_nan_are_due_at_once_and_do_not_hurt_the_others() -> None:
    """asyncio's loop dies of such a timer with a ValueError as soon as it waits for it."""
    called: list[str] = []
    loop = roundelay.new_event_loop()
    for _ in range(5):
        loop.call_at(math.nan, called.append, "nan")
    loop.call_later(math.nan, called.append, "nan")
    loop.call_later(0.001, called.append, "proper")
    loop.run_until_complete(roundelay.sleep(0.002))
    loop.close()
    assert called == ["nan"] * 6 + ["proper"]


@same_on_both
def test_time_limits_that_are_not_numbers(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        for limit in (None, 0, -1, math.inf, "1", fractions.Fraction(1, 4096)):
            see(repr(limit))
            # Kept until here: asyncio's traceback would keep what is never awaited, a native one does not.
            sleeping = aio.sleep(0.002, "slept")
            await see.attempt_await(asyncio.wait_for(sleeping, limit))
            del sleeping
            try:
                async with asyncio.timeout(limit):
                    see(await aio.sleep(0.002, "slept"))
            except Exception as error:
                see(error)

    see.run(main())


@same_on_both
def test_arguments_of_sleep(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        see(await aio.sleep(delay=0, result=1), await aio.sleep(0, result=2), await aio.sleep(0, None))
        for args, kwargs in (((), {}), ((0, 1, 2), {}), ((0,), {"nonsense": 1}), ((), {"result": 1})):
            try:
                await aio.sleep(*args, **kwargs)
            except TypeError as error:
                # The words are the interpreter's, and differ for functions written in C.
                see(type(error).__name__)

    see.run(main())
