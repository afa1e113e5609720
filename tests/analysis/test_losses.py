"""Packet loss is worked out where packets and lost packets are told apart."""

import pytest
from measured import at, subject

from callscope.analysis.losses import packet_loss
from callscope.vocabulary import Direction, Metric, Unit

KEY = 99


@pytest.mark.parametrize(("direction", "percent"), [(Direction.SUBSCRIBE, 25), (Direction.PUBLISH, pytest.approx(100 / 3))])
def test_lost_packets_were_expected_where_they_were_to_be_received(direction, percent):
    found = packet_loss(subject(direction=direction, packets_per_second=[30, 0], packets_lost_per_second=[10, 0]), KEY)
    assert (found.times, found.values) == ([at(2)], [percent])
    told = found.series
    assert (told.series_key, told.metric, told.unit, told.is_derived) == (KEY, Metric.PACKET_LOSS, Unit.PERCENT, True)
    assert (told.participant_key, told.connection_key, told.stream_key, told.direction) == (1, 2, 3, direction)


def test_more_is_not_lost_than_was_sent():
    found = packet_loss(subject(direction=Direction.PUBLISH, packets_per_second=[5], packets_lost_per_second=[10]), KEY)
    assert found.values == [100]


def test_only_times_with_both_tell_anything():
    found = packet_loss(subject(packets_per_second=[9, 9, 9], packets_lost_per_second=[1]), KEY)
    assert (found.times, found.values) == ([at(2)], [10])


@pytest.mark.parametrize(
    "told",
    [
        {"packets_per_second": [9]},
        {"packets_lost_per_second": [1]},
        {"packets_per_second": [0], "packets_lost_per_second": [0]},
        {"packets_per_second": [9], "packets_lost_per_second": [1], "packet_loss": [50]},
    ],
)
def test_there_is_none_without_both_nor_where_the_source_tells_it(told):
    assert packet_loss(subject(**told), KEY) is None
