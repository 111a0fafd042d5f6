"""What the loop makes of sockets: native transports, or asyncio's own where a socket is not a plain one.

The methods of a `socket.socket` are known, so native code makes the system calls itself. A subclass may do
things of its own in its methods; asyncio's transport calls them.
"""

from __future__ import annotations

import socket
import sys
import weakref
from asyncio import selector_events, sslproto, unix_events
from asyncio.streams import StreamReaderProtocol
from collections.abc import Iterator, MutableMapping
from typing import Any

from . import _core

_stock: Any = selector_events.BaseSelectorEventLoop
_unix_stock: Any = unix_events._UnixSelectorEventLoop

# None in a Python that was built without it; then there is no native class either, and asyncio's says so.
_ssl: Any = sslproto.ssl  # type: ignore[attr-defined]
_SSLProtocol: Any = getattr(_core, "SSLProtocol", sslproto.SSLProtocol)


class TransportsByDescriptor(MutableMapping[int, Any]):
    """Stands where asyncio's loop keeps its transports by descriptor, for those who look at it.

    The loop does so itself; like asyncio's mapping it keeps none of them alive, nor the loop.
    """

    def __init__(self, loop: _core.LoopBase) -> None:
        self._loop = weakref.ref(loop)

    def _at(self, fd: object) -> Any:
        loop = self._loop()
        return loop._transport_at(fd) if loop is not None and isinstance(fd, int) else None

    def __getitem__(self, fd: int) -> Any:
        transport = self._at(fd)
        if transport is None:
            raise KeyError(fd)
        return transport

    def __setitem__(self, fd: int, transport: Any) -> None:
        loop = self._loop()
        if loop is not None:
            loop._set_transport_at(fd, transport)

    def __delitem__(self, fd: int) -> None:
        self[fd]
        self[fd] = None

    def __iter__(self) -> Iterator[int]:
        loop = self._loop()
        fds = loop._transport_fds() if loop is not None else []
        return iter([fd for fd in fds if self._at(fd) is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))


class Transports:
    """Part of `EventLoop`: the methods in which asyncio's coroutines about sockets end."""

    def _make_socket_transport(
        self: Any, sock: Any, protocol: Any, waiter: Any = None, *, extra: Any = None, server: Any = None
    ) -> Any:
        if type(sock) is not socket.socket:
            return _stock._make_socket_transport(self, sock, protocol, waiter, extra=extra, server=server)
        if sys.version_info >= (3, 12):
            self._ensure_fd_no_transport(sock)
        return _core.SocketTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self: Any,
        rawsock: Any,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
        **options: Any,
    ) -> Any:
        if type(rawsock) is not socket.socket:
            return _stock._make_ssl_transport(
                self, rawsock, protocol, sslcontext, waiter, extra=extra, server=server, **options
            )
        if sys.version_info >= (3, 12):
            self._ensure_fd_no_transport(rawsock)
        tls = _SSLProtocol(self, protocol, sslcontext, waiter, **options)
        _core.SocketTransport(self, rawsock, tls, None, extra, server)
        return tls._app_transport

    def _make_datagram_transport(
        self: Any, sock: Any, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
    ) -> Any:
        if type(sock) is not socket.socket:
            return _stock._make_datagram_transport(self, sock, protocol, address, waiter, extra)
        if sys.version_info >= (3, 12):
            self._ensure_fd_no_transport(sock)
        return _core.DatagramTransport(self, sock, protocol, address, waiter, extra)

    # asyncio's pipe transports take any object with `fileno()` and `close()`, and so do ours.

    def _make_read_pipe_transport(
        self: Any, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None
    ) -> Any:
        return _core.ReadPipeTransport(self, pipe, protocol, waiter, extra)

    def _make_write_pipe_transport(
        self: Any, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None
    ) -> Any:
        return _core.WritePipeTransport(self, pipe, protocol, waiter, extra)

    def _sock_sendfile_native_impl(self: Any, fut: Any, *args: Any) -> None:
        try:
            _unix_stock._sock_sendfile_native_impl(self, fut, *args)
        except OSError as error:
            # The system does not watch the socket. asyncio raises this from a callback, and whoever waits for
            # the file to be sent would wait for ever.
            if not fut.done():
                fut.set_exception(error)

    async def start_tls(
        self: Any,
        transport: Any,
        protocol: Any,
        sslcontext: Any,
        *,
        server_side: Any = False,
        server_hostname: Any = None,
        ssl_handshake_timeout: Any = None,
        ssl_shutdown_timeout: Any = None,
    ) -> Any:
        """Upgrade transport to TLS.

        Return a new transport that *protocol* should start using immediately. What the reader of a server's
        stream has of the handshake already is part of it.
        """
        if _ssl is None:
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, _ssl.SSLContext):
            raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")

        waiter = self.create_future()
        tls = _SSLProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            call_connection_made=False,
        )
        # Nothing may come in before the protocol knows of its transport.
        transport.pause_reading()
        if server_side:
            _hand_over_what_was_read(protocol, tls)
        transport.set_protocol(tls)
        made = self.call_soon(tls.connection_made, transport)
        resumed = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            made.cancel()
            resumed.cancel()
            # Or the exception would keep the future that keeps the exception.
            del waiter
            raise
        return tls._app_transport


def _hand_over_what_was_read(protocol: Any, tls: Any) -> None:
    """Move what the reader of a stream has of the peer's handshake to where it belongs.

    A client may send its first message right behind the words that ask for TLS; then both are read at once.
    The other way round nothing can be there but plain text: a server answers a client's first message.
    """
    reader = getattr(protocol, "_stream_reader", None) if isinstance(protocol, StreamReaderProtocol) else None
    if reader is not None and reader._buffer:
        buffer = reader._buffer
        tls._incoming.write(buffer)
        buffer.clear()
