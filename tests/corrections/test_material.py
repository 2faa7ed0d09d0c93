"""The material is what the tests take it for."""

from itertools import pairwise

from bdgw.rtcm.head import read_head
from tests.corrections.material import GPST_NS, SECOND_NS, at_tow_ms, number_of, str17, tow_ms


def test_the_capture_is_a_base_at_1_hz_with_bds():
    epochs = str17()
    assert len(epochs) == 501
    steps = [b[0] - a[0] for a, b in pairwise(epochs)]
    assert set(steps) == {SECOND_NS}
    for epoch, frames in epochs:
        numbers = [number_of(frame) for frame in frames]
        assert numbers.count(1077) == numbers.count(1127) == 1
        heads = [head for head in map(read_head, frames) if head is not None and head.epoch]
        assert [head.has_more for head in heads].count(False) == 1
        assert epoch > GPST_NS


def test_a_moved_epoch_is_read_back():
    frame = str17()[0][1][0]
    assert tow_ms(at_tow_ms(frame, 123_456)) == 123_456
