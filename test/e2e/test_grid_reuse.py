"""The grid's order lets the workgroups that an XCD runs at once share lines in its L2: counted by the simulator."""

from __future__ import annotations

from dataclasses import replace

import pytest
from harness import arguments, assert_right, build, run, two_products

from rocfuse import targets
from rocfuse.analysis import perf_config
from rocfuse.analysis.cost import l2_misses
from rocfuse.analysis.problem import Problem
from rocfuse.analysis.tiling import Plan, Tiling, check
from rocfuse.compiler import CodeObject, generate
from rocfuse.lowering.grid_order import Grid, tile_of
from rocfuse.targets import GFX942, Target

TILE = 16
K = 64  # 128 bytes of f16: a row of A, or of an N x K weight, is one line
A_LINES, B_LINES = TILE, 2 * TILE  # of one tile: its rows, and those of two weights
EVEN = two_products("mk,nk->mn", (256, K), (192, K))
ODD = two_products("mk,nk->mn", (280, K), (200, K))
BATCHED = two_products("bmk,bnk->bmn", (3, 112, K), (3, 144, K))
GRIDS = {"even": (EVEN, 1, 256, 192), "odd": (ODD, 1, 280, 200), "batched": (BATCHED, 3, 112, 144)}


def _target(units: int, xcds: int = 8) -> Target:
    """XCDs of `units` compute units, each with room for four waves."""
    return replace(GFX942, compute_units=units * xcds, xcds=xcds, max_waves_per_simd=1)


def _compile(text: str, target: Target, monkeypatch: pytest.MonkeyPatch, group_m: int | None = None) -> CodeObject:
    monkeypatch.setattr(targets, "TARGETS", {"gfx942": target})
    plan = {"tile-m": TILE, "tile-n": TILE, "tile-k": K}
    return build(text, plan if group_m is None else {**plan, "group-m": group_m})


def _count(
    code: CodeObject, text: str, target: Target, monkeypatch: pytest.MonkeyPatch, processes: int = 1
) -> dict[str, int]:
    """The `l2` counters of a run on `target`."""
    monkeypatch.setattr(targets, "TARGETS", {"gfx942": target})
    result = run(code, arguments(text), l2=True, processes=processes)
    counted: dict[str, int] = result.stats["kernels"]["program"]["l2"]
    return counted


def _group_m(code: CodeObject) -> int:
    return int(perf_config.parse(code.plan["perf_config"])["group_m"])


def _sharing(grid: Grid, xcds: int, window: int, m: int, n: int) -> int:
    """Lines of A and B tiles, each once for each window of workgroups, from the order of the grid alone."""
    tiles = set()
    for workgroup in range(grid.workgroups):
        batch, row, column = tile_of(workgroup, grid)
        place = (workgroup % xcds, workgroup // xcds // window, batch)
        tiles |= {("a", row, *place), ("b", column, *place)}
    rows = {"a": m, "b": n}
    each = {"a": A_LINES // TILE, "b": B_LINES // TILE}
    return sum(each[role] * min(TILE, rows[role] - at * TILE) for role, at, *_ in tiles)


def _predicted(problem: Problem, code: CodeObject, target: Target) -> float:
    """The cost model's bytes, as lines; each compute unit runs four workgroups of one wave."""
    pins = perf_config.parse(code.plan["perf_config"])
    tiling = Tiling(**{name: value for name, value in pins.items() if name != "group_m"})
    plan = check(problem, tiling, target)
    assert isinstance(plan, Plan)
    return l2_misses(problem, replace(plan, group_m=_group_m(code)), 4, target) / 128


@pytest.mark.parametrize(("group_m", "chunks", "lines"), [(2, True, 4 * 96), (1, True, 4 * 144), (2, False, 4 * 144)])
def test_a_tiny_grid_by_hand(group_m: int, chunks: bool, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 x 4 tiles on two XCDs that run four workgroups at once: four windows.

    In groups of 2 rows each window is a block of 2 x 2 tiles: 2·16 lines of A and 2·32 of B. In groups of 1 it is a row
    of 4 tiles: 16 and 4·32. Groups of 2 without chunks: an XCD gets every other tile, which is a row of 4 as well.
    """
    text, target = two_products("mk,nk->mn", (64, K), (64, K)), _target(1, xcds=2)
    code = _compile(text, target if chunks else replace(target, xcds=1), monkeypatch, group_m)
    expected = {"requested_lines": 16 * 48, "fetched_lines": lines, "window_workgroups": 4}
    assert _count(code, text, target, monkeypatch) == expected


@pytest.mark.parametrize("units", [2, 4])
@pytest.mark.parametrize("name", GRIDS)
def test_the_planned_order_fetches_least(name: str, units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 8 and 16: groups along M with chunks, against rows with chunks, and both without chunks."""
    text, batches, m, n = GRIDS[name]
    target = _target(units)
    planned = _compile(text, target, monkeypatch)
    group_m = _group_m(planned)
    assert group_m == 4
    orders = {(group_m, 8): planned}
    for rows, xcds in ((1, 8), (group_m, 1), (1, 1)):
        orders[rows, xcds] = _compile(text, replace(target, xcds=xcds), monkeypatch, rows)
    counted = {order: _count(code, text, target, monkeypatch) for order, code in orders.items()}
    for (rows, xcds), found in counted.items():
        grid = Grid(batches, -(-m // TILE), -(-n // TILE), rows, xcds)
        assert found["window_workgroups"] == 4 * units
        assert found["fetched_lines"] == _sharing(grid, 8, 4 * units, m, n)
        assert found["requested_lines"] == counted[group_m, 8]["requested_lines"]
    fetched = {order: found["fetched_lines"] for order, found in counted.items()}
    assert all(fetched[group_m, 8] < 0.8 * other for order, other in fetched.items() if order != (group_m, 8))
    problem = generate(text).facts[0].problem
    for order in ((group_m, 8), (1, 8)):  # what the cost model knows of
        assert _predicted(problem, orders[order], target) == pytest.approx(fetched[order], rel=0.25)


def test_processes_share_the_windows_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    target = _target(2)
    code = _compile(EVEN, target, monkeypatch)
    alone, both = (_count(code, EVEN, target, monkeypatch, processes) for processes in (1, 2))
    assert alone == both
    with_lines, without = (run(code, arguments(EVEN), l2=l2) for l2 in (True, False))
    assert_right(EVEN, arguments(EVEN), with_lines.outputs)
    stats = dict(with_lines.stats["kernels"]["program"])
    assert stats.pop("l2") == alone
    assert stats == without.stats["kernels"]["program"]


def test_a_window_is_what_an_xcd_runs_at_once() -> None:
    """38 compute units an XCD; 32 KB of LDS leave room for two workgroups on each."""
    code = build(EVEN, {"tile-m": 128, "tile-n": 64, "tile-k": 64, "waves-m": 2, "waves-n": 2})
    assert code.plan["lds_allocated_bytes"] == 32768
    result = run(code, arguments(EVEN), l2=True)
    assert result.stats["kernels"]["program"]["l2"]["window_workgroups"] == 2 * 38
