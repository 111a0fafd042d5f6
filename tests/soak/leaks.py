"""What `--leak` has the clients do on top, to show that the soak notices."""

import asyncio
import os
from typing import Any

from clients import Client, Scenario

_kept: list[Any] = []


async def leak_descriptor(client: Client) -> int:
    os.dup(0)
    return 0


async def leak_memory(client: Client) -> int:
    _kept.append(b"x" * 1_000_000)
    return 0


async def leak_object(client: Client) -> int:
    _kept.extend([i] for i in range(500))
    return 0


async def leak_task(client: Client) -> int:
    _kept.append(asyncio.create_task(asyncio.sleep(10_000)))
    return 0


async def leak_warning(client: Client) -> int:
    async def nobody_awaits_this() -> None: ...

    nobody_awaits_this()
    return 0


LEAKS: dict[str, Scenario] = {
    "descriptor": leak_descriptor,
    "memory": leak_memory,
    "object": leak_object,
    "task": leak_task,
    "warning": leak_warning,
}
