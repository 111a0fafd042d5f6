"""A chat over WebSockets: what one says, all others in the room hear.

    roundelay run examples/servers/websocket_chat.py 8765
    python -m websockets ws://127.0.0.1:8765/kitchen/ann      # in one terminal
    python -m websockets ws://127.0.0.1:8765/kitchen/bob      # in another

The path names the room and the guest.
"""

import asyncio
import signal
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

rooms: defaultdict[str, dict[str, ServerConnection]] = defaultdict(dict)


async def chat(connection: ServerConnection) -> None:
    assert connection.request is not None
    try:
        room, name = connection.request.path.strip("/").split("/")
    except ValueError:
        await connection.close(1008, "connect to /ROOM/NAME")
        return
    guests = rooms[room]
    if name in guests:
        await connection.close(1008, f"{name} is here already")
        return

    broadcast(guests.values(), f"* {name} comes in")
    await connection.send(f"* here: {', '.join(sorted(guests)) or 'nobody'}")
    guests[name] = connection
    try:
        async for message in connection:
            # broadcast() does not wait: a guest who reads slowly holds up nobody else.
            broadcast((other for other in guests.values() if other is not connection), f"{name}: {message!s}")
    except ConnectionClosed:
        pass  # Gone without a word.
    finally:
        del guests[name]
        broadcast(guests.values(), f"* {name} leaves")
        if not guests:
            rooms.pop(room, None)


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(chat, "127.0.0.1", port) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
