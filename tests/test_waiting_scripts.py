"""Every short course of events over a future with those who wait for it, beside asyncio's."""

from types import ModuleType

from support.both import Witness
from support.coordination import same_in_every_mixture
from support.coordination_scripts import WaitStage, play_all


@same_in_every_mixture
def test_every_script_for_those_who_wait_for_a_future(aio: ModuleType, see: Witness) -> None:
    play_all(WaitStage, "sfc0123.", 3)(aio, see)
