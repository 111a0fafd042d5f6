"""Runs one program on one event loop, and writes down everything that can be seen of it."""

from __future__ import annotations

import concurrent.futures
import contextvars
import itertools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blocks import Statement
    from .program import Program

# One unit of a program's delays, in virtual seconds, and the smallest step that tells two timers apart. Both
# are exact in binary fractions and in nanoseconds, so that every clock computes the very same times.
UNIT = 64.0
STEP = 2.0**-9

# When the program begins (early enough for deadlines that lie in its past), and when it is stuck: no delay
# of a program adds up to that much, so if the guard's timer is due there is nothing else left to happen. (It
# must not be so late that a nanosecond, by which asyncio looks ahead, is lost beside it.)
BEGIN = 16 * UNIT
GUARD = 2.0**20

# What a program may do before it runs out: its statements, and the rounds of cancelling what is left at its
# end, of which so many are gentle.
STEPS = 160
ROUNDS = 40
PATIENCE = 8

# How often a program in which everyone waits is helped on, and with what.
HELPS = 3
_HELP: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "lock": (("release", ()),),
    "semaphore": (("release", ()),),
    "event": (("set", ()),),
    "queue": (("put_nowait", (5,)), ("get_nowait", ()), ("task_done", ())),
    "e": (("set_result", ("help",)),),
}

# After so many turns in which nothing was seen, the ticks that number the turns pause until something is.
QUIET_TURNS = 4

VAR: contextvars.ContextVar[Any] = contextvars.ContextVar("var", default="-")


class Oops(Exception):
    """What programs raise."""


class Unfit(Exception):
    """A program asked for something that is not there, or that nobody promises an outcome for."""


class InlineExecutor(concurrent.futures.ThreadPoolExecutor):
    """Runs at once what is meant for another thread: what a thread does when is nobody's promise."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Machine:
    """One run of a program.

    Tasks and futures are numbered in the order in which the program first sees them. A task awaits only what
    has a higher number than itself: when tasks wait for each other in a circle, cancelling one recurses until
    Python stops it, and how far that gets is nobody's promise.
    """

    def __init__(self, aio: Any, loop: Any, program: Program) -> None:
        self.aio = aio
        self.loop = loop
        self.program = program
        self.trace: list[str] = []
        self.reports: list[str] = []
        # Whether nothing is written any more, because what comes now is nobody's promise.
        self._muted = False
        self.steps = STEPS
        # Objects and variables of the program, by name.
        self.named: dict[str, Any] = {}
        self.counters = [0, 0]
        # The callbacks that were added to futures last, by the name of the future.
        self.callbacks: dict[str, Any] = {}
        self._numbers: dict[Any, int] = {}
        # Kept, all of them: how long a traceback keeps what its frames know is different without frames.
        self._known: list[Any] = []
        self._next_number = itertools.count(1)
        self._next_step = itertools.count(1)
        # The timeouts that each task is inside of, innermost last.
        self.scopes: dict[int, list[Any]] = {}
        self._turn = 0
        self._quiet_turns = QUIET_TURNS
        # Whether the program is over; what is seen then comes from the collector.
        self.over = False

    # Names and times

    def number(self, future: Any, at_most: int | None = None) -> int:
        """The number of a task or future, which gets the next one if it has none (or `at_most`)."""
        known = self._numbers.get(future)
        if known is None:
            known = next(self._next_number)
            self._known.append(future)
            self._numbers[future] = known if at_most is None else min(known, at_most)
            return self._numbers[future]
        return known

    def me(self) -> int:
        """The number of the task that runs, or 0 in a callback."""
        task = self.task()
        return 0 if task is None else self.number(task)

    def task(self) -> Any:
        """The task that runs."""
        return self.aio.current_task(self.loop)

    def cancelling(self) -> int | str:
        """How often the running task was asked to end."""
        task = self.task()
        return "" if task is None else task.cancelling()

    def get(self, name: str) -> Any:
        """What a name of the program stands for."""
        if name == "me":
            return self.task()
        if name == "scope":
            scopes = self.scopes.get(self.me())
            if not scopes:
                raise Unfit("not inside of a timeout")
            return scopes[-1]
        try:
            return self.named[name]
        except KeyError:
            raise Unfit(f"no {name} yet") from None

    def slot(self, units: float) -> float:
        """A point in time some units from now at which no other timer of the program is due.

        asyncio promises no order among timers of the very same time.
        """
        now = self.loop.time() // UNIT * UNIT
        return now + units * UNIT + next(self._next_step) * STEP

    # The trace

    def _write(self, line: str) -> None:
        if not self._muted:
            self.trace.append(line)

    def note(self, text: str, *outcome: Any) -> None:
        """Write a line: who (number, context), when, what, and how it went."""
        parts = [f"{self.loop.time():.3f} t{self.me()} {VAR.get()} {text}"]
        parts.extend(self.brief(item) for item in outcome)
        self._write(" | ".join(parts))
        if self._quiet_turns >= QUIET_TURNS and self.program.ticks and not self.over:
            self.loop.call_soon(self._tick)
        self._quiet_turns = 0

    def forget(self) -> None:
        """Let go of everything, so that what nobody asked for its exception says so."""
        self.named.clear()
        self._known.clear()
        self._numbers.clear()
        self.scopes.clear()

    def _tick(self) -> None:
        self._turn += 1
        self._quiet_turns += 1
        self._write(f"-- turn {self._turn}")
        if self._quiet_turns < QUIET_TURNS and not self.over:
            self.loop.call_soon(self._tick)

    def brief(self, item: Any, depth: int = 0) -> str:
        """A form of the value that is the same in two runs."""
        if item is None or isinstance(item, str | int | float):
            return str(item)
        if isinstance(item, BaseException):
            return self._brief_error(item, depth)
        if isinstance(item, tuple | list):
            return f"[{', '.join(self.brief(each, depth) for each in item)}]"
        if isinstance(item, set):
            # The order of a set of tasks is that of their addresses.
            return f"{{{', '.join(sorted(self.brief(each, depth) for each in item))}}}"
        if hasattr(item, "add_done_callback"):
            return f"{'t' if hasattr(item, 'cancelling') else 'f'}{self.number(item)} {state(item)}"
        return repr(item)

    def show(self, item: Any) -> str:
        """How an object of the program shows itself.

        Tasks differ in how they show their coroutine, of which native ones have no lines.
        """
        return self.brief(item) if hasattr(item, "add_done_callback") else repr(item)

    def _brief_error(self, error: BaseException, depth: int) -> str:
        text = f"{type(error).__name__}({error})"
        if depth > 5:
            return text
        if isinstance(error, BaseExceptionGroup):
            text += f"[{', '.join(self.brief(each, depth + 1) for each in error.exceptions)}]"
        if error.__cause__ is not None:
            text += f" from {self.brief(error.__cause__, depth + 1)}"
        elif error.__context__ is not None and not error.__suppress_context__:
            text += f" after {self.brief(error.__context__, depth + 1)}"
        return text

    def report(self, _loop: Any, context: dict[str, Any]) -> None:
        """The loop's exception handler.

        When exactly an object is let go that nobody asked for its exception is no promise of anybody's, but
        that it is reported is one: the reports stand at the end of the trace.
        """
        who = context.get("task") or context.get("future")
        message = context["message"].split("<")[0].split(" at ")[0]
        error = context.get("exception")
        if self._muted:
            return
        seen = [type(who).__name__, f"{type(error).__name__}({error})", ", ".join(sorted(context))]
        self.reports.append(f"   reported: {message} | {' | '.join(seen)}")

    # The course of a run

    async def block(self, statements: tuple[Statement, ...]) -> bool:
        """Run statements in order. True if one of them returned from the whole body."""
        for statement in statements:
            if self.steps <= 0:
                self.note("out of steps")
                return True
            self.steps -= 1
            if statement.sync:
                returned = statement.do(self)
            else:
                returned = await statement.run(self)
            if returned:
                return True
        return False

    async def body(self, index: int) -> Any:
        """What a task of the program runs."""
        if index >= len(self.program.bodies):
            # A program that was made smaller.
            raise Unfit(f"no body_{index}")
        self.note(f"body_{index} begins")
        VAR.set(f"v{index}")
        try:
            returned = await self.block(self.program.bodies[index])
        except BaseException as error:
            self.note(f"body_{index} raises", error)
            raise
        self.note(f"body_{index} ends", returned)
        return f"body_{index} of t{self.me()}"

    async def main(self) -> None:
        self.number(self.task())
        # Should the machine itself be stuck, the loop is stopped, and the run ends with an error.
        self.loop.call_at((HELPS + 1) * GUARD, self.loop.stop)
        self.named = self.program.setting.build(self.aio)
        await self.aio.sleep(BEGIN)
        ended = self.loop.create_future()
        self.named["e"] = self.aio.Future(loop=self.loop)
        self.named["f"] = self.loop.create_future()
        roots: list[Any] = []
        for index in range(self.program.roots):
            # No name from here, so that names that asyncio gives are compared as well.
            try:
                root = self.aio.create_task(self.body(index))
            except SystemExit as error:
                # An eager task raises it here and now.
                self.note("start raised", error)
                continue
            self.number(root)
            roots.append(root)
            root.add_done_callback(lambda _: all(task.done() for task in roots) and self._set(ended))
        if not roots:
            ended.set_result(None)
        for place, name in enumerate("abcd" if roots else ""):
            self.named[name] = roots[place % len(roots)]
        for stage in range(1, HELPS + 1):
            guard = self.loop.call_at(stage * GUARD, self._set, ended)
            await ended
            guard.cancel()
            if all(root.done() for root in roots):
                break
            self._show_everything()
            self.note("stuck")
            self._help()
            ended = self.loop.create_future()
        self.note("ended")
        self._show_everything()
        await self._end()
        self._show_everything()
        self.over = True

    @staticmethod
    def _set(future: Any) -> None:
        if not future.done():
            future.set_result(None)

    def _help(self) -> None:
        """Get a program going again in which everyone waits: release, set, fill and empty what there is."""
        for name, item in list(self.named.items()):
            for method, arguments in _HELP.get(name.partition("_")[0], ()):
                try:
                    getattr(item, method)(*arguments)
                except Exception as error:
                    self.note(f"help: {name}.{method}", error, self.show(item))
                else:
                    self.note(f"help: {name}.{method}", self.show(item))
        # Not from here: somebody else may come to the lock first, and keep it.
        self.number(self.aio.create_task(self._notify()))

    async def _notify(self) -> None:
        async with self.named["condition_0"]:
            self.named["condition_0"].notify_all()
            self.note("help: notified")

    async def _end(self) -> None:
        """Cancel what is left, tasks that ignore it as often as they can."""
        current = self.task()
        for number in range(ROUNDS):
            left = [future for future in self._known if not future.done() and future is not current]
            if not left or number > PATIENCE:
                # Tasks that the program never saw: what gather and the like make of a lock's acquire(). They
                # come in the order of their addresses. Their names count, if they have any: up to 3.13, a
                # task that a factory makes is called "None".
                unknown = self.aio.all_tasks() - {current, *left}
                names = {task.get_name() for task in unknown}
                self._muted = self._muted or len(names) < len(unknown)
                left += sorted(unknown, key=lambda task: (len(task.get_name()), task.get_name()))
            if not left:
                return
            for future in left:
                self.note("end cancels", future, future.cancel("end"))
            if number > PATIENCE:
                # Who waits on a condition takes its lock again, cancelled or not, and a lock may be nobody's
                # by now.
                for name in ("lock_0", "lock_1", "condition_0"):
                    if self.named[name].locked():
                        self.named[name].release()
            await self.aio.sleep(0)
            await self.aio.sleep(0)

    def _show_everything(self) -> None:
        for name, item in self.named.items():
            self._write(f"   {name}: {self.show(item)}")
        for future in self._known:
            self._write(f"   {self.brief(future)}")
        # How many are left is a promise even where their order is none.
        self.trace.append(f"   tasks: {len(self.aio.all_tasks())}")


def state(future: Any) -> str:
    """How far a task or future has come, and what became of it."""
    counted = f" cancelling {future.cancelling()}" if hasattr(future, "cancelling") else ""
    if not future.done():
        return f"pending{counted}"
    if future.cancelled():
        return f"cancelled{counted}"
    # Looked at from behind: whether anybody has asked for it is to be seen as well.
    error = future._exception
    if error is not None:
        unseen = " unseen" if future._log_traceback else ""
        return f"failed with {type(error).__name__}({error}){unseen}{counted}"
    result = future.result()
    shown = result if isinstance(result, str | int | float | bool | None) else type(result).__name__
    return f"gave {shown}{counted}"


# What differs between two runs of the same program, or is a name that must differ.
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r" at 0x[0-9a-f]+"), ""),
    (re.compile(r"<(?:asyncio\.\w+|_asyncio|roundelay(?:\._core)?)\.(?=\w)"), "<"),
    (re.compile(r"\bTask-\d+"), "Task-n"),
)


def comparable(trace: list[str]) -> list[str]:
    """The trace without addresses and places."""
    text = "\n".join(trace)
    for pattern, instead in _REPLACED:
        text = pattern.sub(instead, text)
    return text.split("\n")
