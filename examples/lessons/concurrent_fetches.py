"""Three pages are fetched at the same time: it takes as long as one of them, not as long as all three.

The web server is a real one, on this machine and in this program, so that nothing else is needed. Each of its
pages takes a second. Server and client share one event loop and one thread.
"""

import asyncio
import time


async def serve_page(reader, writer):
    request_line = (await reader.readline()).decode()
    while await reader.readline() != b"\r\n":
        pass  # The headers do not matter here. An empty line ends them.
    path = request_line.split()[1]
    await asyncio.sleep(1)  # As long as a slow server would take.
    body = f"the page {path}".encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def fetch(port, path):
    print(f"fetching {path}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status = head.split(b"\r\n")[0].decode()
    return f"{status}: {body.decode()}"


async def main():
    server = await asyncio.start_server(serve_page, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        start = time.time()
        pages = await asyncio.gather(fetch(port, "/1"), fetch(port, "/2"), fetch(port, "/3"))
        print(f"all three took ~{time.time() - start:.0f} second")
    for page in pages:
        print(page)


asyncio.run(main())
