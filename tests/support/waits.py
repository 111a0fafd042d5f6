"""Every way in which a task can wait, for tests that disturb it."""

import asyncio
import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

# Makes something that waits until it is cancelled. What has to be done afterwards is entered into the stack.
Wait = Callable[[ModuleType, contextlib.AsyncExitStack], Any]

WAITS: dict[str, Wait] = {}


def wait(function: Wait) -> Wait:
    WAITS[function.__name__] = function
    return function


def paired(stack: contextlib.AsyncExitStack) -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair()
    for sock in pair:
        sock.setblocking(False)
        stack.enter_context(sock)
    return pair


@wait
async def future(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    await aio.get_running_loop().create_future()


@wait
async def sleep(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    await aio.sleep(100)


@wait
async def lock(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    lock = aio.Lock()
    await lock.acquire()
    await lock.acquire()


@wait
async def queue(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    await aio.Queue().get()


@wait
async def condition(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    condition = aio.Condition()
    async with condition:
        await condition.wait()


@wait
async def gather(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    await aio.gather(aio.sleep(100), aio.Event().wait())


@wait
async def task_group(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    async with aio.TaskGroup() as group:
        group.create_task(aio.sleep(100))
        group.create_task(aio.Event().wait())


@wait
async def timeout(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    async with aio.timeout(100):
        await aio.wait_for(aio.Event().wait(), 50)


@wait
async def stream(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    near, _ = paired(stack)
    reader, writer = await aio.open_connection(sock=near)
    stack.callback(writer.transport.abort)
    await reader.readline()


@wait
async def drain(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    near, _ = paired(stack)
    _, writer = await aio.open_connection(sock=near)
    stack.callback(writer.transport.abort)
    writer.write(bytes(1 << 22))
    await writer.drain()


@wait
async def sock_recv(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    near, _ = paired(stack)
    await aio.get_running_loop().sock_recv(near, 10)


@wait
async def sock_accept(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    listener.setblocking(False)
    await aio.get_running_loop().sock_accept(listener)


@wait
async def process(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    process = await aio.create_subprocess_exec("sleep", "100", stdin=subprocess.DEVNULL)

    async def end() -> None:
        process.kill()
        await process.wait()

    stack.push_async_callback(end)
    await process.wait()


@wait
async def executor(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    release = threading.Event()
    stack.callback(release.set)
    await aio.get_running_loop().run_in_executor(None, release.wait, 20)


@wait
async def server(aio: ModuleType, stack: contextlib.AsyncExitStack) -> None:
    server = await aio.start_server(lambda *_: None, "127.0.0.1", 0)
    await server.serve_forever()


async def and_then(aio: ModuleType, name: str, waiting: Callable[[], None] = lambda: None) -> None:
    """Wait, and clean up afterwards. `waiting` is called two turns after the wait has begun."""
    async with contextlib.AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()
        task = aio.ensure_future(WAITS[name](aio, stack))
        for _ in range(20 if name == "process" else 5):
            await aio.sleep(0)
        loop.call_soon(waiting)
        await task
