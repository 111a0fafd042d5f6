"""Every short course of events over a connection, and random ones over a reader, beside asyncio's.

`support/streams.py` says what the letters of a script do; a digit cancels the task of that number.
"""

import difflib
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.coordination import MIXTURES, OURS, Cast, same_in_every_mixture, seen, turns
from support.coordination_scripts import play_all
from support.streams import ReaderStage, Transport, Unpausable, WriterStage

CHUNKS = st.text("ab\n", min_size=1, max_size=12).map(str.encode) | st.sampled_from([b"", b"a" * 40])
SEPARATORS: Any = st.sampled_from([b"\n", b"a", b"ab", b"ba\n", b"aab", b"", "a", 1, bytearray(b"\n")])
if sys.version_info >= (3, 13):
    SEPARATORS |= st.tuples() | st.tuples(SEPARATORS) | st.tuples(SEPARATORS, SEPARATORS, SEPARATORS)

READS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 14)),
    st.tuples(st.just("read")),
    st.tuples(st.just("readexactly"), st.integers(-1, 30)),
    st.tuples(st.just("readline")),
    st.tuples(st.just("readuntil")),
    st.tuples(st.just("readuntil"), SEPARATORS),
    st.tuples(st.just("__anext__")),
    st.tuples(st.sampled_from(["read", "readexactly"]), st.sampled_from([True, 2.5, None, "3", 10**30])),
    st.tuples(st.just("_wait_for_data"), st.sampled_from(["here", 5])),
)
MOVES = st.one_of(
    st.tuples(st.just("feed"), CHUNKS),
    st.tuples(st.just("feed"), CHUNKS),
    st.tuples(st.just("feed"), CHUNKS.map(bytearray)),
    st.tuples(st.just("start"), READS),
    st.tuples(st.just("start"), READS),
    st.tuples(st.just("do"), READS),
    st.tuples(st.just("turn")),
    st.tuples(st.just("turn")),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("look")),
    st.tuples(st.just("hold")),
    st.tuples(st.just("export")),
    st.tuples(st.just("let go")),
    st.tuples(st.just("extend"), CHUNKS),
    st.tuples(st.just("replace"), st.sampled_from([b"", b"ab\nab"])),
    st.tuples(st.just("limit"), st.sampled_from([1, 3, 10, 2.5, 10**20])),
    st.tuples(st.just("eof")),
    st.tuples(st.just("fail")),
)


def odd_limits_first(moves: list[Any]) -> list[Any]:
    """Whoever waits already when `_limit` becomes something else than an int of ordinary size begins anew, on
    asyncio's own code, and so meets an error that asyncio would not look for any more."""
    return sorted(moves, key=lambda move: move[0] != "limit" or move[1] in (1, 3, 10))


SCRIPTS = st.tuples(
    st.sampled_from([1, 4, 8, 1000]),
    st.sampled_from([Transport, Unpausable, None]),
    st.lists(MOVES, min_size=1, max_size=14).map(odd_limits_first),
)


class Player:
    """One reader, and what a script does with it."""

    def __init__(self, aio: Any, cast: Cast, limit: int, transport: Any) -> None:
        self.cast = cast
        self.reader = aio.StreamReader(limit=limit, loop=aio.get_running_loop())
        if transport is not None:
            self.reader.set_transport(transport(cast.note))
        self.held: list[Any] = []
        self.aio = aio

    async def play(self, moves: list[Any]) -> None:
        for number, (move, *args) in enumerate(moves):
            try:
                result = await getattr(self, "move_" + move.replace(" ", "_"))(number, *args)
            except Exception as error:
                result = (repr(error), repr(error.__context__))
            self.cast.note(move, args, result, self.reader.at_eof(), self.reader._paused)
        self.held.clear()
        self.cast.note("left", bytes(self.reader._buffer))

    def _read(self, name: str, *args: Any) -> Any:
        return getattr(self.reader, name)(*args)

    async def move_feed(self, _: int, data: Any) -> None:
        self.reader.feed_data(data)

    async def move_start(self, number: int, read: Any) -> None:
        self.cast.start(str(number), lambda: self._read(*read))

    async def move_do(self, _: int, read: Any) -> Any:
        task = self.aio.create_task(self._read(*read))
        await turns(self.aio, 2)
        if not task.done():
            task.cancel()
            return "would wait"
        return task.result()

    async def move_turn(self, _: int) -> None:
        await turns(self.aio)

    async def move_cancel(self, _: int) -> None:
        if self.cast.tasks:
            self.cast.cancel(list(self.cast.tasks)[-1])

    async def move_look(self, _: int) -> Any:
        return bytes(self.reader._buffer), self.reader._eof, repr(self.reader._exception)

    async def move_hold(self, _: int) -> Any:
        self.held.append(self.reader._buffer)
        return [bytes(held) for held in self.held]

    async def move_export(self, _: int) -> None:
        self.held.append(memoryview(self.reader._buffer))

    async def move_let_go(self, _: int) -> Any:
        last = [bytes(held) for held in self.held]
        self.held.clear()
        return last

    async def move_extend(self, _: int, data: bytes) -> None:
        self.reader._buffer.extend(data)

    async def move_replace(self, _: int, data: bytes) -> None:
        self.reader._buffer = bytearray(data)

    async def move_limit(self, _: int, limit: Any) -> None:
        self.reader._limit = limit

    async def move_eof(self, _: int) -> None:
        self.reader.feed_eof()

    async def move_fail(self, number: int) -> None:
        self.reader.set_exception(OSError(f"failure {number}"))


def program(aio: Any, see: Any, script: Any) -> None:
    limit, transport, moves = script

    async def main() -> None:
        cast = Cast(aio)
        try:
            await Player(aio, cast, limit, transport).play(moves)
            await cast.end()
        finally:
            for entry in cast.trace:
                see(entry)

    see.run(main())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS)
def test_scripts_take_the_same_course(script: Any) -> None:
    expected = seen(program, "asyncio", script)
    assert expected
    for way in (*OURS, *MIXTURES):
        found = seen(program, way, script)
        if found != expected:
            lines = difflib.unified_diff(
                [str(record) for record in expected],
                [str(record) for record in found],
                "asyncio",
                way,
                lineterm="",
            )
            pytest.fail("\n".join(lines), pytrace=False)


@same_in_every_mixture
def test_every_script_for_those_who_drain(aio: Any, see: Any) -> None:
    play_all(WriterStage, "prdwclx0.", 3)(aio, see)


@same_in_every_mixture
def test_every_script_for_those_who_read(aio: Any, see: Any) -> None:
    play_all(ReaderStage, "anoexslf0.", 3)(aio, see)
