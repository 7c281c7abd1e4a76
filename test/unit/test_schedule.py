"""Every order of a tile's steps keeps the rules of the pipeline, for all shapes, stages and ends of the K range."""

from __future__ import annotations

import itertools

import pytest

from rocfuse.analysis import schedule
from rocfuse.analysis.schedule import Shape, Slot

SHAPES = [
    Shape(slices, mmas, fragments, writes, stages)
    for slices, mmas, fragments, writes, stages in itertools.product(
        (1, 2, 4, 8), (1, 2, 8), (2, 3, 6), (1, 8), (1, 2, 3)
    )
]
# (write, read, following) in the loop and in the tiles after it
ENDS = [(True, True, True), (True, False, True), (False, False, True), (False, False, False)]
ORDERS = [schedule.interleaved, schedule.prefetched, schedule.ping_pong]


@pytest.mark.parametrize("order", ORDERS, ids=lambda one: one.__name__)
def test_every_order_keeps_the_rules(order) -> None:
    for shape, (write, read, following) in itertools.product(SHAPES, ENDS):
        if order is schedule.ping_pong and shape.slices < 2:
            continue
        slots = order(shape, write=write, read=read, following=following)
        assert schedule.check(slots, shape) is None, (shape, write, read, following)
        mmas = [(slot.k_slice, slot.number) for slot in slots if slot.kind == "mma"]
        assert sorted(mmas) == list(itertools.product(range(shape.slices), range(shape.mmas)))
        assert sum(slot.kind == "write" for slot in slots) == (shape.writes if write else 0)
        assert sum(slot.kind == "read" for slot in slots) == (shape.writes if read else 0)


def test_more_stages_need_one_barrier_a_tile() -> None:
    for stages, barriers in ((1, 2), (2, 1), (3, 1)):
        slots = schedule.interleaved(Shape(4, 8, 6, 8, stages), write=True, read=True, following=True)
        assert sum(slot.kind == "barrier" for slot in slots) == barriers


def test_a_slice_waits_once_and_leaves_younger_accesses_in_flight() -> None:
    slots = schedule.interleaved(Shape(4, 8, 6, 8, 1), write=True, read=True, following=True)
    waits = [slot.count for slot in slots if slot.kind == "wait_lds"]
    assert waits == [1, 1, 1]  # the last slice's fragments were waited for by the barrier before the writes


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ([Slot("mma", 1, 0)], "multiplied before its fragments"),
        ([Slot("fragment", 1, 0), Slot("write")], "before all waves have read it"),
        ([Slot("read")], "before it is written"),
        (
            [Slot("barrier"), Slot("fragment", 1, 0), Slot("barrier"), Slot("write"), Slot("fragment", 2, 0)],
            "next tile",
        ),
    ],
)
def test_a_broken_order_is_found(broken: list[Slot], words: str) -> None:
    reason = schedule.check(tuple(broken), Shape(2, 1, 1, 1, 1))
    assert reason is not None and words in reason
