"""The LDS account: buffers one after another, aligned, each with its lifetime."""

import pytest

from rocfuse.analysis.lds import account, with_combine


def test_buffers_follow_one_another_and_add_up():
    found = account([("A", 32768), ("B0", 16384), ("B1", 16384)], 1, 512)
    assert [(b.name, b.offset_bytes, b.size_bytes, b.end_bytes) for b in found.buffers] == [
        ("A", 0, 32768, 32768),
        ("B0", 32768, 16384, 49152),
        ("B1", 49152, 16384, 65536),
    ]
    assert (found.bytes, found.allocated_bytes, found.padding_bytes) == (65536, 65536, 0)
    assert {b.live for b in found.buffers} == {"loop"}


def test_every_stage_has_its_own_buffers():
    found = account([("A", 2048), ("B", 1024)], 3, 512)
    assert [(b.name, b.stage) for b in found.buffers] == [(name, s) for s in range(3) for name in ("A", "B")]
    assert found.bytes == 3 * 3072
    ends = [0, *(b.end_bytes for b in found.buffers)]
    assert [b.offset_bytes for b in found.buffers] == ends[:-1]


def test_a_buffer_starts_at_16_bytes_and_the_gap_is_padding():
    found = account([("A", 100), ("B", 20), ("C", 4)], 1, 512)
    assert [b.offset_bytes for b in found.buffers] == [0, 112, 144]
    assert found.bytes == 148
    assert found.padding_bytes == 148 - 124


@pytest.mark.parametrize(
    ("size", "granule", "allocated"),
    [(1, 512, 512), (512, 512, 512), (513, 512, 1024), (0, 512, 0), (1281, 1280, 2560)],
)
def test_the_allocation_is_whole_granules(size, granule, allocated):
    found = account([("A", size)] if size else [], 1, granule)
    assert (found.bytes, found.allocated_bytes) == (size, allocated)


def test_the_table_names_every_buffer_with_its_bytes():
    text = account([("A", 2048), ("B0", 1024)], 2, 512).table()
    assert len(text) == 4
    assert text[0] == "A stage 0: 2048 B at 0 (loop)"
    assert text[3] == "B0 stage 1: 1024 B at 5120 (loop)"


def test_buffers_of_the_combine_take_the_place_of_the_loops():
    found = with_combine(account([("A", 2048), ("B", 1024)], 2, 512), [("extra0", 100), ("result0", 4096)], 512)
    assert [(b.name, b.offset_bytes) for b in found.buffers if b.live == "combine"] == [("extra0", 0), ("result0", 112)]
    assert (found.bytes, found.allocated_bytes, found.padding_bytes) == (6144, 6144, 0)


def test_a_combine_that_needs_more_than_the_loop_makes_the_block_longer():
    found = with_combine(account([("A", 2048)], 1, 512), [("extra0", 100), ("result0", 4096)], 512)
    assert (found.bytes, found.allocated_bytes, found.padding_bytes) == (4208, 4608, 12)
    assert found.table() == ("extra0 stage 0: 100 B at 0 (combine)", "result0 stage 0: 4096 B at 112 (combine)")
