"""A web service on aiohttp that counts words; aiohttp_client.py asks it.

    roundelay run examples/servers/aiohttp_word_count.py 8080

POST a text to /count and get the number of its words; GET /most?n=3 names the most frequent ones of all
texts.
"""

import codecs
import re
import sys
from collections import Counter

from aiohttp import web

WORD = re.compile(r"\w+")
seen = web.AppKey("seen", Counter[str])
routes = web.RouteTableDef()


@routes.post("/count")
async def count(request: web.Request) -> web.Response:
    words: Counter[str] = Counter()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    # Counted as it comes in: a long text never is in memory as a whole.
    async for chunk in request.content.iter_chunked(64 * 1024):
        *lines, rest = (rest + decode(chunk)).split("\n")
        words.update(word for line in lines for word in WORD.findall(line))
    words.update(WORD.findall(rest))
    request.app[seen].update(words)
    return web.json_response({"words": words.total(), "different": len(words)})


@routes.get("/most")
async def most(request: web.Request) -> web.Response:
    try:
        number = int(request.query.get("n", "10"))
    except ValueError:
        raise web.HTTPBadRequest(text="n must be a number") from None
    return web.json_response(request.app[seen].most_common(number))


def make_app() -> web.Application:
    app = web.Application()
    app[seen] = Counter()
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
