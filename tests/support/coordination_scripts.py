"""Short scripts over one primitive: every order of a few moves, played to the end and taken down.

A script is a word over the letters of a stage. A stage is one primitive with tasks that wait for it; each
letter is something that can happen to it. All words of a length are played, so that every place where one
move can fall between two others is visited, a cancellation between wake-up and run among them.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from support.coordination import Cast, turns

Move = Callable[[], Any]


class Stage:
    """One primitive and what can happen to it. The move "." lets the loop turn once."""

    # What else a script may say, in a subclass: a letter, and the method that does it.
    moves: ClassVar[dict[str, str]] = {}

    def __init__(self, aio: Any) -> None:
        self.aio = aio
        self.cast = Cast(aio)

    async def set_up(self) -> None:
        """Make the primitive and let tasks wait for it."""
        raise NotImplementedError

    def state(self) -> str:
        """What of the primitive is compared after every move."""
        raise NotImplementedError

    async def clear_up(self) -> None:
        """After the script: whatever lets the tasks come to rest."""

    async def play(self, script: str) -> list[Any]:
        await self.set_up()
        note = self.cast.note
        for letter in script:
            if letter == ".":
                await turns(self.aio)
                note(".", self.state())
            elif letter.isdigit():
                self.cast.cancel(list(self.cast.tasks)[int(letter)])
            else:
                try:
                    result = getattr(self, self.moves[letter])()
                except Exception as error:
                    note(letter, repr(error))
                else:
                    note(letter, result)
                note(self.state())
        await self.clear_up()
        await self.cast.end()
        note("finally", self.state())
        return self.cast.trace


def all_scripts(letters: str, length: int) -> Iterator[str]:
    """Every word of the length that ends in a move that does something."""
    for word in itertools.product(letters, repeat=length):
        if word[-1] != ".":
            yield "".join(word)


class LockStage(Stage):
    """A lock that is held, and two who wait for it."""

    moves: ClassVar[dict[str, str]] = {"r": "release", "a": "ask"}

    async def set_up(self) -> None:
        self.lock = self.aio.Lock()
        await self.lock.acquire()
        for name in ("first", "second"):
            self.cast.start(name, self.lock.acquire)
        await turns(self.aio)

    def release(self) -> None:
        self.lock.release()

    def ask(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.lock.acquire)

    def state(self) -> str:
        return repr(self.lock)

    async def clear_up(self) -> None:
        for _ in range(4):
            await turns(self.aio, 2)
            if self.lock.locked():
                self.lock.release()


class SemaphoreStage(LockStage):
    """A semaphore of two that has nothing left, and two who wait for it."""

    async def set_up(self) -> None:
        self.lock = self.aio.Semaphore(2)
        await self.lock.acquire()
        await self.lock.acquire()
        for name in ("first", "second"):
            self.cast.start(name, self.lock.acquire)
        await turns(self.aio)

    async def clear_up(self) -> None:
        for _ in range(3):
            await turns(self.aio, 2)
            self.lock.release()


class EventStage(Stage):
    """An event, and two who wait for it."""

    moves: ClassVar[dict[str, str]] = {"s": "set", "c": "clear", "w": "wait"}

    async def set_up(self) -> None:
        self.event = self.aio.Event()
        for name in ("first", "second"):
            self.cast.start(name, self.event.wait)
        await turns(self.aio)

    def set(self) -> None:
        self.event.set()

    def clear(self) -> None:
        self.event.clear()

    def wait(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.event.wait)

    def state(self) -> str:
        return repr(self.event)


class ConditionStage(Stage):
    """A condition, two who wait to be notified, and one who may hold its lock."""

    moves: ClassVar[dict[str, str]] = {"n": "notify", "N": "notify_all", "r": "release", "a": "ask"}

    async def set_up(self) -> None:
        self.condition = self.aio.Condition()
        for name in ("first", "second"):
            self.cast.start(name, self.wait)
        await turns(self.aio, 2)
        await self.condition.acquire()

    async def wait(self) -> Any:
        async with self.condition:
            return await self.condition.wait()

    def notify(self) -> None:
        self.condition.notify()

    def notify_all(self) -> None:
        self.condition.notify_all()

    def release(self) -> None:
        self.condition.release()

    def ask(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.wait)

    def state(self) -> str:
        return repr(self.condition)

    async def clear_up(self) -> None:
        if self.condition.locked():
            self.condition.release()
        await turns(self.aio, 4)


class BarrierStage(Stage):
    """A barrier of two, at which one has arrived."""

    moves: ClassVar[dict[str, str]] = {"w": "wait", "r": "reset", "a": "abort"}

    async def set_up(self) -> None:
        self.barrier = self.aio.Barrier(2)
        # Reset and abort are coroutines without a wait in them but for the condition's lock.
        self.cast.start("first", self.barrier.wait)
        await turns(self.aio)

    def wait(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.barrier.wait)

    def reset(self) -> None:
        self.cast.start(f"resets {len(self.cast.tasks)}", self.barrier.reset)

    def abort(self) -> None:
        self.cast.start(f"aborts {len(self.cast.tasks)}", self.barrier.abort)

    def state(self) -> str:
        return f"{self.barrier!r} {self.barrier.n_waiting} {self.barrier.broken}"


class GettersStage(Stage):
    """An empty queue, and two who want something from it."""

    moves: ClassVar[dict[str, str]] = {"p": "put", "g": "get", "t": "take"}

    async def set_up(self) -> None:
        self.queue = self.aio.Queue()
        self.items = iter("abcdefgh")
        for name in ("first", "second"):
            self.cast.start(name, self.queue.get)
        await turns(self.aio)

    def put(self) -> None:
        self.queue.put_nowait(next(self.items))

    def get(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.queue.get)

    def take(self) -> Any:
        return self.queue.get_nowait()

    def state(self) -> str:
        return str(self.queue)


class PuttersStage(Stage):
    """A queue of one place that is taken, and two who want to put something into it."""

    moves: ClassVar[dict[str, str]] = {"t": "take", "g": "get", "p": "put", "d": "done"}

    async def set_up(self) -> None:
        self.queue = self.aio.Queue(1)
        self.queue.put_nowait("there")
        for name in ("first", "second"):
            self.cast.start(name, lambda name=name: self.queue.put(name))
        await turns(self.aio)

    def take(self) -> Any:
        return self.queue.get_nowait()

    def get(self) -> None:
        self.cast.start(f"gets {len(self.cast.tasks)}", self.queue.get)

    def put(self) -> None:
        name = f"puts {len(self.cast.tasks)}"
        self.cast.start(name, lambda: self.queue.put(name))

    def done(self) -> None:
        self.queue.task_done()

    def state(self) -> str:
        return str(self.queue)


class JoinersStage(PuttersStage):
    """A queue with two items in work, and two who wait for the end of the work."""

    moves: ClassVar[dict[str, str]] = {"d": "done", "p": "put", "j": "join"}

    async def set_up(self) -> None:
        self.queue = self.aio.Queue()
        self.queue.put_nowait(1)
        self.queue.put_nowait(2)
        for name in ("first", "second"):
            self.cast.start(name, self.queue.join)
        await turns(self.aio)

    def join(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.queue.join)


class ShutdownStage(PuttersStage):
    """A queue of one place, one who wants to put, one who wants to join, and the end of the queue."""

    moves: ClassVar[dict[str, str]] = {
        "s": "shut_down",
        "i": "shut_down_at_once",
        "t": "take",
        "g": "get",
        "d": "done",
    }

    async def set_up(self) -> None:
        self.queue = self.aio.Queue(1)
        self.queue.put_nowait("there")
        self.cast.start("puts", lambda: self.queue.put("more"))
        self.cast.start("joins", self.queue.join)
        await turns(self.aio)

    def shut_down(self) -> None:
        self.queue.shutdown()

    def shut_down_at_once(self) -> None:
        self.queue.shutdown(immediate=True)


class WaitStage(Stage):
    """A future, and four who wait for it: through a shield, with a timeout that never comes, and in a set."""

    moves: ClassVar[dict[str, str]] = {"s": "succeed", "f": "fail", "c": "cancel_the_future"}

    async def set_up(self) -> None:
        aio = self.aio
        self.future = aio.get_running_loop().create_future()
        self.cast.start("shields", lambda: aio.shield(self.future))
        self.cast.start("wait_for", lambda: aio.wait_for(self.shielded(), 1000))
        self.cast.start("waits", self.wait)
        self.cast.start("timeout", self.timeout)
        await turns(aio)

    async def shielded(self) -> Any:
        return await self.aio.shield(self.future)

    async def wait(self) -> str:
        done, pending = await self.aio.wait([self.future])
        return f"{len(done)} done, {len(pending)} pending"

    async def timeout(self) -> Any:
        async with self.aio.timeout(1000) as timeout:
            try:
                return await self.aio.shield(self.future)
            finally:
                self.cast.note(repr(timeout))

    def succeed(self) -> None:
        self.future.set_result("result")

    def fail(self) -> None:
        self.future.set_exception(ValueError("failed"))

    def cancel_the_future(self) -> Any:
        return self.future.cancel("from below")

    def state(self) -> str:
        return repr(self.future)

    async def clear_up(self) -> None:
        await turns(self.aio, 3)
        if self.future.done() and not self.future.cancelled():
            self.future.exception()


def play_all(stage: type[Stage], letters: str, length: int) -> Callable[..., Any]:
    """The program that plays every script of the length, on one loop."""

    def program(aio: Any, see: Any) -> None:
        async def main() -> None:
            for script in all_scripts(letters, length):
                see(script, await stage(aio).play(script))

        see.run(main())

    return program
