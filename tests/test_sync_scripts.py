"""Every short course of events over a lock, semaphore, event, condition or barrier, beside asyncio's.

The digits cancel the task of that number, a point lets the loop turn; `support/coordination_scripts.py` says
what the letters do.
"""

from types import ModuleType

from support.both import Witness
from support.coordination import same_in_every_mixture
from support.coordination_scripts import (
    BarrierStage,
    ConditionStage,
    EventStage,
    LockStage,
    SemaphoreStage,
    play_all,
)


@same_in_every_mixture
def test_every_script_for_a_lock(aio: ModuleType, see: Witness) -> None:
    play_all(LockStage, "ra01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_a_semaphore(aio: ModuleType, see: Witness) -> None:
    play_all(SemaphoreStage, "ra01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_an_event(aio: ModuleType, see: Witness) -> None:
    play_all(EventStage, "sc01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_a_condition(aio: ModuleType, see: Witness) -> None:
    play_all(ConditionStage, "nNra01.", 3)(aio, see)


@same_in_every_mixture
def test_notified_and_cancelled_in_every_order(aio: ModuleType, see: Witness) -> None:
    play_all(ConditionStage, "nr01.", 4)(aio, see)


@same_in_every_mixture
def test_every_script_for_a_barrier(aio: ModuleType, see: Witness) -> None:
    play_all(BarrierStage, "wra0.", 4)(aio, see)
