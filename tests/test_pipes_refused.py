"""What the loop does not take for a pipe."""

from pathlib import Path
from types import ModuleType

import pytest
from support.both import Witness, same_on_both
from support.connections import Told, turns
from support.pipes import UNFIT, not_a_word_from_the_collector, unfit


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
@pytest.mark.parametrize("kind", UNFIT)
@same_on_both
def test_what_is_no_pipe(aio: ModuleType, see: Witness, tmp_path: Path, kind: str, method: str) -> None:
    refused = unfit(kind, tmp_path)

    async def main() -> None:
        connect = getattr(aio.get_running_loop(), method)
        await see.attempt_await(connect(lambda: Told(see), refused))
        await turns(aio)

    with not_a_word_from_the_collector():
        see.run(main())
    see(getattr(refused, "closed", "no file"))
    if hasattr(refused, "close"):
        refused.close()
