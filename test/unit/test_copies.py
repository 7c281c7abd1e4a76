"""The dealing of operand tiles: every element is loaded and written once, by whole vectors, in both layouts."""

import numpy as np
import pytest
from problems import gemms

from rocfuse.analysis.copies import LDS_ACCESS_BYTES, Copy, Tile, plan_copies, plan_copy
from rocfuse.analysis.search import geometries
from rocfuse.targets import GFX942

TILES = sorted(
    {
        (rows, tiling.tile_k, tiling.waves * GFX942.wave_lanes)
        for tiling in geometries(gemms(256, 256, 256), GFX942)
        for rows in (tiling.tile_m, tiling.tile_n)
    }
)


def counts(copy: Copy, rows: int, tile_k: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each element is loaded, and how often written to LDS."""
    loaded, written = np.zeros((rows, tile_k), int), np.zeros((rows, tile_k), int)
    row, k = copy.unit(np.arange(copy.parts * threads), rows, tile_k)
    for load in range(copy.loads):
        for i in range(copy.vector):
            down, right = (0, load * copy.vector + i) if copy.along == "k" else (i, load)
            np.add.at(loaded, (row + down, k + right), 1)
    for down in range(copy.unit_rows):
        for right in range(copy.unit_k):
            np.add.at(written, (row + down, k + right), 1)
    return loaded, written


@pytest.mark.parametrize("vector", [1, 2, 4, 8])
@pytest.mark.parametrize("along", ["k", "row"])
def test_units_tile_the_operand_exactly(along, vector):
    for rows, tile_k, threads in TILES:
        copy = plan_copy(rows, tile_k, threads, along, vector, 2)
        if isinstance(copy, str):
            continue
        loaded, written = counts(copy, rows, tile_k, threads)
        assert (loaded == 1).all() and (written == 1).all(), (rows, tile_k, threads, copy)


@pytest.mark.parametrize("vector", [1, 2, 4, 8])
@pytest.mark.parametrize("along", ["k", "row"])
def test_loads_are_no_wider_than_alignment_and_writes_no_wider_than_the_lds(along, vector):
    for rows, tile_k, threads in TILES:
        copy = plan_copy(rows, tile_k, threads, along, vector, 2)
        if isinstance(copy, str):
            continue
        assert copy.along == along
        assert copy.vector <= vector
        assert copy.unit_k * 2 <= LDS_ACCESS_BYTES
        assert copy.unit_rows * copy.unit_k == copy.loads * copy.vector
        row, k = copy.unit(np.arange(copy.parts * threads), rows, tile_k)
        contiguous = k if along == "k" else row
        assert (contiguous % copy.vector == 0).all(), "a load starts at a multiple of its width"
        assert (k % copy.unit_k == 0).all(), "a write starts at a multiple of its width"


def test_aligned_tiles_of_four_waves_move_16_bytes_at_once():
    along_k = plan_copy(128, 64, 256, "k", 8, 2)
    assert along_k == Copy("k", 8, 1, 1, 8, 4)
    along_rows = plan_copy(128, 64, 256, "row", 8, 2)
    assert (along_rows.vector, along_rows.unit_rows * along_rows.unit_k * along_rows.parts) == (8, 32)


@pytest.mark.parametrize("along", ["k", "row"])
def test_neighbouring_threads_take_neighbouring_addresses(along):
    copy = plan_copy(128, 64, 256, along, 8, 2)
    following = 1 << copy.k_first  # along rows the lowest bits fill a 16-byte chunk of LDS first
    (row, k), (next_row, next_k) = copy.unit(0, 128, 64), copy.unit(following, 128, 64)
    assert (next_row - row, next_k - k) == ((0, 8) if along == "k" else (8, 0))


def test_a_tile_that_does_not_divide_by_the_threads_is_refused_with_the_numbers():
    assert plan_copy(16, 32, 1024, "k", 8, 2) == "tile 16x32: need a multiple of 1024 elements (threads), have 512"
    assert plan_copy(96, 32, 256, "k", 8, 2) == "tile 96x32: need a multiple of 8 elements a thread, have 12"


def tiles(count: int, rows: int, along: str, kind: str = "b") -> list[Tile]:
    """A's tile and `count` tiles of B of one kind."""
    every = [Tile("A", 128, "k", 8, 2, "a")]
    return every + [Tile(f"B{i}", rows, along, 8, 2, kind) for i in range(count)]


@pytest.mark.parametrize(("count", "waves"), [(2, 4), (2, 8), (4, 4), (4, 8)])
@pytest.mark.parametrize("rows", [64, 128])
def test_b_tiles_side_by_side_cost_what_one_b_of_all_their_columns_costs(count, waves, rows):
    together = plan_copies(tiles(count, rows, "row"), 64, waves, 64)
    alone = plan_copies(tiles(1, count * rows, "row"), 64, waves, 64)
    assert together.groups == ((0,), tuple(range(1, 1 + count)))
    assert sum(together.copies[group[0]].accesses for group in together.groups) == sum(
        copy.accesses for copy in alone.copies
    )
    held = [sum(one.copies[group[0]].registers for group in one.groups) for one in (together, alone)]
    assert held[0] == held[1]


def test_a_group_reads_and_writes_every_element_of_each_of_its_tiles_once():
    together = plan_copies(tiles(2, 128, "row"), 64, 8, 64)
    loaded, written = counts(together.copies[1], 128, 64, 8 * 64 // 2)
    assert (loaded == 1).all() and (written == 1).all()


@pytest.mark.parametrize(
    ("count", "waves", "along"),
    [(3, 4, "row"), (2, 1, "row"), (2, 4, "k"), (1, 4, "row")],
    ids=["3 do not divide 4 waves", "one wave", "16 bytes a load either way", "one tile"],
)
def test_tiles_are_dealt_to_all_threads_where_a_group_is_not_possible_or_no_better(count, waves, along):
    found = plan_copies(tiles(count, 128, along), 64, waves, 64)
    assert found.groups == tuple((i,) for i in range(1 + count))
    assert found.copies[1] == plan_copy(128, 64, waves * 64, along, 8, 2)


def test_tiles_of_different_kinds_are_no_group():
    one, other = tiles(1, 128, "row", "wide rows"), tiles(1, 128, "row", "narrow rows")
    assert plan_copies([*one, other[1]], 64, 4, 64).groups == ((0,), (1,), (2,))


def test_tiles_too_small_for_all_threads_are_dealt_to_a_share_of_them():
    small = [Tile(f"B{i}", 16, "k", 8, 2, "b") for i in range(2)]
    assert plan_copies(small, 32, 16, 64).groups == ((0, 1),)
    assert plan_copies(small[:1], 32, 16, 64) == (
        "tile 16x32: need a multiple of 1024 elements (threads), have 512 (operand B0)"
    )
