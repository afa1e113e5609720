from callscope.sources import sample_blocks
from callscope.sources.sample_blocks import SampleBlocks
from callscope.vocabulary import Direction, Media, Metric


def key(subject):
    return subject, Metric.BITRATE, Media.AUDIO, Direction.PUBLISH


def test_full_blocks_come_first(monkeypatch):
    monkeypatch.setattr(sample_blocks, "BLOCK_SIZE", 2)
    blocks = SampleBlocks[str]()
    for number in range(5):
        blocks.add(key("a"), number, number * 10)
    blocks.add(key("b"), 0, 1)
    assert (blocks.has_full, blocks.held) == (True, 6)
    assert [(block.subject, block.values.tolist()) for block in blocks.take_full()] == [("a", [0, 10]), ("a", [20, 30])]
    assert (blocks.has_full, blocks.held) == (False, 2)
    assert [(block.subject, block.times.tolist()) for block in blocks.take_all()] == [("a", [4]), ("b", [0])]
    assert (blocks.held, list(blocks.take_all())) == (0, [])
