"""What tests of streams read from and write to, without a descriptor."""

import asyncio
from collections.abc import Callable
from typing import Any


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
