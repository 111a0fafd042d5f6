"""A service for short links, on FastAPI.

    uvicorn --app-dir examples/servers --loop roundelay:new_event_loop fastapi_links:app

    curl -d '{"url": "https://www.python.org/"}' -H content-type:application/json 127.0.0.1:8000/links
    curl -i 127.0.0.1:8000/1

uvicorn chooses its event loop itself, hence `--loop`; everything else is as on any other loop.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, HttpUrl


class NewLink(BaseModel):
    url: HttpUrl
    seconds: float | None = None
    """How long it is kept; for good if not said."""


@dataclass
class Link:
    url: str
    visits: int = 0


links: dict[str, Link] = {}
numbers = itertools.count(1)
expiries: set[asyncio.Task[None]] = set()


async def expire(code: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    links.pop(code, None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    for task in expiries:
        task.cancel()


app = FastAPI(title="short links", lifespan=lifespan)


@app.post("/links", status_code=201)
async def make_link(new: NewLink) -> dict[str, str]:
    code = format(next(numbers), "x")
    links[code] = Link(str(new.url))
    if new.seconds is not None:
        task = asyncio.create_task(expire(code, new.seconds))
        expiries.add(task)
        task.add_done_callback(expiries.discard)
    return {"code": code}


@app.get("/links/{code}")
async def show_link(code: str) -> Link:
    try:
        return links[code]
    except KeyError:
        raise HTTPException(404, "no such link") from None


@app.get("/loop")
async def show_loop() -> dict[str, str]:
    loop = type(asyncio.get_running_loop())
    return {"loop": f"{loop.__module__}.{loop.__qualname__}"}


@app.get("/{code}")
async def follow_link(code: str) -> RedirectResponse:
    link = await show_link(code)
    link.visits += 1
    return RedirectResponse(link.url)
