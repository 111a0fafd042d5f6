# Types of the native module.
#
# Native classes derive from asyncio's and native functions are called as asyncio's are, so what asyncio's own
# stubs say is taken from there. Functions promise asyncio's classes and no more: on a loop that is not ours,
# or with a task factory, a task is whatever that loop or factory makes.

import asyncio
import inspect
import socket
import ssl
import sys
from asyncio import Barrier as Barrier
from asyncio import BoundedSemaphore as BoundedSemaphore
from asyncio import Condition as Condition
from asyncio import Event as Event
from asyncio import LifoQueue as LifoQueue
from asyncio import Lock as Lock
from asyncio import PriorityQueue as PriorityQueue
from asyncio import Queue as Queue
from asyncio import Semaphore as Semaphore
from asyncio import StreamReader as StreamReader
from asyncio import StreamReaderProtocol as StreamReaderProtocol
from asyncio import StreamWriter as StreamWriter
from asyncio import TaskGroup as TaskGroup
from asyncio import Timeout as Timeout
from asyncio import create_subprocess_exec as create_subprocess_exec
from asyncio import create_subprocess_shell as create_subprocess_shell
from asyncio import create_task as create_task
from asyncio import ensure_future as ensure_future
from asyncio import gather as gather
from asyncio import open_connection as open_connection
from asyncio import open_unix_connection as open_unix_connection
from asyncio import run_coroutine_threadsafe as run_coroutine_threadsafe
from asyncio import shield as shield
from asyncio import sslproto
from asyncio import start_server as start_server
from asyncio import start_unix_server as start_unix_server
from asyncio import timeout as timeout
from asyncio import timeout_at as timeout_at
from asyncio import to_thread as to_thread
from asyncio import wait as wait
from asyncio import wait_for as wait_for
from asyncio.subprocess import SubprocessStreamProtocol as SubprocessStreamProtocol
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from socket import _GetAddrInfoResult
from typing import Any, Final, TypeVar, final, overload

from _typeshed import FileDescriptorLike, ReadableBuffer, WriteableBuffer
from typing_extensions import TypeVarTuple, Unpack, disjoint_base

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_Ts = TypeVarTuple("_Ts")

if sys.version_info >= (3, 13):
    from asyncio import as_completed as as_completed

__version__: Final[str]

@disjoint_base
class Future(asyncio.Future[_T]):
    @property
    def _result(self) -> _T | None: ...
    @property
    def _source_traceback(self) -> Any: ...
    _cancel_message: Any
    def _make_cancelled_error(self) -> asyncio.CancelledError: ...

@disjoint_base
class Task(asyncio.Task[_T_co]):
    if sys.version_info < (3, 12):
        # Native tasks start eagerly when asked to, in versions whose own tasks cannot as well.
        def __init__(
            self,
            coro: Generator[Any, None, _T_co] | Coroutine[Any, Any, _T_co],
            *,
            loop: asyncio.AbstractEventLoop | None = None,
            name: str | None = None,
            context: Context | None = None,
            eager_start: bool = False,
        ) -> None: ...

    @property
    def _result(self) -> _T_co | None: ...
    @property
    def _source_traceback(self) -> Any: ...
    _cancel_message: Any
    def _make_cancelled_error(self) -> asyncio.CancelledError: ...
    _log_destroy_pending: bool
    @property
    def _must_cancel(self) -> bool: ...
    @property
    def _coro(self) -> Any: ...
    @property
    def _fut_waiter(self) -> asyncio.Future[Any] | None: ...

# TLS is made by the loop only. What is not here is asyncio's own.
@final
class SSLProtocol(sslproto.SSLProtocol):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app_protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        waiter: asyncio.Future[None] | None,
        server_side: bool = False,
        server_hostname: str | None = None,
        call_connection_made: bool = True,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None: ...
    _loop: Any
    _app_protocol: Any
    _app_protocol_get_buffer: Any
    _app_protocol_buffer_updated: Any
    _app_protocol_is_buffer: bool
    _app_transport: Any
    _app_transport_created: bool
    _transport: Any
    _sslobj: Any
    _incoming: Any
    _outgoing: Any
    _state: Any
    _app_state: Any
    _write_backlog: Any
    _write_buffer_size: int
    _conn_lost: int
    _waiter: Any
    _sslcontext: Any
    _server_side: Any
    _server_hostname: Any
    _extra: dict[str, Any]
    _ssl_handshake_timeout: Any
    _ssl_shutdown_timeout: Any
    _handshake_start_time: Any
    _handshake_timeout_handle: Any
    _shutdown_timeout_handle: Any
    _ssl_buffer: Any
    _ssl_buffer_view: Any
    _incoming_high_water: Any
    _incoming_low_water: Any
    _outgoing_high_water: Any
    _outgoing_low_water: Any
    _ssl_writing_paused: bool
    _ssl_reading_paused: bool
    _app_writing_paused: bool
    _app_reading_paused: bool
    _eof_received: bool
    @property
    def _driven_by(self) -> str: ...

@final
class SSLProtocolTransport(sslproto._SSLProtocolTransport):
    def __init__(self, loop: asyncio.AbstractEventLoop, ssl_protocol: SSLProtocol) -> None: ...
    _loop: Any
    _ssl_protocol: Any
    _closed: bool

# Transports are made by the loop only. What is not here is asyncio's own.
@final
class SocketTransport(asyncio.transports._FlowControlMixin):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: asyncio.Server | None = None,
    ) -> None: ...
    max_size: int
    _loop: Any
    _sock: socket.socket | None
    _protocol: Any
    _server: Any
    _empty_waiter: Any
    _protocol_connected: bool
    _closing: bool
    _eof: bool
    _paused: bool
    _protocol_paused: bool
    _conn_lost: int
    _high_water: Any
    _low_water: Any
    @property
    def _buffer(self) -> Any: ...
    @property
    def _sock_fd(self) -> int: ...
    @property
    def _read_ready_cb(self) -> Any: ...
    def _read_ready(self) -> None: ...
    def _start_reading(self) -> None: ...
    def _write_ready(self) -> None: ...
    def _force_close(self, exc: BaseException | None) -> None: ...
    def _call_connection_lost(self, exc: BaseException | None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...
    def write(self, data: bytes | bytearray | memoryview[Any]) -> None: ...

@final
class DatagramTransport(asyncio.transports._FlowControlMixin):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None: ...
    max_size: int
    _loop: Any
    _sock: socket.socket | None
    _protocol: Any
    _server: Any
    _address: Any
    _protocol_connected: bool
    _closing: bool
    _paused: bool
    _protocol_paused: bool
    _conn_lost: int
    _high_water: Any
    _low_water: Any
    @property
    def _buffer(self) -> Any: ...
    @property
    def _buffer_size(self) -> int: ...
    @property
    def _sock_fd(self) -> int: ...
    def _read_ready(self) -> None: ...
    def _start_reading(self) -> None: ...
    def _sendto_ready(self) -> None: ...
    def _force_close(self, exc: BaseException | None) -> None: ...
    def _call_connection_lost(self, exc: BaseException | None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...
    def sendto(self, data: bytes | bytearray | memoryview[Any], addr: Any = None) -> None: ...

@final
class ReadPipeTransport(asyncio.ReadTransport):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None: ...
    max_size: int
    _loop: Any
    _pipe: Any
    _protocol: Any
    _closing: bool
    _paused: bool
    @property
    def _fileno(self) -> int | None: ...
    def _read_ready(self) -> None: ...
    def _start_reading(self) -> None: ...
    def _close(self, exc: BaseException | None) -> None: ...
    def _call_connection_lost(self, exc: BaseException | None) -> None: ...

@final
class WritePipeTransport(asyncio.transports._FlowControlMixin):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None: ...
    _loop: Any
    _pipe: Any
    _protocol: Any
    _closing: bool
    _protocol_paused: bool
    _high_water: Any
    _low_water: Any
    @property
    def _buffer(self) -> bytearray: ...
    @property
    def _conn_lost(self) -> int: ...
    @property
    def _fileno(self) -> int | None: ...
    def _read_ready(self) -> None: ...
    def _start_reading(self) -> None: ...
    def _write_ready(self) -> None: ...
    def _close(self, exc: BaseException | None = None) -> None: ...
    def _call_connection_lost(self, exc: BaseException | None) -> None: ...
    def abort(self) -> None: ...
    def write(self, data: bytes | bytearray | memoryview[Any]) -> None: ...
    def write_eof(self) -> None: ...

@final
class SubprocessTransport(asyncio.SubprocessTransport):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.SubprocessProtocol,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None: ...
    _loop: Any
    _protocol: Any
    _pending_calls: Any
    def _call(self, cb: Callable[..., object], *data: Any) -> None: ...
    def _pipe_data_received(self, fd: int, data: bytes) -> None: ...
    def _pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None: ...

@final
class ReadSubprocessPipeProto(asyncio.Protocol):
    proc: Any
    fd: Any

# Handles are made by the loop's scheduling methods only; calling these classes raises TypeError.
@final
class Handle(asyncio.Handle):
    @property
    def _callback(self) -> Callable[..., object] | None: ...
    @property
    def _args(self) -> tuple[Any, ...] | None: ...  # type: ignore[override]
    @property
    def _context(self) -> Context | None: ...
    @property
    def _loop(self) -> asyncio.AbstractEventLoop | None: ...
    @property
    def _cancelled(self) -> bool: ...  # type: ignore[override]
    @property
    def _source_traceback(self) -> Any: ...
    @property
    def _repr(self) -> str | None: ...
    # asyncio has it since 3.12, we have it in every version.
    def get_context(self) -> Context: ...

@final
class TimerHandle(asyncio.TimerHandle):
    @property
    def _callback(self) -> Callable[..., object] | None: ...
    @property
    def _args(self) -> tuple[Any, ...] | None: ...  # type: ignore[override]
    @property
    def _context(self) -> Context | None: ...
    @property
    def _loop(self) -> asyncio.AbstractEventLoop | None: ...
    @property
    def _cancelled(self) -> bool: ...  # type: ignore[override]
    @property
    def _source_traceback(self) -> Any: ...
    @property
    def _repr(self) -> str | None: ...
    def get_context(self) -> Context: ...
    @property
    def _when(self) -> float: ...
    @property
    def _scheduled(self) -> bool: ...
    def __lt__(self, value: asyncio.TimerHandle, /) -> bool: ...
    def __le__(self, value: asyncio.TimerHandle, /) -> bool: ...
    def __gt__(self, value: asyncio.TimerHandle, /) -> bool: ...
    def __ge__(self, value: asyncio.TimerHandle, /) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

# An object and not a plain function, so that it can carry the marks of a coroutine function.
@final
class _SleepFunction:
    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    @property
    def __signature__(self) -> inspect.Signature: ...
    @overload
    def __call__(self, delay: float, result: None = None) -> Coroutine[Any, Any, None]: ...
    @overload
    def __call__(self, delay: float, result: _T) -> Coroutine[Any, Any, _T]: ...

sleep: _SleepFunction

@disjoint_base
class LoopBase:
    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def time(self) -> float: ...
    def create_future(self) -> asyncio.Future[Any]: ...
    # `eager_start` is passed on to task factories by every 3.13 that passes keywords on.
    if sys.version_info >= (3, 13):
        def create_task(
            self,
            coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
            *,
            name: object = None,
            context: Context | None = None,
            eager_start: bool | None = None,
        ) -> asyncio.Task[_T]: ...
    else:
        def create_task(
            self,
            coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
            *,
            name: object = None,
            context: Context | None = None,
        ) -> asyncio.Task[_T]: ...

    def is_running(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def get_debug(self) -> bool: ...
    def stop(self) -> None: ...
    def run_forever(self) -> None: ...
    def _run_once(self) -> None: ...
    def _add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[Unpack[_Ts]], object], /, *args: *_Ts
    ) -> asyncio.Handle: ...
    def _add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[Unpack[_Ts]], object], /, *args: *_Ts
    ) -> asyncio.Handle: ...
    def _remove_reader(self, fd: FileDescriptorLike, /) -> bool: ...
    def _remove_writer(self, fd: FileDescriptorLike, /) -> bool: ...
    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[Unpack[_Ts]], Any], *args: *_Ts
    ) -> None: ...
    def add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[Unpack[_Ts]], Any], *args: *_Ts
    ) -> None: ...
    def remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _ensure_fd_no_transport(self, fd: FileDescriptorLike, /) -> None: ...
    def _transport_at(self, fd: FileDescriptorLike, /) -> Any: ...
    def _set_transport_at(self, fd: FileDescriptorLike, transport: Any, /) -> None: ...
    def _transport_fds(self) -> list[int]: ...
    create_connection = asyncio.SelectorEventLoop.create_connection
    create_unix_connection = asyncio.SelectorEventLoop.create_unix_connection
    connect_accepted_socket = asyncio.SelectorEventLoop.connect_accepted_socket
    async def sock_recv(self, sock: socket.socket, n: int) -> bytes: ...
    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int: ...
    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]: ...
    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: WriteableBuffer, nbytes: int = 0
    ) -> tuple[int, Any]: ...
    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None: ...
    async def sock_sendto(self, sock: socket.socket, data: ReadableBuffer, address: Any) -> int: ...
    async def sock_connect(self, sock: socket.socket, address: Any) -> None: ...
    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]: ...
    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> _GetAddrInfoResult: ...
    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int = 0
    ) -> tuple[str, str]: ...
    def _watched(
        self,
    ) -> list[tuple[FileDescriptorLike, int, asyncio.Handle | None, asyncio.Handle | None]]: ...
    def _write_to_self(self) -> None: ...
    def _add_callback(self, handle: asyncio.Handle, /) -> None: ...
    def _add_callback_signalsafe(self, handle: asyncio.Handle, /) -> None: ...
    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle, /) -> None: ...
    def _check_closed(self) -> None: ...
    def _discard(self) -> None: ...
    _debug: bool
    _closed: bool
    _stopping: bool
    _thread_id: int | None
    _task_factory: Callable[..., asyncio.Future[Any]] | None
    _internal_fds: int
    @property
    def _virtual_clock(self) -> bool: ...
    _outside_work: int
    # Copies, for those who look. asyncio's own `__init__` assigns to them, which does nothing.
    _ready: list[asyncio.Handle | asyncio.Task[Any] | asyncio.Future[Any]]
    _scheduled: list[asyncio.TimerHandle | asyncio.Task[Any]]

def _set_result_unless_cancelled(fut: asyncio.Future[_T], result: _T) -> None: ...
def _watch_child(transport: SubprocessTransport, /) -> bool: ...
def _register_view(show: Callable[[], None], /) -> None: ...
def _register_loop_class(cls: type[LoopBase], /) -> type[LoopBase]: ...

# Before 3.13 `as_completed` is a generator, written in Python around this.
def _as_completed(fs: Any, timeout: float | None = None) -> Any: ...
def _release_waiter(waiter: asyncio.Future[None]) -> None: ...
def _rebuild(name: Any, /) -> Any: ...
def _after_fork() -> None: ...
def _native_tasks() -> list[Task[Any]]: ...
def _waits_for(task: asyncio.Task[Any], /) -> tuple[str, str, Any, float | None] | None: ...
