"""What a program can do with statements inside: try, loops, and everything that is entered and left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

from .expressions import Deadline, Delay, Expression, at_most_one_done, value
from .machine import Machine
from .statements import Statement

Body = tuple[Statement, ...]


def indented(body: Body) -> list[str]:
    lines = [line for statement in body for line in statement.lines()]
    return [f"    {line}" for line in lines or ["pass"]]


class Block(Statement):
    sync: ClassVar[bool] = False


@dataclass(frozen=True)
class Attempt(Block):
    """Go on whatever error a statement raises, unless it was cancelled."""

    body: Body

    async def run(self, m: Machine) -> bool:
        try:
            return await m.block(self.body)
        except Exception:
            return False

    def lines(self) -> list[str]:
        return ["with suppress(Exception):", *indented(self.body)]


CATCHES: dict[str, Any] = {
    "Exception": Exception,
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "BaseException": BaseException,
}


@dataclass(frozen=True)
class Try(Block):
    """try, except and finally. Catching "GeneratorExit" is left to those who mean it, so BaseException passes
    it."""

    body: Body
    catch: str
    handler: Body
    reraise: bool
    final: Body

    async def run(self, m: Machine) -> bool:
        try:
            try:
                return await m.block(self.body)
            except GeneratorExit:
                raise
            except CATCHES[self.catch] as error:
                m.note(f"except {self.catch}", error)
                returned = await m.block(self.handler)
                if self.reraise:
                    raise
                return returned
        finally:
            if self.final:
                m.note("finally")
                await m.block(self.final)

    def lines(self) -> list[str]:
        lines = ["try:", *indented(self.body), f"except {self.catch}:", *indented(self.handler)]
        if self.reraise:
            lines.append("    raise")
        return [*lines, "finally:", *indented(self.final)] if self.final else lines


@dataclass(frozen=True)
class Repeat(Block):
    times: int
    body: Body

    async def run(self, m: Machine) -> bool:
        for _ in range(self.times):
            if await m.block(self.body):
                return True
        return False

    def lines(self) -> list[str]:
        return [f"for _ in range({self.times}):", *indented(self.body)]


class Entered(Block):
    """Something that is entered with `async with`."""

    body: Body

    def enter(self, m: Machine) -> Any:
        """The context manager."""
        raise TypeError(f"{type(self).__name__} cannot be entered")

    def inside(self, m: Machine, entered: Any) -> None:
        """Called first inside of the block."""

    def outside(self, m: Machine, entered: Any) -> Any:
        """Called behind the block; says what is to be seen of it now."""

    async def run(self, m: Machine) -> bool:
        m.note(self.text)
        entered = None
        returned = False
        try:
            entered = self.enter(m)
            async with entered as given:
                self.inside(m, given)
                m.note(f"{self.text} entered", "" if given is None else repr(given))
                returned = await m.block(self.body)
                m.note(f"{self.text} leaves")
        except BaseException as error:
            m.note(f"{self.text} raised", error, m.cancelling(), self.outside(m, entered))
            raise
        m.note(f"{self.text} left", self.outside(m, entered))
        return returned

    def lines(self) -> list[str]:
        return [f"async with {self}:", *indented(self.body)]


@dataclass(frozen=True)
class With(Entered):
    """Hold a lock, a semaphore or a condition's lock, or meet at a barrier."""

    target: str
    body: Body

    def enter(self, m: Machine) -> Any:
        return m.get(self.target)

    def outside(self, m: Machine, entered: Any) -> Any:
        return repr(entered)

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True)
class Timeout(Entered):
    """A timeout, after a delay or at a point in time. Inside of it, `scope` is its name."""

    when: Delay | Deadline | None
    body: Body

    def enter(self, m: Machine) -> Any:
        make = m.aio.timeout_at if isinstance(self.when, Deadline) else m.aio.timeout
        return make(value(m, self.when))

    def inside(self, m: Machine, entered: Any) -> None:
        m.scopes.setdefault(m.me(), []).append(entered)

    def outside(self, m: Machine, entered: Any) -> Any:
        scopes = m.scopes.get(m.me(), [])
        if scopes and scopes[-1] is entered:
            scopes.pop()
        return None if entered is None else [entered.expired(), entered.when(), repr(entered)]

    def __str__(self) -> str:
        function = "timeout_at" if isinstance(self.when, Deadline) else "timeout"
        return f"{function}({self.when}) as scope"


class InOrder(set[Any]):
    """A set of tasks that is walked in the order in which the machine saw them first.

    Task groups keep their tasks in a set, and cancel them in its order, which changes with their addresses
    from run to run.
    """

    def __init__(self, m: Machine) -> None:
        super().__init__()
        self._m = m

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(super().__iter__(), key=self._m.number))


@dataclass(frozen=True)
class Group(Entered):
    """A task group, which everyone can reach under its name."""

    name: str
    body: Body

    def enter(self, m: Machine) -> Any:
        group = m.aio.TaskGroup()
        group._tasks = InOrder(m)
        return group

    def inside(self, m: Machine, entered: Any) -> None:
        m.named[self.name] = entered

    def outside(self, m: Machine, entered: Any) -> Any:
        return repr(entered)

    def __str__(self) -> str:
        return f"TaskGroup() as {self.name}"


@dataclass(frozen=True)
class AsCompleted(Block):
    """Take results in the order in which they come, in one of the two forms of iteration."""

    children: tuple[Expression, ...]
    timeout: Delay | None
    asynchronous: bool
    stop: int | None
    body: Body

    async def run(self, m: Machine) -> bool:
        m.note(self.text)
        taken = 0
        try:
            children = [child.make(m) for child in self.children]
            # They would come in the order of a set.
            at_most_one_done(children)
            results = m.aio.as_completed(children, timeout=value(m, self.timeout))
            if self.asynchronous:
                async for future in results:
                    m.note(f"{self.text} gave", m.brief(future) if future in children else "a new task")
                    if await self._take(m, future):
                        return True
                    taken += 1
                    if taken == self.stop:
                        break
            else:
                for coming in results:
                    if await self._take(m, coming):
                        return True
                    taken += 1
                    if taken == self.stop:
                        break
        except BaseException as error:
            m.note(f"{self.text} raised", error)
            raise
        m.note(f"{self.text} ends", taken)
        return False

    async def _take(self, m: Machine, coming: Any) -> bool:
        m.note(f"{self.text} next", await coming)
        return await m.block(self.body)

    def lines(self) -> list[str]:
        children = ", ".join(map(str, self.children))
        each = "async for" if self.asynchronous else "for"
        lines = [f"{each} coming in as_completed([{children}], timeout={self.timeout}):", "    await coming"]
        lines += indented(self.body) if self.body else []
        return lines if self.stop is None else [*lines, f"    # break after {self.stop}"]


@dataclass(frozen=True)
class Iterate(Block):
    """Iterate over an asynchronous generator, to its end or not, closing it or leaving that to the loop."""

    inside: Body
    items: int
    stop: int | None
    close: bool
    body: Body

    async def run(self, m: Machine) -> bool:
        m.note(self.text)
        if not self.close:
            # Nothing but the loop itself holds the generator: a traceback that keeps this frame does not keep
            # it.
            return await self._take(m, [self._generate(m)])
        generator = self._generate(m)
        async with aclosing(generator):
            return await self._take(m, [generator])

    async def _generate(self, m: Machine) -> AsyncGenerator[int]:
        try:
            for item in range(self.items):
                await m.block(self.inside)
                yield item
        except BaseException as error:
            m.note("generator raises", error)
            raise
        finally:
            m.note("generator ends")
            await m.aio.sleep(0)
            m.note("generator has ended")

    async def _take(self, m: Machine, generators: list[AsyncGenerator[int]]) -> bool:
        async for item in generators.pop():
            m.note("generator gave", item)
            if await m.block(self.body):
                return True
            if item == self.stop:
                return False
        return False

    def lines(self) -> list[str]:
        return [
            "async def generate():",
            f"    for item in range({self.items}):",
            *(f"    {line}" for line in indented(self.inside)),
            "        yield item",
            f"async for item in {'closing ' if self.close else ''}generate():",
            *indented(self.body),
            *([] if self.stop is None else [f"    # break after {self.stop}"]),
        ]
