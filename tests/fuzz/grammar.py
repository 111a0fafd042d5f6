"""The grammar: what a program may consist of, and how often each thing comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from . import blocks as b
from . import expressions as e
from . import statements as s
from .program import Program, Setting

# What the running Python has.
HAS_SHUTDOWN = hasattr(asyncio, "QueueShutDown")
HAS_EAGER_TASKS = hasattr(asyncio, "eager_task_factory")
HAS_ASYNC_AS_COMPLETED = sys.version_info >= (3, 13)
HAS_EAGER_START = sys.version_info >= (3, 14)

BODIES = 6
NAMES = ("a", "b", "c", "d")
FUTURES = ("e", "f")
GROUPS = ("g", "h")
LOCKS = ("lock_0", "lock_1", "condition_0")
SEMAPHORES = ("semaphore_0", "semaphore_1", "bounded_0")
EVENTS = ("event_0", "event_1")
QUEUES = ("queue_0", "queue_1")
WHEN = (asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED)

# Strategies are made once: making one costs more than drawing from it.
_BELOW = {count: st.integers(0, count - 1) for count in range(1, 128)}


class Maker:
    """Makes the parts of one program from what it draws.

    Each of the tables below lists methods of this class; those that stand there several times come more
    often.
    """

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw
        # The body that is being made: it may call later ones only.
        self.body = 0
        self.depth = 0

    def below(self, count: int) -> int:
        number: int = self._draw(_BELOW[count])
        return number

    def one(self, choices: tuple[Any, ...]) -> Any:
        return choices[self.below(len(choices))]

    def chance(self, of: int, out_of: int) -> bool:
        # Nothing happens at zero, towards which Hypothesis shrinks.
        return self.below(out_of) >= out_of - of

    def from_table(self, table: tuple[str, ...]) -> Any:
        return getattr(self, self.one(table))()

    # The whole

    def program(self) -> Program:
        count = self.count = BODIES - self.one((0, 0, 1, 1, 2))
        setting = Setting(
            semaphores=(self.below(3), self.below(2)),
            bounded=1 + self.below(2),
            parties=1 + self.one((1, 0, 1, 2)),
            queues=(
                (self.one(("Queue", "LifoQueue", "Queue", "TwoEnded")), self.below(3)),
                (self.one(("PriorityQueue", "Queue")), self.below(3)),
            ),
            shared_lock=self.chance(1, 3),
            derived=self.chance(1, 5),
        )
        bodies = []
        for self.body in range(count):
            self.last = self.body == count - 1
            body = self.block((4 if self.body < 2 else 2) + self.below(4))
            bodies.append((*body, self.do_raise()) if self.body and self.chance(1, 4) else body)
        ways = ("plain",) * 6 + ("factory", "derived") + (("eager",) if HAS_EAGER_TASKS else ())
        roots = 2 + self.below(3)
        return Program(setting, tuple(bodies), roots, not self.chance(1, 3), self.one(ways))

    def block(self, count: int) -> b.Body:
        return tuple(self.statement() for _ in range(count))

    def inner(self) -> b.Body:
        self.depth += 1
        body = self.block(1 + self.below(3))
        self.depth -= 1
        return body

    def inner_waiting(self) -> b.Body:
        """A body that takes its time, so that something else may happen meanwhile."""
        self.depth += 1
        body = (
            *self.block(self.below(2)),
            self.from_table(("do_sleep", "do_wait", "do_combine", "do_await")),
        )
        if self.chance(1, 3):
            body = (*body, self.statement())
        self.depth -= 1
        return body

    def statement(self) -> s.Statement:
        statement: s.Statement = self.from_table(_DEEP if self.depth >= 3 else _STATEMENTS)
        # Most errors end here, or few bodies would ever come to their second statement.
        if isinstance(statement, s.Do | s.Await | s.Assign | s.Watch | s.Later) and not self.chance(1, 5):
            return b.Attempt((statement,))
        return statement

    # Values

    def delay(self) -> e.Delay:
        return e.Delay(self.one((0, 1, 1, 1, 2, 2, 3, 4, -1)))

    def timer(self) -> e.Delay | None:
        return None if self.chance(1, 3) else e.Delay(self.one((0, 1, 1, 2, 3, -1)), timer=True)

    def name(self) -> str:
        name: str = self.one(NAMES)
        return name

    def any_name(self) -> str:
        return self.one(FUTURES) if self.chance(1, 3) else self.name()

    def error(self) -> e.Error:
        return e.Error(
            self.one(("Oops",) * 9 + ("CancelledError", "CancelledError", "TimeoutError", "TimeoutError"))
            if not self.chance(1, 20)
            else "SystemExit",
            f"of {self.body}",
        )

    # Awaitables

    def coroutine(self) -> e.Expression:
        """A coroutine: a body's, or one of asyncio's own."""
        if not self.last and not self.chance(2, 5):
            return e.Call(min(self.body + 1 + self.one((0, 0, 1, 2)), self.count - 1))
        return self.waiting()

    def waiting(self) -> e.Expression:
        expression: e.Expression = self.from_table(_WAITING)
        return expression

    def awaitable(self) -> e.Expression:
        expression: e.Expression = self.from_table(_AWAITABLES if self.depth < 4 else ("waiting", "held"))
        return expression

    def several(self) -> tuple[e.Expression, ...]:
        self.depth += 1
        children = tuple(self.awaitable() for _ in range(self.below(4) or 2))
        self.depth -= 1
        return children

    def futures(self) -> tuple[e.Expression, ...]:
        return tuple(
            e.NewTask(self.coroutine()) if not self.chance(1, 3) else e.Name(self.any_name(), awaited=False)
            for _ in range(self.below(4) or 2)
        )

    def sleep(self) -> e.Expression:
        return e.Sleep(self.delay(), self.one((None, None, f"slept in {self.body}")))

    def acquire(self) -> e.Expression:
        return e.Method(self.one(LOCKS + SEMAPHORES), "acquire")

    def event_wait(self) -> e.Expression:
        return e.Method(self.one(EVENTS), "wait")

    def condition_wait(self) -> e.Expression:
        if self.chance(1, 2):
            return e.WaitUntil("condition_0", self.below(2), self.one((1, 1, 2, 0, None)))
        return e.Method("condition_0", "wait")

    def barrier_wait(self) -> e.Expression:
        return e.Method("barrier_0", "wait")

    def get(self) -> e.Expression:
        return e.Method(self.one(QUEUES), "get")

    def put(self) -> e.Expression:
        return e.Method(self.one(QUEUES), "put", (self.below(9),))

    def join(self) -> e.Expression:
        return e.Method(self.one(QUEUES), "join")

    def held(self) -> e.Expression:
        return e.Name(self.any_name())

    def new_task(self) -> e.Expression:
        return self.task("")

    def task(self, group: str) -> e.Expression:
        what = self.coroutine()
        context = f"c{self.body}" if self.chance(1, 12) else ""
        eager = self.chance(1, 2) if HAS_EAGER_START and self.chance(1, 6) else None
        return e.NewTask(what, group, context, eager)

    def awaitable_only(self) -> e.Expression:
        return e.Awaitable(self.new_task() if self.chance(1, 3) else self.coroutine())

    def threadsafe(self) -> e.Expression:
        return e.Threadsafe(self.coroutine())

    def to_thread(self) -> e.Expression:
        return e.ToThread(self.error() if self.chance(1, 3) else None)

    def gather(self) -> e.Expression:
        return e.Gather(self.several(), self.chance(1, 3))

    def shield(self) -> e.Expression:
        return e.Shield(self.deeper())

    def wait_for(self) -> e.Expression:
        return e.WaitFor(self.deeper(), e.Delay(self.one((1, 0, 1, 2, 3, -1))) if self.chance(5, 6) else None)

    def wait(self) -> e.Expression:
        return e.Wait(self.futures(), self.one(WHEN), self.timer())

    def deeper(self) -> e.Expression:
        self.depth += 1
        expression = self.awaitable()
        self.depth -= 1
        return expression

    # Statements

    def do_await(self) -> s.Statement:
        return s.Await(self.awaitable())

    def do_sleep(self) -> s.Statement:
        return s.Await(self.sleep())

    def do_wait(self) -> s.Statement:
        what = self.waiting()
        return (
            s.Await(e.WaitFor(what, e.Delay(self.one((1, 2, 3, 0))))) if self.chance(1, 3) else s.Await(what)
        )

    def do_combine(self) -> s.Statement:
        return s.Await(self.from_table(("gather", "gather", "wait_for", "shield", "wait", "wait")))

    def spawn(self) -> s.Statement:
        return s.Assign(self.name(), self.new_task())

    def assign(self) -> s.Statement:
        if self.chance(1, 5):
            return s.Assign(self.one(FUTURES), e.NewFuture())
        return s.Assign(
            self.name(), self.from_table(("new_task", "gather", "shield", "in_group", "in_group"))
        )

    def in_group(self) -> e.Expression:
        return self.task(self.one(GROUPS))

    def do(self) -> s.Statement:
        return s.Do(self.operation())

    def operation(self) -> e.Expression:
        expression: e.Expression = self.from_table(_OPERATIONS)
        return expression

    def release(self) -> e.Expression:
        return e.Method(self.one(LOCKS + SEMAPHORES), "release")

    def notify(self) -> e.Expression:
        if self.chance(1, 3):
            return e.Method("condition_0", "notify_all")
        return e.Method("condition_0", "notify", self.one(((), (), (2,), (0,))))

    def event(self) -> e.Expression:
        return e.Method(self.one(EVENTS), self.one(("set", "set", "clear", "is_set")))

    def barrier(self) -> e.Expression:
        # abort() and reset() are coroutines, but wait for nothing as long as nobody drains.
        return e.Method("barrier_0", "__repr__")

    def break_barrier(self) -> s.Statement:
        return s.Await(e.Method("barrier_0", self.one(("reset", "abort"))))

    def queue(self) -> e.Expression:
        name = self.one(QUEUES)
        if self.chance(1, 3):
            return e.Method(name, "put_nowait", (self.below(9),))
        return e.Method(
            name,
            self.one(("get_nowait", "get_nowait", "get_nowait", "task_done", "task_done", "qsize", "full")),
        )

    def shut_down(self) -> e.Expression:
        if not HAS_SHUTDOWN:
            return self.queue()
        return e.Method(self.one(QUEUES), "shutdown", self.one(((), (True,))))

    def cancel(self) -> e.Expression:
        name = "me" if self.chance(1, 8) else self.any_name()
        return e.Method(name, "cancel", self.one(((), (f"by {self.body}",), (None,))))

    def count_cancels(self) -> e.Expression:
        return e.Method("me", self.one(("uncancel", "cancelling")))

    def finish(self) -> e.Expression:
        if self.chance(1, 3):
            return e.Method(self.one(FUTURES), "set_exception", (self.error(),))
        return e.Method(self.one(FUTURES), "set_result", (f"set in {self.body}",))

    def look(self) -> e.Expression:
        """Ask a task or future for its outcome, or for how it stands."""
        return e.Method(
            self.any_name(), self.one(("result", "exception", "result", "exception", "done", "cancelled"))
        )

    def reschedule(self) -> e.Expression:
        when = None if self.chance(1, 6) else e.Deadline(self.one((1, 0, 1, 2, 3, -1)))
        return e.Method("scope", "reschedule", (when,))

    def later(self) -> s.Statement:
        delay = None if self.chance(1, 3) else e.Delay(self.one((0, 1, 1, 2, -1)), timer=True)
        return s.Later(self.operation(), delay)

    def watch(self) -> s.Statement:
        and_unwatch = self.chance(2, 5)
        name = self.any_name()
        return b.Attempt((s.Watch(name), s.Unwatch(name))) if and_unwatch else s.Watch(name)

    def count_up(self) -> s.Statement:
        return s.Count(self.below(2))

    def set_var(self) -> s.Statement:
        return s.SetVar(f"w{self.body}")

    def do_raise(self) -> s.Statement:
        return s.Raise(self.error())

    def do_return(self) -> s.Statement:
        return s.Return()

    # Blocks

    def hold(self) -> s.Statement:
        return b.With(self.one(LOCKS + SEMAPHORES), self.inner_waiting())

    def on_condition(self) -> s.Statement:
        """What one does with a condition: wait in it, or change something and notify."""
        if self.chance(1, 2):
            return b.With("condition_0", (s.Await(self.condition_wait()), *self.inner()))
        return b.With("condition_0", (s.Count(self.below(2)), s.Do(self.notify())))

    def work(self) -> s.Statement:
        """What one does with a queue: put something in and wait until it is done, or take and do it."""
        queue = self.one(QUEUES)
        if self.chance(1, 3):
            put = s.Await(e.Method(queue, "put", (self.below(9),)))
            return b.Attempt((put, s.Await(e.Method(queue, "join"))))
        done = s.Do(e.Method(queue, "task_done"))
        return b.Attempt((s.Await(e.Method(queue, "get")), *self.inner(), done))

    def meet(self) -> s.Statement:
        return (
            b.With("barrier_0", self.inner_waiting()) if self.chance(1, 3) else s.Await(self.barrier_wait())
        )

    def timeout(self) -> s.Statement:
        units = self.one((1, 0, 1, 2, 2, 3, -1))
        when = None if self.chance(1, 6) else e.Deadline(units) if self.chance(1, 3) else e.Delay(units)
        body = self.inner_waiting()
        if self.chance(1, 3):
            body = (s.Do(self.reschedule()), *body)
        return b.Timeout(when, body)

    def group(self) -> s.Statement:
        name = self.one(GROUPS)
        tasks = tuple(s.Assign(self.name(), self.task(name)) for _ in range(1 + self.below(3)))
        return b.Group(name, (*tasks, *self.inner_waiting()) if self.chance(1, 2) else tasks)

    def do_try(self) -> s.Statement:
        catch = self.one(("Exception", "CancelledError", "CancelledError", "TimeoutError", "BaseException"))
        handler = self.inner() if self.chance(1, 2) else ()
        if catch in ("CancelledError", "BaseException") and self.chance(1, 3):
            handler = (s.Do(self.count_cancels()), *handler)
        final = self.inner() if self.chance(1, 3) else ()
        return b.Try(self.inner_waiting(), catch, handler, self.chance(1, 3), final)

    def repeat(self) -> s.Statement:
        return b.Repeat(2 + self.below(2), self.inner())

    def as_completed(self) -> s.Statement:
        asynchronous = HAS_ASYNC_AS_COMPLETED and self.chance(1, 2)
        stop = 1 + self.below(2) if self.chance(1, 4) else None
        body = self.inner() if self.chance(1, 3) else ()
        return b.AsCompleted(self.futures(), self.timer(), asynchronous, stop, body)

    def iterate(self) -> s.Statement:
        stop = self.below(2) if self.chance(1, 3) else None
        inside = self.inner() if self.chance(2, 3) else ()
        return b.Iterate(inside, 1 + self.below(3), stop, self.chance(1, 3), self.inner())


# What stands in these tables several times comes more often.
_WAITING = (
    "sleep", "sleep", "sleep", "acquire", "acquire", "event_wait", "event_wait", "condition_wait",
    "barrier_wait", "get", "get", "put", "put", "join", "to_thread",
)  # fmt: skip
_AWAITABLES = (
    "waiting", "waiting", "waiting", "coroutine", "coroutine", "coroutine", "held", "new_task",
    "gather", "shield", "wait_for", "wait_for", "awaitable_only", "threadsafe",
)  # fmt: skip
_OPERATIONS = (
    "release", "release", "release", "release", "notify", "event", "event", "event", "barrier", "queue",
    "queue", "queue", "queue", "queue", "cancel", "cancel", "cancel", "cancel", "count_cancels", "finish",
    "finish", "shut_down", "shut_down", "look", "look", "look",
)  # fmt: skip
_SIMPLE = (
    "do_await", "do_await", "do_sleep", "do_sleep", "do_sleep", "do_wait", "do_wait", "do_wait", "do_combine",
    "do_combine", "spawn", "spawn", "spawn", "assign", "do", "do", "do", "do", "do", "do", "later", "later",
    "watch", "watch", "count_up", "set_var", "do_raise", "break_barrier",
)  # fmt: skip
_STATEMENTS = (
    *_SIMPLE, "do_return", "hold", "hold", "hold", "on_condition", "on_condition", "on_condition", "work",
    "work", "meet",
    "timeout", "timeout", "timeout", "group", "group", "group", "do_try", "do_try", "do_try", "repeat",
    "as_completed", "as_completed", "iterate", "iterate",
)  # fmt: skip
_DEEP = (*_SIMPLE, "do_return")
