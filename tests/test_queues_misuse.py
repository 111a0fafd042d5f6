"""Queues used wrongly, and without a loop: asyncio's errors at asyncio's moments."""

from types import ModuleType
from typing import Any

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture, turns

CALLS: dict[str, Any] = {
    "Queue(1, 2)": lambda aio: aio.Queue(1, 2),
    "Queue(loop=None)": lambda aio: aio.Queue(loop=None),
    "Queue(maxsize=3)": lambda aio: aio.Queue(maxsize=3),
    "Queue(size=3)": lambda aio: aio.Queue(size=3),
    "PriorityQueue(maxsize=3)": lambda aio: aio.PriorityQueue(maxsize=3),
    "LifoQueue(1, 2)": lambda aio: aio.LifoQueue(1, 2),
    "put()": lambda aio: aio.Queue().put(),
    "put(1, 2)": lambda aio: aio.Queue().put(1, 2),
    "put(item=1)": lambda aio: aio.Queue().put(item=1),
    "put(thing=1)": lambda aio: aio.Queue().put(thing=1),
    "put_nowait()": lambda aio: aio.Queue().put_nowait(),
    "put_nowait(item=1)": lambda aio: aio.Queue().put_nowait(item=1),
    "put_nowait(thing=1)": lambda aio: aio.Queue().put_nowait(thing=1),
    "get(1)": lambda aio: aio.Queue().get(1),
    "get(block=False)": lambda aio: aio.Queue().get(block=False),
    "get_nowait(1)": lambda aio: aio.Queue().get_nowait(1),
    "task_done(1)": lambda aio: aio.Queue().task_done(1),
    "join(1)": lambda aio: aio.Queue().join(1),
    "qsize(1)": lambda aio: aio.Queue().qsize(1),
    "empty(1)": lambda aio: aio.Queue().empty(1),
    "full(1)": lambda aio: aio.Queue().full(1),
    "maxsize is set": lambda aio: setattr(aio.Queue(), "maxsize", 1),
    "maxsize is deleted": lambda aio: delattr(aio.Queue(), "maxsize"),
    "shutdown(1, 2)": lambda aio: aio.Queue().shutdown(1, 2),
    "shutdown(now=True)": lambda aio: aio.Queue().shutdown(now=True),
}


@pytest.mark.parametrize("call", CALLS)
@same_in_every_mixture
def test_wrong_arguments(aio: ModuleType, see: Witness, call: str) -> None:
    result = see.attempt(CALLS[call], aio)
    if hasattr(result, "close"):
        result.close()


@pytest.mark.parametrize("name", ["Queue", "PriorityQueue", "LifoQueue"])
@same_in_every_mixture
def test_without_a_loop(aio: ModuleType, see: Witness, name: str) -> None:
    def drive(coro: Any) -> None:
        try:
            coro.send(None)
        except StopIteration as stop:
            see("gave", stop.value)
        except Exception as error:
            see("raised", error)
        else:
            see("waits")
            coro.close()

    queue = getattr(aio, name)(1)
    drive(queue.put(1))
    drive(queue.put(2))
    drive(queue.join())
    see(queue.get_nowait(), str(queue))
    drive(queue.get())
    queue.task_done()
    drive(queue.join())
    see(str(queue))


@same_in_every_mixture
def test_a_coroutine_that_is_closed_while_it_waits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue(1)
        get = queue.get()
        get.send(None)
        see(str(queue))
        get.close()
        see(str(queue))
        await queue.put(1)
        put = queue.put(2)
        put.send(None)
        see(str(queue))
        put.close()
        see(str(queue))
        see.attempt(put.send, None)
        get, put = queue.get(), queue.put(3)
        put.send(None)
        # Whoever drives coroutines by hand may throw what it likes.
        see.attempt(put.throw, KeyError("thrown"))
        see(str(queue))
        see.attempt(get.throw, KeyError("thrown"))
        see(str(queue))

    see.run(main())


@same_in_every_mixture
def test_init_called_again(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        queue = aio.Queue(2)
        queue.put_nowait(1)
        queue.__init__(5)
        see(str(queue), queue.maxsize, queue.qsize())
        await queue.join()

    see.run(main())


@same_in_every_mixture
def test_objects_made_without_init(aio: ModuleType, see: Witness) -> None:
    for name in ("Queue", "PriorityQueue", "LifoQueue"):
        class_ = getattr(aio, name)
        for method in ("qsize", "empty", "full", "get_nowait", "task_done", "__repr__", "__str__"):
            raw = class_.__new__(class_)
            try:
                getattr(raw, method)()
            except Exception:  # asyncio misses its attributes; that it is an error at most is all
                pass
    see("survived")


@same_in_every_mixture
def test_the_container_is_replaced(aio: ModuleType, see: Witness) -> None:
    """Tests and debuggers look into a queue, and some clear it."""

    async def main() -> None:
        queue = aio.Queue()
        for item in range(3):
            queue.put_nowait(item)
        queue._queue.clear()
        see(queue.qsize(), queue.empty(), str(queue))
        queue._queue.append("from behind")
        see(queue.qsize(), queue.get_nowait(), queue.empty())
        queue._queue.append("again")
        see(await queue.get())

    see.run(main())


@same_in_every_mixture
def test_loops_closed_under_waiters(aio: ModuleType, see: Witness) -> None:
    queue = aio.Queue()

    async def main() -> None:
        task = aio.create_task(queue.get(), name="waits")
        task._log_destroy_pending = False
        await turns(aio)

    loop = see.new_loop()
    loop.run_until_complete(main())
    loop.close()
    see(str(queue))
    # The one who waits cannot be told any more.
    see.attempt(queue.put_nowait, 1)
    see(str(queue))
