"""What a program can compute: awaitables for the most part.

`make` gives the value on a machine; `str` of an expression is how it reads in Python.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .machine import VAR, Machine, Oops, Unfit


class Expression:
    """One expression of a program."""

    def make(self, m: Machine) -> Any:
        raise TypeError(f"{type(self).__name__} is no complete expression")

    @cached_property
    def text(self) -> str:
        return str(self)


def value(m: Machine, item: Any) -> Any:
    """What an argument stands for."""
    return item.make(m) if isinstance(item, Expression) else item


def _list(items: tuple[Any, ...]) -> str:
    return ", ".join(str(item) if isinstance(item, Expression) else repr(item) for item in items)


# Times


@dataclass(frozen=True)
class Delay(Expression):
    """A delay of some units of time. `timer` asks that even one of nothing tells two timers apart."""

    units: int
    timer: bool = False

    def make(self, m: Machine) -> float:
        if self.units == 0 and not self.timer:
            return 0
        now: float = m.loop.time()
        if self.units > 0:
            return m.slot(self.units) - now
        # In the past, where no timer of the program is either.
        return m.slot(self.units - 1) - now

    def __str__(self) -> str:
        return f"{self.units} * UNIT" if self.units else "0"


@dataclass(frozen=True)
class Deadline(Expression):
    """A point in time some units from now."""

    units: int

    def make(self, m: Machine) -> float:
        return m.slot(self.units if self.units > 0 else self.units - 1)

    def __str__(self) -> str:
        return f"loop.time() + {self.units} * UNIT"


# Simple awaitables and values


ERRORS: dict[str, type[BaseException]] = {
    "Oops": Oops,
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "SystemExit": SystemExit,
}


@dataclass(frozen=True)
class Error(Expression):
    """A new exception."""

    kind: str
    message: str

    def make(self, m: Machine) -> BaseException:
        return ERRORS[self.kind](self.message)

    def __str__(self) -> str:
        return f"{self.kind}({self.message!r})"


@dataclass(frozen=True)
class Name(Expression):
    """A task or future that a variable holds."""

    name: str
    # Whether it is going to be awaited, and so must be younger than who asks.
    awaited: bool = True

    def make(self, m: Machine) -> Any:
        future = m.get(self.name)
        # Numbered here at the latest: the order in which a set shows its members is nobody's promise.
        if m.number(future) <= m.me() and self.awaited:
            raise Unfit(f"{self.name} is not younger")
        return future

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Call(Expression):
    """A coroutine of one of the program's bodies."""

    body: int

    def make(self, m: Machine) -> Any:
        return m.body(self.body)

    def __str__(self) -> str:
        return f"body_{self.body}()"


@dataclass(frozen=True)
class Method(Expression):
    """A method of an object of the program, of the task `me`, or of the innermost timeout, `scope`."""

    target: str
    name: str
    args: tuple[Any, ...] = ()

    def make(self, m: Machine) -> Any:
        target = m.get(self.target)
        return getattr(target, self.name)(*(value(m, item) for item in self.args))

    def __str__(self) -> str:
        return f"{self.target}.{self.name}({_list(self.args)})"


@dataclass(frozen=True)
class WaitUntil(Expression):
    """Wait on a condition until a counter has reached a number; without a number the predicate raises."""

    target: str
    counter: int
    least: int | None

    def make(self, m: Machine) -> Any:
        def predicate() -> bool:
            m.note(f"predicate of {self.target}", m.counters[self.counter])
            if self.least is None:
                raise Oops("predicate")
            return m.counters[self.counter] >= self.least

        return m.get(self.target).wait_for(predicate)

    def __str__(self) -> str:
        body = "fail()" if self.least is None else f"counters[{self.counter}] >= {self.least}"
        return f"{self.target}.wait_for(lambda: {body})"


@dataclass(frozen=True)
class Sleep(Expression):
    delay: Delay
    result: Any = None

    def make(self, m: Machine) -> Any:
        return m.aio.sleep(self.delay.make(m), self.result)

    def __str__(self) -> str:
        return f"sleep({self.delay}{'' if self.result is None else f', {self.result!r}'})"


@dataclass(frozen=True)
class NewFuture(Expression):
    def make(self, m: Machine) -> Any:
        future = m.loop.create_future()
        m.number(future)
        return future

    def __str__(self) -> str:
        return "loop.create_future()"


# Combinators


@dataclass(frozen=True)
class NewTask(Expression):
    """A task, made by `create_task` or, if `group` is its name, in a task group.

    `context` asks for one in which the variable has this value, `eager` (3.14) for an eager start or against
    one.
    """

    what: Expression
    group: str = ""
    context: str = ""
    eager: bool | None = None

    def make(self, m: Machine) -> Any:
        create_task = (m.get(self.group) if self.group else m.aio).create_task
        options: dict[str, Any] = {}
        if self.context:
            options["context"] = contextvars.copy_context()
            options["context"].run(VAR.set, self.context)
        if self.eager is not None:
            options["eager_start"] = self.eager
        task = create_task(self.what.make(m), **options)
        m.number(task)
        return task

    def __str__(self) -> str:
        options = f", context=({self.context})" if self.context else ""
        options += "" if self.eager is None else f", eager_start={self.eager}"
        return f"{self.group}{'.' if self.group else ''}create_task({self.what}{options})"


class _Awaitable:
    """Something that can be awaited, and no more."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def __await__(self) -> Any:
        return self._what.__await__()


@dataclass(frozen=True)
class Awaitable(Expression):
    """An awaitable that is neither a coroutine nor a future."""

    what: Expression

    def make(self, m: Machine) -> Any:
        return _Awaitable(self.what.make(m))

    def __str__(self) -> str:
        return f"Awaitable({self.what})"


@dataclass(frozen=True)
class Threadsafe(Expression):
    """A coroutine that is handed to the loop as another thread does it."""

    what: Expression

    def make(self, m: Machine) -> Any:
        coro = self.what.make(m)
        future = m.aio.wrap_future(m.aio.run_coroutine_threadsafe(coro, m.loop), loop=m.loop)
        m.number(future)
        return future

    def __str__(self) -> str:
        return f"wrap_future(run_coroutine_threadsafe({self.what}, loop))"


@dataclass(frozen=True)
class ToThread(Expression):
    """A call in a thread, which is no thread here (see `InlineExecutor`)."""

    error: Error | None

    def make(self, m: Machine) -> Any:
        def call() -> str:
            m.note("in a thread")
            VAR.set("thread")
            if self.error is not None:
                raise self.error.make(m)
            return "threaded"

        return m.aio.to_thread(call)

    def __str__(self) -> str:
        return f"to_thread({'call' if self.error is None else f'fail, {self.error}'})"


@dataclass(frozen=True)
class Gather(Expression):
    children: tuple[Expression, ...]
    return_exceptions: bool = False

    def make(self, m: Machine) -> Any:
        children = [child.make(m) for child in self.children]
        # As old as its oldest child, for it is what cancels them.
        oldest = [m.number(child) for child in children if hasattr(child, "add_done_callback")]
        gathering = m.aio.gather(*children, return_exceptions=self.return_exceptions)
        m.number(gathering, min(oldest, default=None))
        return gathering

    def __str__(self) -> str:
        end = ", return_exceptions=True" if self.return_exceptions else ""
        return f"gather({', '.join(map(str, self.children))}{end})"


@dataclass(frozen=True)
class Shield(Expression):
    what: Expression

    def make(self, m: Machine) -> Any:
        inner = self.what.make(m)
        number = m.number(inner) if hasattr(inner, "add_done_callback") else None
        outer = m.aio.shield(inner)
        m.number(outer, number)
        return outer

    def __str__(self) -> str:
        return f"shield({self.what})"


@dataclass(frozen=True)
class WaitFor(Expression):
    what: Expression
    timeout: Delay | None

    def make(self, m: Machine) -> Any:
        return m.aio.wait_for(self.what.make(m), value(m, self.timeout))

    def __str__(self) -> str:
        return f"wait_for({self.what}, {self.timeout})"


def at_most_one_done(futures: list[Any]) -> None:
    """Refuse to ask for an order that nobody promises: that of a set is that of the addresses in it."""
    if len({future for future in futures if future.done()}) > 1:
        raise Unfit("several are done already")


@dataclass(frozen=True)
class Wait(Expression):
    children: tuple[Expression, ...]
    return_when: str
    timeout: Delay | None

    def make(self, m: Machine) -> Any:
        children = [child.make(m) for child in self.children]
        if self.return_when == asyncio.FIRST_EXCEPTION:
            # It asks all but the last one that is done for its exception.
            at_most_one_done(children)
        return m.aio.wait(children, timeout=value(m, self.timeout), return_when=self.return_when)

    def __str__(self) -> str:
        children = ", ".join(map(str, self.children))
        return f"wait([{children}], timeout={self.timeout}, return_when={self.return_when})"
