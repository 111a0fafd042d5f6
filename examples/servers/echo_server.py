"""A TCP echo server on asyncio's streams: what a client sends comes back.

    roundelay run examples/servers/echo_server.py 8888      # or: python examples/servers/echo_server.py 8888
    nc 127.0.0.1 8888

Ctrl-C or SIGTERM ends it. It needs nothing but Python.
"""

import asyncio
import signal
import sys


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            # Wait while the client reads more slowly than it writes, or its bytes would pile up here.
            await writer.drain()
    except (ConnectionError, asyncio.CancelledError):
        pass  # The client is gone, or the program ends.
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    # asyncio.run() cancels what is still running: echo(), for clients that are still there.


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
