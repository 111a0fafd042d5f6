"""Small random asyncio programs whose complete course depends on the seed alone.

No program looks at a clock. Every task draws its actions from a generator of its own, so that a program runs
the same way wherever tasks are run in the same order, and differs in its trace from the first place where
they are not.
"""

import asyncio
import contextvars
import random
from types import ModuleType
from typing import Any

# How long a program is: tasks, actions of one task, and turns of the loop before what is left is cancelled.
TASKS = 14
ACTIONS = 7
TURNS = 60

_TAG: contextvars.ContextVar[str] = contextvars.ContextVar("tag", default="-")


class Oops(Exception):
    """What failing tasks and futures raise."""


class Program:
    """One random program on one loop. `trace` says in order what happened."""

    def __init__(self, aio: ModuleType, seed: object) -> None:
        self.aio = aio
        self.seed = seed
        self.trace: list[str] = []
        self.tasks: list[Any] = []
        self.futures: list[Any] = []
        self.loop: Any = None
        self._spare: Any = None

    def run(self) -> list[str]:
        self.loop = loop = self.aio.new_event_loop()
        loop.set_exception_handler(self._report)
        try:
            loop.run_until_complete(self._main())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
        return self.trace

    def _report(self, _loop: Any, context: dict[str, Any]) -> None:
        who = context.get("task") or context.get("future")
        name = self._name_of(who) if who is not None else "-"
        self._say("loop", context["message"].split(" at ")[0].split("(")[0], name, context.get("exception"))

    def _say(self, *what: Any) -> None:
        self.trace.append(" ".join(_brief(item) for item in what))

    def _name_of(self, future: Any) -> str:
        for kind, known in (("t", self.tasks), ("f", self.futures)):
            for place, item in enumerate(known):
                if item is future:
                    return f"{kind}{place}"
        return type(future).__name__

    async def _main(self) -> None:
        ticking = True

        def tick(turn: int) -> None:
            # Shows in the trace where one turn ends and the next begins.
            self._say(f"-- {turn}")
            if ticking:
                self.loop.call_soon(tick, turn + 1)

        self.loop.call_soon(tick, 1)
        self._spawn(random.Random(f"{self.seed}"))
        for _ in range(TURNS):
            await self.aio.sleep(0)
        # Some tasks wait for each other, others ignore cancellation a few times. None does so for ever.
        for _ in range(2 * ACTIONS * TASKS):
            left = [task for task in self.tasks if not task.done()]
            if not left:
                break
            for future in self.futures:
                if not future.done():
                    future.set_result("end")
            for task in left:
                task.cancel("end")
            await self.aio.sleep(0)
        ticking = False
        await self.aio.sleep(0)
        for task in self.tasks:
            state = "pending" if not task.done() else "cancelled" if task.cancelled() else "done"
            self._say("end", self._name_of(task), state, task.cancelling())
            if task.done() and not task.cancelled():
                self._say("outcome", task.exception() or task.result())
        for future in self.futures:
            if future.done() and not future.cancelled():
                future.exception()

    def _spawn(self, rng: random.Random, asker: int = -1) -> Any:
        """A new task, or something else to wait for once there are enough."""
        place = len(self.tasks)
        if place >= TASKS:
            return self._younger(rng, asker)
        actions = random.Random(f"{self.seed}/{place}")
        self.tasks.append(None)
        coro = self._body(place, actions)
        task = self.aio.create_task(coro, name=f"t{place}")
        self.tasks[place] = task
        return task

    def _younger(self, rng: random.Random, asker: int) -> Any:
        """A future, or a task that is younger than the one that asks.

        Tasks that wait for each other in a circle are left out: cancelling one recurses until Python stops
        it, and how far that gets is nobody's promise.
        """
        known = [item for item in self.tasks[asker + 1 :] if item is not None] + self.futures
        if not known or rng.random() < 0.3:
            self.futures.append(self.loop.create_future())
            return self.futures[-1]
        return rng.choice(known)

    def _any_future(self, me: str, rng: random.Random) -> Any:
        return self._younger(rng, int(me[1:]))

    async def _body(self, place: int, rng: random.Random) -> Any:
        me = f"t{place}"
        self._say(me, "starts", _TAG.get())
        _TAG.set(me)
        patience = rng.randrange(3)
        for _ in range(rng.randrange(1, ACTIONS)):
            action = rng.choice(_ACTIONS)
            try:
                outcome = await getattr(self, f"_{action}")(me, rng)
            except asyncio.CancelledError as error:
                task = self.aio.current_task()
                self._say(me, action, error, task.cancelling(), _TAG.get())
                if patience == 0:
                    raise
                patience -= 1
                if rng.random() < 0.5:
                    self._say(me, "uncancels", task.uncancel())
            except (Oops, RuntimeError, asyncio.InvalidStateError, TimeoutError) as error:
                self._say(me, action, error)
                if rng.random() < 0.2:
                    raise
            else:
                self._say(me, action, outcome, _TAG.get())
        if rng.random() < 0.2:
            raise Oops(me)
        return me

    # Every action returns what the trace shows of it.

    async def _yield(self, me: str, rng: random.Random) -> Any:
        turns = rng.randrange(1, 4)
        for _ in range(turns):
            await self.aio.sleep(0)
        return turns

    async def _sleep_result(self, me: str, rng: random.Random) -> Any:
        return await self.aio.sleep(-1, result=me)

    async def _create(self, me: str, rng: random.Random) -> Any:
        return self._name_of(self._spawn(rng, int(me[1:])))

    async def _create_and_await(self, me: str, rng: random.Random) -> Any:
        return await self._spawn(rng, int(me[1:]))

    async def _await_any(self, me: str, rng: random.Random) -> Any:
        return await self._any_future(me, rng)

    async def _await_shielded(self, me: str, rng: random.Random) -> Any:
        return await asyncio.shield(self._any_future(me, rng))

    async def _finish(self, me: str, rng: random.Random) -> Any:
        if not self.futures:
            return None
        future = rng.choice(self.futures)
        if rng.random() < 0.7:
            future.set_result(f"by {me}")
        else:
            future.set_exception(Oops(f"by {me}"))
        return self._name_of(future)

    async def _cancel(self, me: str, rng: random.Random) -> Any:
        victim = rng.choice([item for item in self.tasks if item is not None] + self.futures)
        message = rng.choice([None, f"by {me}"])
        return self._name_of(victim), victim.cancel(message)

    async def _cancel_twice(self, me: str, rng: random.Random) -> Any:
        victim = rng.choice([item for item in self.tasks if item is not None])
        return self._name_of(victim), victim.cancel("first"), victim.cancel("second"), victim.cancelling()

    async def _create_and_cancel(self, me: str, rng: random.Random) -> Any:
        victim = self._spawn(rng, int(me[1:]))
        return self._name_of(victim), victim.cancel(f"by {me}")

    async def _gather(self, me: str, rng: random.Random) -> Any:
        return await self._make_gather(me, rng)

    async def _gather_and_cancel(self, me: str, rng: random.Random) -> Any:
        gathering = self._make_gather(me, rng)
        for _ in range(rng.randrange(3)):
            await self.aio.sleep(0)
        self._say(me, "cancels gather", gathering.cancel(f"by {me}"))
        return await gathering

    def _make_gather(self, me: str, rng: random.Random) -> Any:
        children: list[Any] = []
        for _ in range(rng.randrange(1, 5)):
            kind = rng.randrange(4)
            if kind == 0:
                children.append(self._any_future(me, rng))
            elif kind == 1:
                children.append(self._leaf(f"{me} leaf", rng.randrange(4)))
            elif kind == 2:
                children.append(self.aio.sleep(0, f"{me} slept"))
            else:
                children.append(self._spawn(rng, int(me[1:])))
        if rng.random() < 0.3:
            children.append(children[0])
        gathering = self.aio.gather(*children, return_exceptions=rng.random() < 0.5)
        gathering.add_done_callback(lambda done: self._say(me, "gathered", done.cancelled()))
        return gathering

    async def _leaf(self, name: str, kind: int) -> Any:
        if kind == 1:
            await self.aio.sleep(0)
        elif kind == 2:
            raise Oops(name)
        elif kind == 3:
            await self.aio.sleep(0)
            raise Oops(name)
        return name

    async def _wait(self, me: str, rng: random.Random) -> Any:
        waited = [self._any_future(me, rng) for _ in range(rng.randrange(1, 4))]
        how = rng.choice([asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED])
        done, pending = await asyncio.wait(waited, return_when=how)
        return sorted(map(self._name_of, done)), sorted(map(self._name_of, pending))

    async def _wait_for(self, me: str, rng: random.Random) -> Any:
        return await asyncio.wait_for(self._any_future(me, rng), rng.choice([None, 0]))

    async def _group(self, me: str, rng: random.Random) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                for child in range(rng.randrange(1, 4)):
                    group.create_task(self._leaf(f"{me} in group", rng.randrange(4)), name=f"{me}/{child}")
        except BaseExceptionGroup as errors:
            return [str(error) for error in errors.exceptions]
        return "whole"

    async def _timeout(self, me: str, rng: random.Random) -> Any:
        # A deadline in the past strikes in the next turn, one that is far away never.
        async with asyncio.timeout(rng.choice([-1, 0, 1000, None])) as scope:
            await self._any_future(me, rng)
        return scope.expired()

    async def _watch(self, me: str, rng: random.Random) -> Any:
        future = self._any_future(me, rng)
        name = self._name_of(future)

        def callback(done: Any) -> None:
            self._say("callback of", me, "for", name, done is future, done.cancelled(), _TAG.get())

        if rng.random() < 0.5:
            future.add_done_callback(callback)
        future.add_done_callback(callback)
        return name, future.remove_done_callback(callback) if rng.random() < 0.3 else 0

    async def _call(self, me: str, rng: random.Random) -> Any:
        def callback(number: int) -> None:
            self._say("call", number, "of", me, _TAG.get())
            if number == 2:
                raise Oops(me)

        handles = [self.loop.call_soon(callback, number) for number in range(rng.randrange(1, 4))]
        if rng.random() < 0.4:
            rng.choice(handles).cancel()
        return len(handles)

    async def _call_late(self, me: str, rng: random.Random) -> Any:
        # Times that are long past: all are due at once, in order of their time.
        whens = rng.sample(range(-100, -1), 3)
        for when in whens:
            self.loop.call_at(when + self._unique(), self._say, "timer", when, "of", me)
        return whens

    def _unique(self) -> float:
        # asyncio promises no order among timers of the very same time.
        self._spare = (self._spare or 0) + 1
        return float(self._spare) / 4096

    async def _iterate(self, me: str, rng: random.Random) -> Any:
        async def numbers() -> Any:
            try:
                for number in range(5):
                    await self.aio.sleep(0)
                    yield number
            finally:
                self._say(me, "generator ends")

        stop = rng.randrange(7)
        async for number in numbers():
            if number == stop:
                break
        return stop

    async def _await_self(self, me: str, rng: random.Random) -> Any:
        return await self.aio.current_task()

    async def _yield_nonsense(self, me: str, rng: random.Random) -> Any:
        class Nonsense:
            def __await__(self) -> Any:
                yield 42

        return await Nonsense()


# Drawn by every task. What others wait for comes more often.
_ACTIONS = (
    "yield", "yield", "sleep_result", "create", "create", "create", "create_and_await", "await_any",
    "await_any", "await_shielded", "finish", "finish", "cancel", "cancel_twice",
    "create_and_cancel", "gather", "gather", "gather_and_cancel", "wait", "wait_for", "group",
    "timeout", "watch", "watch", "call", "call_late", "iterate", "await_self", "yield_nonsense",
)  # fmt: skip


def _brief(item: Any) -> str:
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(_brief, item))}]"
    if isinstance(item, BaseException):
        text = str(item)
        # Texts that show a task or a future with its address, its callbacks and its line.
        return f"{type(item).__name__}({text.split('<')[0]})"
    return str(item)
