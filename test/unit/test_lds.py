"""The LDS account: buffers one after another, aligned, each with its lifetime; swizzles that permute each row."""

import pytest

from rocfuse.analysis.lds import account, choose_swizzle

BANKS_BYTES = 128  # 32 banks of 4 bytes


@pytest.mark.parametrize("tile_k", [8, 16, 32, 64, 128])
def test_a_swizzle_is_a_permutation_of_every_row(tile_k):
    swizzle = choose_swizzle(tile_k, 2, BANKS_BYTES)
    for row in range(64):
        places = [swizzle.element(row, k, tile_k) for k in range(tile_k)]
        assert sorted(places) == list(range(row * tile_k, (row + 1) * tile_k))


@pytest.mark.parametrize("tile_k", [8, 16, 32, 64, 128])
def test_a_swizzle_keeps_16_bytes_together_and_aligned(tile_k):
    swizzle = choose_swizzle(tile_k, 2, BANKS_BYTES)
    for row in range(64):
        for k in range(0, tile_k, 8):
            first = swizzle.element(row, k, tile_k)
            assert first % 8 == 0
            assert [swizzle.element(row, k + i, tile_k) - first for i in range(8)] == list(range(8))


@pytest.mark.parametrize("tile_k", [32, 64, 128])
def test_a_column_of_chunks_is_spread_over_all_banks(tile_k):
    """The first chunks of as many consecutive rows as a line of banks has places fall into different places."""
    swizzle = choose_swizzle(tile_k, 2, BANKS_BYTES)
    chunks = BANKS_BYTES // 16
    for first_row in range(0, 64, chunks):
        rows = range(first_row, first_row + chunks)
        places = {swizzle.element(row, 0, tile_k) * 2 % BANKS_BYTES // 16 for row in rows}
        assert len(places) == chunks


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
