"""Rounds of a grid and how full the last one is."""

import pytest

from rocfuse.analysis.grid import GridFill


@pytest.mark.parametrize(
    ("workgroups", "rounds", "last", "text"),
    [
        (1, 1, 1, "grid fills 0.329 % of 304 CUs"),
        (304, 1, 304, "grid fills 100 % of 304 CUs"),
        (305, 2, 1, "grid fills 50.2 % of 304 CUs"),
        (371, 2, 67, "grid fills 61 % of 304 CUs"),
        (640, 3, 32, "grid fills 70.2 % of 304 CUs"),
    ],
)
def test_rounds(workgroups, rounds, last, text):
    fill = GridFill(workgroups, 304)
    assert (fill.rounds, fill.last_round, fill.text()) == (rounds, last, text)
    assert (fill.rounds - 1) * 304 + fill.last_round == workgroups


@pytest.mark.parametrize(
    ("workgroups", "held", "batches"),
    [
        (304, 4, ((1, 1),)),
        (304 * 9, 4, ((3, 3),)),  # and not 4, 4 and 1
        (304 * 9, 5, ((5, 1), (4, 1))),
        (304 * 8 + 1, 1, ((1, 9),)),
        (304 * 2, 0, ((1, 2),)),
    ],
)
def test_batches_hold_every_workgroup_and_are_of_a_size(workgroups, held, batches):
    grid = GridFill(workgroups, 304)
    assert grid.batches(held) == batches
    assert sum(size * often for size, often in batches) == grid.rounds
