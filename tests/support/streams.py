"""What tests of streams read from and write to, without a descriptor."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from support.coordination import turns
from support.coordination_scripts import Stage


class Transport(asyncio.Transport):
    """Takes down what is asked of it."""

    def __init__(self, note: Callable[..., None]) -> None:
        super().__init__()
        self.note = note
        self.closing = False

    def __repr__(self) -> str:
        return "<Transport>"

    def pause_reading(self) -> None:
        self.note("pause_reading")

    def resume_reading(self) -> None:
        self.note("resume_reading")

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.note("close")
        self.closing = True

    def abort(self) -> None:
        self.note("abort")

    def write(self, data: Any) -> None:
        self.note("write", bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.note("writelines", b"".join(list_of_data))

    def write_eof(self) -> None:
        self.note("write_eof")

    def can_write_eof(self) -> bool:
        return True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Unpausable(Transport):
    """One that cannot be paused."""

    def pause_reading(self) -> None:
        self.note("pause_reading")
        raise NotImplementedError


def connected(aio: Any, note: Callable[..., None], **kwargs: Any) -> tuple[Any, Any, Any, Any]:
    """Reader, writer, protocol and transport of a connection that leads nowhere."""
    loop = asyncio.get_running_loop()
    reader = aio.StreamReader(loop=loop, **kwargs)
    protocol = aio.StreamReaderProtocol(reader, loop=loop)
    transport = Transport(note)
    protocol.connection_made(transport)
    writer = aio.StreamWriter(transport, protocol, reader, loop)
    return reader, writer, protocol, transport


class WriterStage(Stage):
    """A connection that may not be written to, and two who drain it."""

    moves: ClassVar[dict[str, str]] = {
        "p": "pause",
        "r": "resume",
        "d": "drain",
        "w": "wait_closed",
        "c": "close",
        "l": "lose",
        "x": "lose_by_error",
    }

    async def set_up(self) -> None:
        streams = connected(self.aio, lambda *_: None)
        self.reader, self.writer, self.protocol, _ = streams
        self.protocol.pause_writing()
        for name in ("first", "second"):
            self.cast.start(name, self.writer.drain)
        await turns(self.aio)

    def pause(self) -> None:
        self.protocol.pause_writing()

    def resume(self) -> None:
        self.protocol.resume_writing()

    def drain(self) -> None:
        self.cast.start(f"late {len(self.cast.tasks)}", self.writer.drain)

    def wait_closed(self) -> None:
        self.cast.start(f"closed {len(self.cast.tasks)}", self.writer.wait_closed)

    def close(self) -> None:
        self.writer.close()

    def lose(self) -> None:
        self.protocol.connection_lost(None)

    def lose_by_error(self) -> None:
        self.protocol.connection_lost(ConnectionResetError("by peer"))

    def state(self) -> str:
        own = self.protocol
        return f"{own._paused} {own._connection_lost} {len(own._drain_waiters)} {own._closed} {self.reader!r}"

    async def clear_up(self) -> None:
        self.writer.close()


class ReaderStage(Stage):
    """A connection with a small limit, and one who reads a line from it."""

    moves: ClassVar[dict[str, str]] = {
        "a": "receive_part",
        "n": "receive_line",
        "o": "receive_much",
        "e": "end",
        "x": "lose_by_error",
        "s": "read_some",
        "l": "read_line",
        "f": "read_five",
    }

    async def set_up(self) -> None:
        self.reader, self.writer, self.protocol, _ = connected(self.aio, self.cast.note, limit=4)
        self.cast.start("first", self.reader.readline)
        await turns(self.aio)

    def receive_part(self) -> None:
        self.protocol.data_received(b"ab")

    def receive_line(self) -> None:
        self.protocol.data_received(b"\n")

    def receive_much(self) -> None:
        self.protocol.data_received(b"0123456\n89")

    def end(self) -> None:
        self.protocol.eof_received()

    def lose_by_error(self) -> None:
        self.protocol.connection_lost(ConnectionResetError("by peer"))

    def read_some(self) -> None:
        self._read("some", lambda: self.reader.read(3))

    def read_line(self) -> None:
        self._read("line", self.reader.readline)

    def read_five(self) -> None:
        self._read("five", lambda: self.reader.readexactly(5))

    def _read(self, name: str, read: Callable[[], Any]) -> None:
        self.cast.start(f"{name} {len(self.cast.tasks)}", read)

    def state(self) -> str:
        return f"{self.reader._paused} {self.reader.at_eof()}"

    async def clear_up(self) -> None:
        self.writer.close()
