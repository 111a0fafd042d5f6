"""What a program can compute: awaitables for the most part.

`make` gives the value on a machine; `str` of an expression is how it reads in Python.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .machine import Machine, Oops, Unfit


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


@dataclass(frozen=True)
class Error(Expression):
    """A new exception."""

    kind: str
    message: str

    def make(self, m: Machine) -> BaseException:
        kinds = {"Oops": Oops, "CancelledError": asyncio.CancelledError, "TimeoutError": TimeoutError}
        return kinds[self.kind](self.message)

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
    what: Expression

    def make(self, m: Machine) -> Any:
        coro = self.what.make(m)
        task = m.aio.create_task(coro)
        m.number(task)
        return task

    def __str__(self) -> str:
        return f"create_task({self.what})"


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


@dataclass(frozen=True)
class Wait(Expression):
    children: tuple[Expression, ...]
    return_when: str
    timeout: Delay | None

    def make(self, m: Machine) -> Any:
        children = [child.make(m) for child in self.children]
        return m.aio.wait(children, timeout=value(m, self.timeout), return_when=self.return_when)

    def __str__(self) -> str:
        children = ", ".join(map(str, self.children))
        return f"wait([{children}], timeout={self.timeout}, return_when={self.return_when})"
