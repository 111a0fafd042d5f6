"""A task that never waits starves nobody.

Each test has tasks spin on `sleep(0)` (or callbacks that queue themselves) and lets something happen from
outside. How soon it is served is counted in entries of the loop: one entry is one step of a task or one
callback. The bounds follow from how the loop polls:

* With a descriptor watched it polls in every turn, and a turn runs each ready entry once.
* With none watched it polls when 61 entries have run since the last time, so a signal may wait that long.
* Timers, callbacks from other threads and `stop()` need no poll and are served in the next turn.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import roundelay

# After this many entries the loop polls even if it watches nothing.
ENTRIES_BETWEEN_POLLS = 61

# An event is not let loose before the loop has run this many entries, to find it in full swing.
WARM_UP = 1000
# Where a test gives up: some seconds, because what a thread does first waits for a processor and for the GIL.
ENOUGH = 10_000_000


class Spinning:
    """A loop full of work. `entries` counts what it ran; `when(n)` lets something happen at one entry."""

    def __init__(self, how: str, width: int) -> None:
        self.loop = roundelay.new_event_loop()
        self.how = how
        self.width = width
        self.entries = 0
        self.started_at = 0
        self.served_at: int | None = None
        self._event: Callable[[], None] | None = None

    def entry(self) -> None:
        self.entries += 1
        if self.entries == WARM_UP and self._event is not None:
            self._event()
            self.started_at = self.entries
        if self.entries >= ENOUGH:
            self.loop.stop()

    def served(self, *_: Any) -> None:
        self.served_at = self.entries
        self.loop.stop()

    async def _spin(self) -> None:
        while True:
            self.entry()
            await roundelay.sleep(0)

    def _requeue(self) -> None:
        self.entry()
        self.loop.call_soon(self._requeue)

    async def _ping_pong(self, mine: list[Any], theirs: list[Any]) -> None:
        while True:
            self.entry()
            mine[0] = self.loop.create_future()
            if theirs[0] is not None and not theirs[0].done():
                theirs[0].set_result(None)
            await mine[0]

    def run(self, event: Callable[[], None]) -> None:
        """Spin, have the event happen, and stop when it is served."""
        self._event = event
        for _ in range(self.width):
            if self.how == "tasks":
                self.loop.create_task(self._spin())
            elif self.how == "callbacks":
                self.loop.call_soon(self._requeue)
            else:
                left, right = [None], [None]
                self.loop.create_task(self._ping_pong(left, right))
                self.loop.create_task(self._ping_pong(right, left))
        self.loop.run_forever()

    @property
    def turn(self) -> int:
        """How many entries one turn runs."""
        return self.width * (2 if self.how == "futures" else 1)

    def waited(self) -> int:
        """How many entries ran between the event and its being served."""
        assert self.served_at is not None, "never served"
        return self.served_at - self.started_at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.loop.stop)
        self._event = None
        self.entries = -ENOUGH
        self.loop.run_forever()
        self.loop.close()


# What spins, and how much of it.
CROWDS = [
    ("tasks", 1),
    ("tasks", 7),
    ("tasks", 100),
    ("callbacks", 1),
    ("callbacks", 100),
    ("futures", 1),
    ("futures", 50),
]
each_crowd = pytest.mark.parametrize(
    ("how", "width"), CROWDS, ids=[f"{width} {how}" for how, width in CROWDS]
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@each_crowd
def test_a_readable_pipe_is_served_in_the_next_turn(how: str, width: int, pipe: tuple[int, int]) -> None:
    with Spinning(how, width) as spinning:
        reader, writer = pipe
        spinning.loop.add_reader(reader, spinning.served)
        spinning.run(lambda: os.write(writer, b"x") and None)
        spinning.loop.remove_reader(reader)
        # The rest of this turn; the poll of the next one finds it and puts it behind what is ready.
        assert spinning.waited() <= 2 * spinning.turn


@each_crowd
def test_a_pipe_that_is_watched_only_now_is_served_in_the_next_turn(
    how: str, width: int, pipe: tuple[int, int]
) -> None:
    with Spinning(how, width) as spinning:
        reader, writer = pipe
        os.write(writer, b"x")
        spinning.run(lambda: spinning.loop.add_reader(reader, spinning.served) and None)
        spinning.loop.remove_reader(reader)
        assert spinning.waited() <= 2 * spinning.turn


@each_crowd
def test_a_writable_pipe_is_served_in_the_next_turn(how: str, width: int, pipe: tuple[int, int]) -> None:
    with Spinning(how, width) as spinning:
        _, writer = pipe
        spinning.run(lambda: spinning.loop.add_writer(writer, spinning.served) and None)
        spinning.loop.remove_writer(writer)
        assert spinning.waited() <= 2 * spinning.turn


@each_crowd
def test_a_signal_is_served_after_one_poll(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:
        spinning.loop.add_signal_handler(signal.SIGUSR1, spinning.served)
        spinning.run(lambda: signal.raise_signal(signal.SIGUSR1))
        spinning.loop.remove_signal_handler(signal.SIGUSR1)
        # The poll reads the self-pipe in one turn, which queues the handler for the next.
        assert spinning.waited() <= ENTRIES_BETWEEN_POLLS + 3 * spinning.turn


@each_crowd
def test_a_signal_is_served_in_two_turns_while_a_pipe_is_watched(
    how: str, width: int, pipe: tuple[int, int]
) -> None:
    with Spinning(how, width) as spinning:
        spinning.loop.add_reader(pipe[0], print)
        spinning.loop.add_signal_handler(signal.SIGUSR1, spinning.served)
        spinning.run(lambda: signal.raise_signal(signal.SIGUSR1))
        spinning.loop.remove_signal_handler(signal.SIGUSR1)
        spinning.loop.remove_reader(pipe[0])
        assert spinning.waited() <= 3 * spinning.turn


@each_crowd
def test_a_timer_that_is_due_is_served_in_the_next_turn(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:
        loop = spinning.loop

        def start() -> None:
            due = loop.time() + 0.001
            loop.call_at(due, spinning.served)
            # Time passes only here: when the entry ends, the timer is due.
            while loop.time() < due:
                pass

        spinning.run(start)
        assert spinning.waited() <= 2 * spinning.turn


@each_crowd
def test_a_sleep_that_is_over_is_served_in_two_turns(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:
        loop = spinning.loop
        over_at = float("inf")
        # Entries that began when the sleep was certainly over.
        late_entries = 0

        async def sleeper() -> None:
            await roundelay.sleep(0.001)
            spinning.served()

        def look_at_the_clock() -> None:
            nonlocal over_at, late_entries
            entry()
            if spinning.entries == WARM_UP + 2 * spinning.turn:
                # The sleep has begun by now.
                over_at = loop.time() + 0.001
            late_entries += loop.time() >= over_at

        entry, spinning.entry = spinning.entry, look_at_the_clock  # type: ignore[method-assign]
        sleepers: list[Any] = []
        spinning.run(lambda: sleepers.append(loop.create_task(sleeper())))
        assert spinning.served_at is not None, "never served"
        # One turn finds the timer due, the next makes the task ready, the one after runs it.
        assert late_entries <= 3 * spinning.turn


@each_crowd
def test_a_call_from_another_thread_is_served_in_the_next_turn(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:

        def start() -> None:
            thread = threading.Thread(target=spinning.loop.call_soon_threadsafe, args=(spinning.served,))
            thread.start()
            thread.join()

        spinning.run(start)
        assert spinning.waited() <= spinning.turn


@each_crowd
def test_other_threads_come_to_run(how: str, width: int) -> None:
    """The loop lets go of the interpreter often enough for a thread to get its turn."""
    with Spinning(how, width) as spinning:
        came = threading.Event()

        def elsewhere() -> None:
            came.set()
            spinning.loop.call_soon_threadsafe(spinning.served)

        thread = threading.Thread(target=elsewhere)
        spinning.run(thread.start)
        thread.join()
        assert came.is_set()
        assert spinning.served_at is not None, f"not within {ENOUGH} entries"


@each_crowd
def test_stop_ends_the_present_turn(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:
        spinning.run(spinning.loop.stop)
        assert spinning.entries - spinning.started_at < spinning.turn


@each_crowd
def test_stop_from_another_thread(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:

        def start() -> None:
            thread = threading.Thread(target=spinning.loop.call_soon_threadsafe, args=(spinning.loop.stop,))
            thread.start()
            thread.join()

        spinning.run(start)
        assert spinning.entries - spinning.started_at <= 2 * spinning.turn


@each_crowd
def test_a_future_of_an_executor_is_served(how: str, width: int) -> None:
    with Spinning(how, width) as spinning:

        async def ask() -> None:
            assert await spinning.loop.run_in_executor(None, lambda: "answer") == "answer"
            spinning.served()

        tasks: list[Any] = []
        spinning.run(lambda: tasks.append(spinning.loop.create_task(ask())))
        spinning.loop.run_until_complete(spinning.loop.shutdown_default_executor())
        assert spinning.served_at is not None, f"not within {ENOUGH} entries"


def test_spinning_tasks_take_turns() -> None:
    """No task runs twice before every other has run once."""
    order: list[int] = []

    async def spin(number: int) -> None:
        for _ in range(50):
            order.append(number)
            await roundelay.sleep(0)

    async def main() -> None:
        await roundelay.gather(*map(spin, range(9)))

    roundelay.run(main())
    assert order == [*range(9)] * 50
