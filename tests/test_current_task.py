"""Which task is current, where many loops share the record of it."""

import asyncio
import threading

import pytest
import roundelay


async def me() -> tuple[asyncio.Task[object] | None, asyncio.Task[object] | None]:
    before = asyncio.current_task()
    await roundelay.sleep(0)
    return before, asyncio.current_task()


@pytest.mark.parametrize("make_loop", [roundelay.new_event_loop, asyncio.SelectorEventLoop])
def test_loops_that_take_turns(make_loop: type) -> None:
    # Loops of both kinds come and go, so that the record grows, shrinks and has gaps.
    loops = [make_loop() if number % 3 else roundelay.new_event_loop() for number in range(100)]
    try:
        for step in (1, 7, 3):
            for loop in loops[::step]:
                task = loop.create_task(me())
                assert loop.run_until_complete(task) == (task, task)
                assert asyncio.current_task(loop) is None
            while len(loops) > 40:
                loops.pop(len(loops) // 2).close()
            loops += [make_loop() for _ in range(30)]
    finally:
        for loop in loops:
            loop.close()


def test_loops_of_many_threads_step_at_the_same_time() -> None:
    failures = []

    async def spin() -> None:
        task = asyncio.current_task()
        for _ in range(300):
            await roundelay.sleep(0)
            if asyncio.current_task() is not task:
                failures.append(task)

    async def main() -> None:
        await roundelay.gather(*(spin() for _ in range(3)))

    threads = [threading.Thread(target=roundelay.run, args=(main(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures


def test_a_task_that_ends_is_let_go_of() -> None:
    # The record has the task that stepped last, until something else runs.
    class Noted:
        pass

    async def main() -> None:
        import weakref

        kept = Noted()
        seen = weakref.ref(kept)

        async def hold(value: object) -> object:
            await roundelay.sleep(0)
            return value

        task = asyncio.create_task(hold(kept))
        del kept
        await task
        del task
        await roundelay.sleep(0)
        assert seen() is None

    roundelay.run(main())
