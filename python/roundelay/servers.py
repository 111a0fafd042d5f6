"""How servers begin and end, around asyncio's own code: whatever fails, no socket of theirs stays open."""

from __future__ import annotations

import asyncio
from asyncio.log import logger
from asyncio.selector_events import BaseSelectorEventLoop
from functools import wraps
from typing import TYPE_CHECKING, Any

_stock: Any = asyncio.SelectorEventLoop


async def _started(make: Any, start_serving: bool, sock: Any) -> Any:
    """Make a server and have it listen. asyncio forgets its sockets, open, if that fails or is cancelled."""
    server = await make
    if start_serving:
        try:
            server._start_serving()
            # As in asyncio: skip a turn, so that the sockets are watched.
            await asyncio.sleep(0)
        except BaseException:
            if sock is None:  # a socket that was given is the caller's
                server.close()
            raise
    return server


class Servers:
    """Part of `EventLoop`: how servers begin and end."""

    if TYPE_CHECKING:
        create_server = asyncio.SelectorEventLoop.create_server
        create_unix_server = asyncio.SelectorEventLoop.create_unix_server
    else:

        @wraps(_stock.create_server)
        async def create_server(
            self: Any, *args: Any, start_serving: bool = True, sock: Any = None, **options: Any
        ) -> Any:
            make = _stock.create_server(self, *args, start_serving=False, sock=sock, **options)
            return await _started(make, start_serving, sock)

        @wraps(_stock.create_unix_server)
        async def create_unix_server(
            self: Any, *args: Any, start_serving: bool = True, sock: Any = None, **options: Any
        ) -> Any:
            make = _stock.create_unix_server(self, *args, start_serving=False, sock=sock, **options)
            return await _started(make, start_serving, sock)

    def _stop_serving(self: Any, sock: Any) -> None:
        try:
            _stock._stop_serving(self, sock)
        except OSError as error:
            if sock.fileno() < 0:
                raise
            # asyncio first asks a Unix socket for the path that is to be removed, and leaves it open if it
            # does not know.
            logger.error("Unable to clean up listening UNIX socket %r: %r", sock, error)
            self._unix_server_sockets.pop(sock, None)
            BaseSelectorEventLoop._stop_serving(self, sock)  # type: ignore[attr-defined]
