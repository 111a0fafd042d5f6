"""What a program can do in one line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from .expressions import Delay, Error, Expression, Method, value
from .machine import VAR, Machine, Unfit


class Statement:
    """One statement of a program. Those that are `sync` have `do`, the others `run`.

    Both return True to return from the whole body.
    """

    sync: ClassVar[bool] = True

    def do(self, m: Machine) -> bool | None:
        raise TypeError(f"{type(self).__name__} does nothing")

    async def run(self, m: Machine) -> bool | None:
        return self.do(m)

    def lines(self) -> list[str]:
        """How it reads in Python."""
        return [str(self)]

    @cached_property
    def text(self) -> str:
        return self.lines()[0]


def _seen(m: Machine, expression: Expression) -> str:
    """The object whose method was called, as it shows itself now."""
    if isinstance(expression, Method) and expression.target in m.named:
        return m.show(m.named[expression.target])
    return ""


@dataclass(frozen=True)
class Do(Statement):
    """Call something that answers at once."""

    what: Expression

    def do(self, m: Machine) -> None:
        try:
            result = self.what.make(m)
        except BaseException as error:
            m.note(self.text, error, _seen(m, self.what))
            raise
        m.note(self.text, result, _seen(m, self.what))

    def __str__(self) -> str:
        return str(self.what)


@dataclass(frozen=True)
class Assign(Statement):
    """Let a variable hold a task, a future or a task group's task."""

    name: str
    what: Expression

    def do(self, m: Machine) -> None:
        try:
            made = self.what.make(m)
            if not hasattr(made, "add_done_callback"):
                # In a program that was made smaller.
                raise Unfit("variables hold nothing but tasks and futures")
        except BaseException as error:
            m.note(self.text, error)
            raise
        m.named[self.name] = made
        m.note(self.text, made)

    def __str__(self) -> str:
        return f"{self.name} = {self.what}"


@dataclass(frozen=True)
class Await(Statement):
    """Await something, and see what it gave."""

    sync: ClassVar[bool] = False
    what: Expression

    async def run(self, m: Machine) -> None:
        m.note(self.text)
        try:
            result = await self.what.make(m)
        except BaseException as error:
            m.note(f"{self.text} raised", error, m.cancelling(), _seen(m, self.what))
            raise
        m.note(f"{self.text} gave", result, _seen(m, self.what))

    def __str__(self) -> str:
        return f"await {self.what}"


@dataclass(frozen=True)
class Raise(Statement):
    error: Error

    def do(self, m: Machine) -> None:
        m.note(self.text)
        raise self.error.make(m)

    def __str__(self) -> str:
        return f"raise {self.error}"


@dataclass(frozen=True)
class Return(Statement):
    def do(self, m: Machine) -> bool:
        m.note("return")
        return True

    def __str__(self) -> str:
        return "return"


@dataclass(frozen=True)
class Count(Statement):
    """Raise a counter, which predicates of conditions look at."""

    counter: int

    def do(self, m: Machine) -> None:
        m.counters[self.counter] += 1

    def __str__(self) -> str:
        return f"counters[{self.counter}] += 1"


@dataclass(frozen=True)
class SetVar(Statement):
    """Set the context variable that every line of the trace shows."""

    content: str

    def do(self, m: Machine) -> None:
        VAR.set(self.content)

    def __str__(self) -> str:
        return f"var.set({self.content!r})"


@dataclass(frozen=True)
class Later(Statement):
    """Have the loop call something: in the next turn, or after a delay."""

    what: Expression
    delay: Delay | None

    def do(self, m: Machine) -> None:
        statement = Do(self.what)
        m.note(self.text)
        if self.delay is None:
            m.loop.call_soon(statement.do, m)
        else:
            m.loop.call_later(value(m, self.delay), statement.do, m)

    def __str__(self) -> str:
        call = "loop.call_soon(" if self.delay is None else f"loop.call_later({self.delay}, "
        return f"{call}lambda: {self.what})"


@dataclass(frozen=True)
class Watch(Statement):
    """Add a callback that tells when a task or future is done, and in which context."""

    name: str

    def do(self, m: Machine) -> None:
        future = m.get(self.name)
        m.note(self.text, future)
        m.callbacks[self.name] = lambda done: m.note(f"callback of {self.name}", done)
        future.add_done_callback(m.callbacks[self.name])

    def __str__(self) -> str:
        return f"{self.name}.add_done_callback(show)"


@dataclass(frozen=True)
class Unwatch(Statement):
    """Take back the last callback that was added to what the variable held, or one that is added for that."""

    name: str

    def do(self, m: Machine) -> None:
        future = m.get(self.name)
        if self.name not in m.callbacks:
            Watch(self.name).do(m)
        m.note(self.text, future.remove_done_callback(m.callbacks[self.name]))

    def __str__(self) -> str:
        return f"{self.name}.remove_done_callback(show)"
