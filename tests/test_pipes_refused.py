"""What the loop does not take for a pipe."""

import asyncio
from pathlib import Path
from types import ModuleType

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.connections import Told, turns
from support.pipes import UNFIT, not_a_word_from_the_collector, unfit


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
@pytest.mark.parametrize("kind", UNFIT)
@same_on_both
def test_what_is_no_pipe(aio: ModuleType, see: Witness, tmp_path: Path, kind: str, method: str) -> None:
    refused = unfit(kind, tmp_path)

    async def main() -> None:
        connect = getattr(aio.get_running_loop(), method)
        await see.attempt_await(connect(lambda: Told(see), refused))
        await turns(aio)

    with not_a_word_from_the_collector():
        see.run(main())
    see(getattr(refused, "closed", "no file"))
    if hasattr(refused, "close"):
        refused.close()


def test_a_device_that_cannot_be_watched_is_the_end() -> None:
    """A device passes for a pipe, but epoll does not take this one; asyncio's transport is deaf for ever."""

    class Ends(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = asyncio.get_running_loop().create_future()

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(exc)

    async def main() -> None:
        reported: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        with open("/dev/null", "rb", buffering=0) as device:
            transport, protocol = await loop.connect_read_pipe(Ends, device)
            error = await protocol.lost
            assert isinstance(error, PermissionError)
            assert reported == [error]
            assert transport.is_closing()
            assert device.closed

    roundelay.run(main())
