"""A wave's scratch: every element once, wide accesses without conflicts, known turns."""

import itertools

import pytest

from rocfuse.analysis.store_tile import Staging, stage
from rocfuse.targets import GFX942

ROWS = {row.name: row for row in GFX942.matrix_instructions}
BANKS = GFX942.lds_banks * GFX942.lds_bank_bytes


def _conflicts(starts, width, phases):
    """Extra cycles of one instruction by their definition: over its phases, the words of the fullest bank less one."""
    extra = 0
    for phase in phases:
        words = {start + byte for start in (starts[lane] for lane in phase) for byte in range(0, width, 4)}
        extra += max(sum(word % BANKS == bank for word in words) for bank in range(0, BANKS, 4)) - 1
    return extra


CASES = [
    (name, across, columns, size)
    for name, across, columns, size in itertools.product(ROWS, (1, 2, 4), (16, 32, 64, 128, 256), (2, 4))
    if columns % ROWS[name].m == 0
]


@pytest.mark.parametrize(("name", "across", "columns", "size"), CASES)
def test_a_scratch_is_written_and_read_without_conflicts(name, across, columns, size):
    row = ROWS[name]
    found = stage(row, across, columns, size, GFX942)
    if isinstance(found, str):
        return
    assert across * row.n % found.rows == 0
    assert found.vector * size == 16
    kept = {}
    for i, j in itertools.product(range(found.rows // row.n), range(columns // row.m)):
        for first in range(0, row.c_map.registers, found.unit):
            places = [row.c_map(lane, first) for lane in range(64)]
            places = [(i * row.n + across_, j * row.m + along) for along, across_ in places]
            starts = [found.offset(*place) for place in places]
            width = found.unit * size
            for way in ("write", "read"):
                assert _conflicts([s * size for s in starts], width, GFX942.lds_phases[f"{way}_b{8 * width}"]) == 0
            kept |= dict(zip(starts, places, strict=True))
    assert sorted(kept) == list(range(0, found.elements, found.unit))
    seen = set()
    chunks = columns // found.vector
    for part in range(found.parts):
        rows = [found.part_row(part) + _lane_row(found, lane // chunks) for lane in range(64)]
        places = [(r, lane % chunks * found.vector) for lane, r in enumerate(rows)]
        starts = [found.offset(*place) // found.vector * found.vector for place in places]
        for way in ("read", "write"):
            assert _conflicts([s * size for s in starts], 16, GFX942.lds_phases[f"{way}_b128"]) == 0
        turn = found.turn(found.part_row(part)) % found.vector
        for start, (r, column) in zip(starts, places, strict=True):
            for unit in range(0, found.vector, found.unit):
                assert kept[start + (unit ^ turn)] == (r, column + unit)
                seen.add((r, column + unit))
    assert len(seen) == found.elements // found.unit


def _lane_row(found: Staging, index):
    return sum(step for bit, step in enumerate(found.lane_rows) if index >> bit & 1)


@pytest.mark.parametrize(
    ("name", "across", "columns", "size", "rows"),
    [
        ("32x32x8", 2, 64, 2, 32),  # 128-byte rows: one block is enough
        ("32x32x8", 2, 32, 2, 32),
        ("32x32x8", 1, 32, 4, 32),
        ("16x16x16", 4, 64, 2, 16),
        ("16x16x16", 4, 16, 2, 64),  # 32-byte rows: four blocks, so that a bit of the row is the read's own
    ],
)
def test_the_fewest_rows_that_work_are_taken(name, across, columns, size, rows):
    found = stage(ROWS[name], across, columns, size, GFX942)
    assert isinstance(found, Staging) and found.rows == rows


@pytest.mark.parametrize(
    ("name", "across", "columns", "size", "reason"),
    [
        ("16x16x16", 4, 16, 4, "lanes already store whole rows, 128 bits each"),
        ("16x16x16", 1, 16, 2, "a wave has 256 results < 512, one store of all its lanes"),
        ("16x16x16", 2, 16, 2, "no layout of its scratch is free of bank conflicts"),
    ],
)
def test_what_it_does_not_help_is_stored_directly(name, across, columns, size, reason):
    assert stage(ROWS[name], across, columns, size, GFX942) == reason
