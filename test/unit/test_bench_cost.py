"""bench/cost.py: rank correlation by hand, what fails is seen, and one short run against the simulator."""

from dataclasses import replace

import pytest

from bench.cost import LAYERS, Counts, Row, correlation, judge, rows

BOTH = ("latency", "throughput")
ROW = Row("a layer", "v1:m64", BOTH, Counts(100, 80, 60), Counts(100, 80, 60), 1000, 1000, 1100, 700)


def failing(*found):
    return [figure for figure, _, _, holds in judge(found) if not holds]


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ([(1, 10), (2, 20), (3, 30)], 1.0),
        ([(1, 30), (2, 20), (3, 10)], -1.0),
        ([(1, 1), (2, 3), (3, 2)], 0.5),
        ([(1, 1), (1, 1), (2, 2)], 1.0),
    ],
)
def test_rank_correlation(pairs, value):
    assert correlation(pairs) == pytest.approx(value)


def test_each_bar_can_fail():
    slow = replace(ROW, chosen=(), predicted_loop=2000, counted_loop=2000, model_loop=2000)
    assert failing(ROW, slow) == []
    assert failing(replace(ROW, predicted=Counts(100, 95, 60)), slow) == []  # the median of 19 % and 0 %
    wrong = [replace(one, predicted=Counts(120, 100, 80)) for one in (ROW, slow)]
    assert [text.split(",")[0] for text in failing(*wrong)] == ["matrix cycles", "issue cycles", "lds cycles"]
    assert failing(replace(ROW, predicted_loop=3000), slow) == ["a layer: rank correlation of 2 plans"]
    assert failing(replace(ROW, counted_loop=2200, predicted_loop=2200), slow) == [
        "a layer: the choice for latency over the best"
    ]
    assert failing(replace(ROW, counted_full=740), slow) == ["a layer: the choice for throughput over the best"]


def test_a_short_run_holds():
    found = list(rows(LAYERS[0], 3))
    assert sorted(name for row in found for name in row.chosen) == list(BOTH) and len(found) > 1
    for row in found:
        assert row.predicted.matrix == row.counted.matrix
        assert row.predicted.lds == row.counted.lds
        assert row.predicted.issue == pytest.approx(row.counted.issue, rel=0.25)
