"""Datagrams that are read without a turn of the loop between them: the order of things stays the same."""

import asyncio
import os
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both
from support.connections import turns
from support.datagrams import Endpoint, ToldOfDatagrams, endpoint

COUNT = 80
"""Datagrams in one program: more than are read in a row."""

Reaction = Callable[["Scene", int], Any]


class Scene:
    """An endpoint that does something about each datagram, and what that may need."""

    def __init__(self, see: Witness, aio: ModuleType) -> None:
        self.see = see
        self.loop = aio.get_running_loop()
        self.done = self.loop.create_future()
        self.readable, self.writable = os.pipe()
        self.watches = False
        self.near: Endpoint

    def watch(self) -> None:
        """From now on the loop has something else to look at."""
        if not self.watches:
            self.watches = True
            self.loop.add_reader(self.readable, lambda: self.see("pipe", os.read(self.readable, 1)))

    def unwatch(self) -> None:
        self.watches = False
        self.loop.remove_reader(self.readable)

    def end(self) -> None:
        self.loop.remove_reader(self.readable)
        os.close(self.readable)
        os.close(self.writable)


async def later(scene: Scene, number: int) -> None:
    scene.see("task", number)
    await asyncio.sleep(0)
    scene.see("task again", number)


def broken(scene: Scene, number: int) -> None:
    raise ValueError(number)


REACTIONS: dict[str, Reaction] = {
    "nothing": lambda scene, number: None,
    "call_soon": lambda scene, number: scene.loop.call_soon(scene.see, "soon", number),
    "call_soon_threadsafe": lambda scene, number: scene.loop.call_soon_threadsafe(scene.see, "soon", number),
    "a timer that is due": lambda scene, number: scene.loop.call_later(0, scene.see, "later", number),
    "a timer of next year": lambda scene, number: scene.loop.call_later(1e7, scene.see, "never"),
    "a task": lambda scene, number: scene.loop.create_task(later(scene, number)),
    "an answer": lambda scene, number: scene.near.transport.sendto(
        b"%d" % number, scene.near.peer.getsockname()
    ),
    "a pipe": lambda scene, number: os.write(scene.writable, b"."),
    "a pipe that is watched": lambda scene, number: (scene.watch(), os.write(scene.writable, b".")),
    "a pipe that is not watched any more": lambda scene, number: scene.unwatch(),
    "an exception": broken,
}


async def play(aio: ModuleType, see: Witness, react: Reaction) -> None:
    """Has datagrams wait, and reacts to each."""
    scene = Scene(see, aio)

    def received(protocol: Any, data: bytes, addr: Any) -> None:
        if int(data) == COUNT - 1:
            scene.done.set_result(None)
        react(scene, int(data))

    scene.near = await endpoint(ToldOfDatagrams(see, datagram_received=received))
    for number in range(COUNT):
        scene.near.peer.send(b"%d" % number)
    await scene.done
    await turns(aio)
    see(scene.near.received())
    scene.near.close()
    await turns(aio)
    scene.end()


@pytest.mark.parametrize("name", REACTIONS)
@same_on_both
def test_what_a_datagram_sets_going_comes_before_the_next(aio: ModuleType, see: Witness, name: str) -> None:
    def react(scene: Scene, number: int) -> None:
        if number in (3, 4, 40):
            REACTIONS[name](scene, number)

    see.run(play(aio, see, react))


@pytest.mark.parametrize("seed", range(30))
@same_on_both
def test_random_reactions(aio: ModuleType, see: Witness, seed: int) -> None:
    choose = random.Random(seed)
    calm = choose.choice([0, 0.5, 0.9])

    def react(scene: Scene, number: int) -> None:
        if choose.random() >= calm:
            REACTIONS[choose.choice(list(REACTIONS))](scene, number)

    see.run(play(aio, see, react))


@pytest.mark.parametrize("way", ["close", "abort"])
@same_on_both
def test_an_end_in_the_middle(aio: ModuleType, see: Witness, way: str) -> None:
    async def main() -> None:
        lost = aio.get_running_loop().create_future()

        def received(protocol: Any, data: bytes, addr: Any) -> None:
            if data == b"5":
                getattr(protocol.transport, way)()

        near = await endpoint(
            ToldOfDatagrams(
                see, datagram_received=received, connection_lost=lambda *args: lost.set_result(None)
            )
        )
        for number in range(10):
            near.peer.send(b"%d" % number)
        await lost
        near.close()

    see.run(main())


@same_on_both
def test_a_stop_in_the_middle(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def received(protocol: Any, data: bytes, addr: Any) -> None:
        if data == b"5":
            loop.stop()

    near = loop.run_until_complete(endpoint(ToldOfDatagrams(see, datagram_received=received)))
    for number in range(10):
        near.peer.send(b"%d" % number)
    loop.run_forever()
    see("stopped")
    loop.run_until_complete(turns(aio, 10))
    near.close()
    loop.run_until_complete(turns(aio))


@same_on_both
def test_another_protocol_in_the_middle(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        done = aio.get_running_loop().create_future()
        other = ToldOfDatagrams(
            see, datagram_received=lambda _, data, addr: data == b"9" and done.set_result(None)
        )

        def received(protocol: Any, data: bytes, addr: Any) -> None:
            if data == b"5":
                see("another one")
                protocol.transport.set_protocol(other)

        near = await endpoint(ToldOfDatagrams(see, datagram_received=received))
        for number in range(10):
            near.peer.send(b"%d" % number)
        await done
        near.close()
        await turns(aio)

    see.run(main())
