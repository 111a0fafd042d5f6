"""Forks in the middle of programs, and many loops in many threads."""

import asyncio
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import roundelay

THREADS = 8

# From 3.12 on, Python warns of a fork while other threads live. The programs here fork with one thread only.
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


def in_child(function: Callable[[], Any], seconds: int = 20) -> Callable[[], None]:
    """Fork, run the function in the child, and return what waits for the child to have succeeded."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # A child that hangs dies of this.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(seconds)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def check() -> None:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "the child failed; see its traceback"

    return check


async def work() -> list[Any]:
    """A bit of everything, with a result that depends on all of it."""
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    future = loop.create_future()
    loop.add_reader(reader, lambda: future.done() or future.set_result(os.read(reader, 10)))
    loop.call_later(0.001, os.write, writer, b"piped")
    thread_future = loop.create_future()
    thread = threading.Thread(
        target=loop.call_soon_threadsafe, args=(thread_future.set_result, "from a thread")
    )
    thread.start()
    try:
        async with asyncio.timeout(15):
            return await roundelay.gather(
                roundelay.sleep(0.002, "slept"),
                future,
                thread_future,
                loop.run_in_executor(None, lambda: "executed"),
            )
    finally:
        thread.join()
        loop.remove_reader(reader)
        os.close(reader)
        os.close(writer)


RESULT = ["slept", b"piped", "from a thread", "executed"]


def run_work() -> None:
    assert roundelay.run(work()) == RESULT


def test_a_child_runs_a_loop_of_its_own() -> None:
    run_work()
    check = in_child(run_work)
    run_work()
    check()
    run_work()


def test_a_child_forked_inside_a_task_runs_a_loop_of_its_own() -> None:
    async def main() -> list[Any]:
        before = asyncio.current_task()
        check = in_child(run_work)
        assert asyncio.current_task() is before
        first = await work()
        check()
        return first + await work()

    assert roundelay.run(main()) == RESULT * 2


def test_a_child_forked_inside_a_task_sees_no_running_loop() -> None:
    def child() -> None:
        assert asyncio._get_running_loop() is None
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()

    async def main() -> None:
        in_child(child)()
        assert asyncio.get_running_loop() is not None

    roundelay.run(main())


def test_a_child_may_touch_and_drop_the_loop_it_inherited() -> None:
    """What the child does to its copy of a running loop has no effect on the parent's."""

    async def forever(done: list[str]) -> None:
        try:
            await roundelay.sleep(1000)
        finally:
            done.append("ended")

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        reader, writer = os.pipe()
        readable = loop.create_future()
        loop.add_reader(reader, lambda: readable.done() or readable.set_result("readable"))
        ended: list[str] = []
        task = roundelay.create_task(forever(ended))
        await roundelay.sleep(0)

        def child() -> None:
            loop.call_soon(print, "never printed")
            loop.call_later(0.001, print, "never printed")
            loop.call_soon_threadsafe(print, "never printed")
            task.cancel()
            loop.create_future().cancel()
            loop.stop()
            with pytest.raises(RuntimeError):
                loop.close()
            run_work()

        in_child(child)()
        # All that the child cancelled and removed is still there.
        assert not task.cancelling()
        os.write(writer, b"x")
        async with asyncio.timeout(15):
            seen = await readable
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(task.cancel, "by a thread"))
        thread.start()
        with pytest.raises(asyncio.CancelledError):
            await task
        thread.join()
        loop.remove_reader(reader)
        os.close(reader)
        os.close(writer)
        return [seen, ended, await work()]

    assert roundelay.run(main()) == ["readable", ["ended"], RESULT]


def test_a_child_may_close_a_loop_that_was_not_running() -> None:
    """The parent's loop is still woken from threads and by descriptors afterwards."""
    loop = roundelay.new_event_loop()
    reader, writer = os.pipe()
    seen: list[bytes] = []
    loop.add_reader(reader, lambda: seen.append(os.read(reader, 10)))
    assert loop.run_until_complete(work()) == RESULT

    def child() -> None:
        loop.close()
        assert loop.is_closed()
        run_work()

    in_child(child)()
    assert not loop.is_closed()

    async def after() -> None:
        os.write(writer, b"still read")
        async with asyncio.timeout(15):
            while not seen:
                await roundelay.sleep(0.001)

    loop.run_until_complete(after())
    assert seen == [b"still read"]
    assert loop.run_until_complete(work()) == RESULT
    loop.remove_reader(reader)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("how", ["removing its reader", "closing it"])
def test_a_child_takes_nothing_from_its_parent_by(how: str) -> None:
    """Readers and signal handlers of the parent go on, whatever the child does to the loop it inherited."""
    loop = roundelay.new_event_loop()
    reader, writer = os.pipe()
    seen: list[Any] = []
    loop.add_reader(reader, lambda: seen.append(os.read(reader, 10)))
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "signal")
    loop.run_until_complete(roundelay.sleep(0.001))
    in_child(loop.close if how == "closing it" else lambda: loop.remove_reader(reader))()

    async def after() -> None:
        os.write(writer, b"x")
        os.kill(os.getpid(), signal.SIGUSR1)
        for _ in range(300):
            await roundelay.sleep(0.001)
            if len(seen) == 2:
                return

    loop.run_until_complete(after())
    loop.remove_reader(reader)
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.close()
    os.close(reader)
    os.close(writer)
    assert sorted(seen, key=str) == [b"x", "signal"]


def test_a_child_may_go_on_with_a_loop_that_was_not_running() -> None:
    """Not recommended, and it works with asyncio as long as the parent does not use the loop meanwhile."""
    loop = roundelay.new_event_loop()
    waiting = loop.create_task(roundelay.sleep(0.001, "begun by the parent"))
    loop.call_soon(loop.stop)
    loop.run_forever()

    def child() -> None:
        assert loop.run_until_complete(waiting) == "begun by the parent"

    in_child(child)()
    assert loop.run_until_complete(waiting) == "begun by the parent"
    loop.close()


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python resets the wakeup descriptor after a fork from 3.12 on"
)
def test_signal_handlers_of_the_parent_do_not_fire_in_the_child() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        caught: list[str] = []
        arrived = loop.create_future()

        def handler() -> None:
            caught.append("in the parent")
            arrived.done() or arrived.set_result(None)

        loop.add_signal_handler(signal.SIGUSR1, handler)

        def child() -> None:
            # Python's own level still calls asyncio's empty handler; nothing reaches the parent's loop.
            signal.raise_signal(signal.SIGUSR1)
            assert not caught

        in_child(child)()
        await roundelay.sleep(0.005)
        assert not caught
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(15):
            await arrived
        loop.remove_signal_handler(signal.SIGUSR1)
        return caught

    assert roundelay.run(main()) == ["in the parent"]


def test_forks_in_a_row() -> None:
    async def main() -> None:
        for _ in range(5):
            check = in_child(run_work)
            await work()
            check()

    roundelay.run(main())


def test_a_loop_in_each_of_many_threads() -> None:
    results: list[Any] = []

    def runs() -> None:
        results.extend([roundelay.run(work()) for _ in range(3)])

    threads = [threading.Thread(target=runs) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [RESULT] * (THREADS * 3)


def test_each_thread_sees_its_own_loop_and_tasks() -> None:
    barrier = threading.Barrier(THREADS, timeout=20)
    seen: dict[int, tuple[Any, ...]] = {}

    async def main(number: int) -> None:
        loop = asyncio.get_running_loop()
        other = roundelay.create_task(roundelay.sleep(30), name=f"other {number}")
        await roundelay.sleep(0)
        barrier.wait()
        names = sorted(task.get_name() for task in asyncio.all_tasks())
        current = asyncio.current_task()
        assert current is not None
        seen[number] = (current.get_name(), names, asyncio.current_task(loop) is current)
        barrier.wait()
        other.cancel()

    def run(number: int) -> None:
        loop = roundelay.new_event_loop()
        try:
            loop.run_until_complete(loop.create_task(main(number), name=f"main {number}"))
        finally:
            loop.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {
        number: (f"main {number}", sorted([f"main {number}", f"other {number}"]), True)
        for number in range(THREADS)
    }


def test_loops_of_two_threads_talk_to_each_other() -> None:
    """A message goes round 2,000 times; each loop waits for the other in its poll."""
    rounds = 2000
    loops = [roundelay.new_event_loop() for _ in range(2)]
    mailboxes: list[Any] = [None, None]
    counts = [0, 0]
    done = threading.Event()

    def deliver(place: int, number: int) -> None:
        counts[place] += 1
        if number >= rounds:
            done.set()
            return
        other = 1 - place
        loops[other].call_soon_threadsafe(deliver, other, number + 1)

    threads = [threading.Thread(target=loop.run_forever) for loop in loops]
    for thread in threads:
        thread.start()
    loops[0].call_soon_threadsafe(deliver, 0, 1)
    finished = done.wait(30)
    for loop in loops:
        loop.call_soon_threadsafe(loop.stop)
    for thread in threads:
        thread.join()
    for loop in loops:
        loop.close()
    assert finished
    assert counts == [rounds // 2, rounds // 2]
    assert mailboxes == [None, None]


def test_many_threads_call_one_loop() -> None:
    calls = 500
    loop = roundelay.new_event_loop()
    arrived: list[tuple[int, int]] = []

    def arrive(thread: int, number: int) -> None:
        arrived.append((thread, number))
        if len(arrived) == THREADS * calls:
            loop.stop()

    def caller(thread: int) -> None:
        for number in range(calls):
            loop.call_soon_threadsafe(arrive, thread, number)

    threads = [threading.Thread(target=caller, args=(thread,)) for thread in range(THREADS)]
    loop.call_later(30, loop.stop)
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()
    loop.close()
    assert len(arrived) == THREADS * calls
    # Each thread's calls come in the order in which it made them.
    for thread in range(THREADS):
        assert [number for who, number in arrived if who == thread] == list(range(calls))


def test_coroutines_are_submitted_from_threads() -> None:
    loop = roundelay.new_event_loop()
    runner = threading.Thread(target=loop.run_forever)
    runner.start()

    async def double(number: int) -> int:
        await roundelay.sleep(0.0001 * (number % 3))
        if number == 13:
            raise ValueError(number)
        return 2 * number

    futures = [asyncio.run_coroutine_threadsafe(double(number), loop) for number in range(50)]
    for number, future in enumerate(futures):
        if number == 13:
            with pytest.raises(ValueError, match="13"):
                future.result(timeout=20)
        else:
            assert future.result(timeout=20) == 2 * number
    forever = asyncio.run_coroutine_threadsafe(roundelay.sleep(1000), loop)
    assert forever.cancel()
    loop.call_soon_threadsafe(loop.stop)
    runner.join()
    loop.run_until_complete(roundelay.sleep(0))
    loop.close()


def test_a_loop_moves_from_thread_to_thread() -> None:
    loop = roundelay.new_event_loop()
    results: list[Any] = []

    def run() -> None:
        results.append(loop.run_until_complete(work()))

    for _ in range(3):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    run()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert results == [RESULT] * 4


def test_a_loop_waits_without_holding_the_interpreter() -> None:
    """While one loop waits in its poll, another thread computes."""
    loop = roundelay.new_event_loop()
    counted = 0

    def compute() -> None:
        nonlocal counted
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            counted += 1
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=compute)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    loop.close()
    assert counted > 100
