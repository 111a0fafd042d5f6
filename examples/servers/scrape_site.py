"""Reads a whole web site, many pages at a time, and lists the links that lead nowhere.

    roundelay run examples/servers/scrape_site.py http://127.0.0.1:8000/      # a site on this machine
    roundelay run examples/servers/scrape_site.py                             # one that it serves itself

It stays on the site, reads no page twice, and asks for at most twenty pages at once.
"""

import asyncio
import sys
import time
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

import aiohttp
from aiohttp import web

AT_ONCE = 20


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


class Scraper:
    def __init__(self, session: aiohttp.ClientSession, start: str) -> None:
        self.session = session
        self.start = start
        self.site = urljoin(start, "/")
        self.pages: dict[str, int] = {start: 0}
        """The status of each page that is known; 0 until it has been read."""
        self.linked_from: dict[str, str] = {}
        self.todo: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        self.todo.put_nowait(self.start)
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self.work()) for _ in range(AT_ONCE)]
            # Only when every page has been read, and so can name no further one, is there nothing to do.
            await self.todo.join()
            for worker in workers:
                worker.cancel()

    async def work(self) -> None:
        while True:
            page = await self.todo.get()
            try:
                await self.read(page)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.pages[page] = -1
                print(f"{page}: {error}", file=sys.stderr)
            finally:
                self.todo.task_done()

    async def read(self, page: str) -> None:
        async with self.session.get(page) as answer:
            self.pages[page] = answer.status
            if answer.status != 200 or answer.content_type != "text/html":
                return
            text = await answer.text()
        for link in Links(text).found:
            target = urldefrag(urljoin(page, link)).url
            if target.startswith(self.site) and target not in self.pages:
                self.pages[target] = 0
                self.linked_from[target] = page
                self.todo.put_nowait(target)


async def small_site(pages: int = 500) -> tuple[web.AppRunner, str]:
    """A site of so many pages, each of which leads to two more; every fiftieth has a broken link."""

    async def page(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number >= pages:
            raise web.HTTPNotFound
        await asyncio.sleep(0.01)  # as if a database were asked
        targets = [target for target in (2 * number + 1, 2 * number + 2) if target < pages]
        links = "".join(f'<a href="{target}">page {target}</a>' for target in targets)
        broken = f'<a href="lost-{number}">lost</a>' if number % 50 == 0 else ""
        return web.Response(text=f"<h1>{number}</h1>{links}{broken}", content_type="text/html")

    app = web.Application()
    app.add_routes([web.get(r"/{number:\d+}", page)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def main(start: str | None) -> None:
    runner = None
    if start is None:
        runner, root = await small_site()
        start = root + "0"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        scraper = Scraper(session, start)
        began = time.perf_counter()
        await scraper.run()
        seconds = time.perf_counter() - began
    broken = [page for page, status in scraper.pages.items() if status != 200]
    for page in broken:
        print(
            f"{scraper.pages[page]}: {page}, linked from {scraper.linked_from.get(page, 'the command line')}"
        )
    print(f"{len(scraper.pages)} pages in {seconds:.2f} s, {len(broken)} of them broken")
    if runner is not None:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
