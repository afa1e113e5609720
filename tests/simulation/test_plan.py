"""What plans refuse, and what they leave to defaults."""

from typing import Any

import pytest

from callscope.simulation import Fault, FaultKind
from callscope.vocabulary import MediaMode
from tests.simulation.observed import plan


@pytest.mark.parametrize(
    ("faults", "wrong"),
    [
        ((), {"participants": 0}),
        ((), {"subscribers": -1}),
        ((), {"minutes": 0}),
        ((), {"interval_seconds": 0.01}),
        ((), {"churn": 1.1}),
        ((), {"churn": -0.1}),
        ((), {"media_mode": MediaMode.RELAYED, "participants": 3}),
        ((Fault(FaultKind.UPLINK_LOSS, 1, 1, 2),), {}),
        ((Fault(FaultKind.UPLINK_LOSS, 1, -1),), {}),
        ((Fault(FaultKind.UPLINK_LOSS, 1, 1, 0, -3),), {}),
    ],
)
def test_impossible_plans_are_refused(faults: tuple[Fault, ...], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"should|needs|only"):
        plan(*faults, **wrong)


def test_small_calls_are_sampled_more_often() -> None:
    assert (plan().interval, plan(participants=5).interval, plan(participants=5, interval_seconds=1).interval) == (
        2_000,
        10_000,
        1_000,
    )


def test_kinds_of_faults_say_what_they_are() -> None:
    assert all(kind.description.endswith(".") for kind in FaultKind)
