"""A suspended task says what it waits for."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import roundelay


def looked_at(wait: Callable[[], Awaitable[Any]]) -> roundelay.Waiting | None:
    """What a task waits for that awaits `wait()` two coroutines deep."""

    async def deeper() -> None:
        await wait()

    async def waiter() -> None:
        await deeper()

    async def main() -> roundelay.Waiting | None:
        task = asyncio.get_running_loop().create_task(waiter())
        for _ in range(3):
            await roundelay.sleep(0)
        seen = roundelay.waits_for(task)
        task.cancel()
        await roundelay.gather(task, return_exceptions=True)
        assert roundelay.waits_for(task) is None
        return seen

    with roundelay.Runner(loop_factory=lambda: roundelay.EventLoop(clock="virtual")) as runner:
        return runner.run(main())


def test_a_sleep_says_until_when() -> None:
    async def nap() -> None:
        await roundelay.sleep(2.5)

    assert looked_at(nap) == ("sleep", "sleep", None, 2.5)


def test_a_lock_is_named() -> None:
    lock = roundelay.Lock()

    async def twice() -> None:
        async with lock:
            await lock.acquire()

    seen = looked_at(twice)
    assert seen is not None
    assert seen == ("Lock.acquire", "lock", lock, None)
    assert seen.on is lock


def test_a_lock_of_a_class_of_the_users_is_named_as_its_user_knows_it() -> None:
    class Door(roundelay.Lock):
        pass

    async def stuck() -> None:
        async with door:
            async with door:
                pass

    door = Door()
    # The inherited __aenter__ awaits acquire(), which a subclass may have changed: the outer one is named.
    assert looked_at(stuck) == ("Door.__aenter__", "lock", door, None)


def test_an_event_is_named() -> None:
    event = roundelay.Event()
    assert looked_at(event.wait) == ("Event.wait", "event", event, None)


def test_a_task_and_a_gather_are_named() -> None:
    async def on_a_task() -> None:
        await asyncio.get_running_loop().create_task(roundelay.sleep(1))

    async def on_a_gather() -> None:
        await roundelay.gather(roundelay.sleep(1), roundelay.sleep(2))

    seen = looked_at(on_a_task)
    assert seen is not None
    assert (seen.operation, seen.kind) == ("await", "task")
    assert isinstance(seen.on, roundelay.Task)
    seen = looked_at(on_a_gather)
    assert seen is not None
    assert (seen.operation, seen.kind) == ("await", "gather")
    assert asyncio.isfuture(seen.on)


def test_a_plain_future_is_named() -> None:
    futures: list[asyncio.Future[None]] = []

    async def on_a_future() -> None:
        futures.append(asyncio.get_running_loop().create_future())
        await futures[0]

    seen = looked_at(on_a_future)
    assert seen is not None
    assert (seen.operation, seen.kind, seen.on is futures[0]) == ("await", "future", True)


def test_a_descriptor_is_named() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)

        async def receive() -> None:
            await asyncio.get_running_loop().sock_recv(ours, 1)

        assert looked_at(receive) == ("EventLoop.sock_recv", "descriptor", ours.fileno(), None)


def test_a_task_that_runs_or_is_about_to_waits_for_nothing() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert roundelay.waits_for(task) is None
        other = asyncio.get_running_loop().create_task(roundelay.sleep(0))
        assert roundelay.waits_for(other) is None
        await other

    roundelay.run(main())


def test_a_stock_task_is_seen_through_as_well() -> None:
    async def main() -> None:
        event = roundelay.Event()
        task = asyncio.tasks._CTask(event.wait(), loop=asyncio.get_running_loop())  # type: ignore[attr-defined]
        await roundelay.sleep(0)
        assert roundelay.waits_for(task) == ("Event.wait", "event", event, None)
        event.set()
        await task

    roundelay.run(main())


@pytest.mark.parametrize("nonsense", [None, 1, "task", object()])
def test_what_is_no_task_is_refused(nonsense: Any) -> None:
    with pytest.raises(TypeError, match="a task was expected, got"):
        roundelay.waits_for(nonsense)
