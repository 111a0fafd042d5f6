"""Every short course of events over a queue, beside asyncio's.

The digits cancel the task of that number, a point lets the loop turn; `support/coordination_scripts.py` says
what the letters do.
"""

import sys
from types import ModuleType

import pytest
from support.both import Witness
from support.coordination import same_in_every_mixture
from support.coordination_scripts import GettersStage, JoinersStage, PuttersStage, ShutdownStage, play_all


@same_in_every_mixture
def test_every_script_for_getters(aio: ModuleType, see: Witness) -> None:
    play_all(GettersStage, "pgt01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_putters(aio: ModuleType, see: Witness) -> None:
    play_all(PuttersStage, "tgp01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_joiners(aio: ModuleType, see: Witness) -> None:
    play_all(JoinersStage, "dpj01.", 4)(aio, see)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="queues shut down since 3.13")
@same_in_every_mixture
def test_every_script_for_the_end_of_a_queue(aio: ModuleType, see: Witness) -> None:
    play_all(ShutdownStage, "sitgd01.", 3)(aio, see)
