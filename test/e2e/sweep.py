"""Every plan that the planner's own filter accepts for some tiles, with programs to run each on.

A `Combination` is a point of (tile, stages, schedule, loop form, layout, rows of a group); `cases` asks
`rocfuse.analysis.tiling.check` which exist, so that no list is kept by hand.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from mlir import ir

from rocfuse import gen
from rocfuse.analysis import search
from rocfuse.analysis.problem import Problem, canonical
from rocfuse.analysis.tiling import LOOP_FORMS, MOST_STAGES, SCHEDULES, Plan, Rejected, Tiling
from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel
from rocfuse.gen import GenOptions
from rocfuse.passes import PassContext
from rocfuse.pipeline import Pipeline, default_pipeline, run_pipeline
from rocfuse.targets import GFX942

Tile = tuple[int, int, int]
TILES: tuple[Tile, ...] = ((64, 64, 32), (128, 64, 64), (128, 128, 32), (256, 128, 64))
LAYOUTS = ("kn", "nk")
GROUPS = (1, 2)  # rows of tiles in a group of the grid; 3 rows of tiles leave a group of one
SHAPES = ("loop", "tails", "short")


@dataclass(frozen=True)
class Combination:
    """A tiling with a weight layout and an order of the grid."""

    tiling: Tiling
    layout: str
    group_m: int

    @property
    def name(self) -> str:
        """Its test id."""
        t = self.tiling
        tile = f"{t.tile_m}x{t.tile_n}x{t.tile_k}"
        return f"{tile}-{t.schedule}-{t.stages}-{t.loop_form}-{self.layout}-group{self.group_m}"

    @property
    def options(self) -> dict[str, str | int]:
        """As options of rocfuse-plan-kernels."""
        values = {name.replace("_", "-"): value for name, value in vars(self.tiling).items()}
        return {**values, "group-m": self.group_m}

    @property
    def pass_options(self) -> dict[str, dict[str, str]]:
        """As options of the pipeline."""
        return {"rocfuse-plan-kernels": {name: str(value) for name, value in self.options.items()}}

    def program(self, shape: str) -> str:
        """The program to run it on, as text."""
        return program(extents(self.tiling, shape), self.layout)


def extents(tiling: Tiling, shape: str) -> tuple[int, int, int]:
    """(m, n, k) of a kind of problem, in tiles: a loop of several turns, tails in all three, the fewest tiles of K."""
    tile_m, tile_n, tile_k, stages = tiling.tile_m, tiling.tile_n, tiling.tile_k, tiling.stages
    return {
        # 9 workgroups: more than XCDs; two turns of a loop that is `stages` tiles deep, then the drain
        "loop": (3 * tile_m, 3 * tile_n, (3 * stages + max(stages - 1, 1) + 1) * tile_k),
        "tails": (2 * tile_m + 6, 2 * tile_n + 10, (stages + 2) * tile_k + tile_k // 4 + 4),
        "short": (2 * tile_m, tile_n + 8, stages * tile_k),
    }[shape]


@functools.cache
def program(sizes: tuple[int, int, int], layout: str, combine: str = "bilinear") -> str:
    """Two slices of one product and their polynomial combine."""
    m, n, k = sizes
    return str(gen.build(GenOptions(m=m, n=n, k=k, layout=layout, bias="row", combine=combine)))


@functools.cache
def problem(sizes: tuple[int, int, int], layout: str) -> Problem:
    """What the planner sees of a program."""
    whole = default_pipeline({}).elements
    before = itertools.takewhile(lambda element: getattr(element, "name", "") != "rocfuse-plan-kernels", whole)
    with create_context() as context:
        module = ir.Module.parse(program(sizes, layout), context)
        run_pipeline(module, Pipeline(tuple(before)), PassContext(GFX942))
        (op,) = list(walk(module, MULTI_GEMM))
        return canonical(read_kernel(op.parent).problem)


def planned(sizes: tuple[int, int, int], layout: str, tiling: Tiling) -> Plan | Rejected:
    """A tiling with the waves and the instruction that the planner chooses for it, or why the filter accepts none."""
    names = ("tile_m", "tile_n", "tile_k", "stages", "schedule", "loop_form")
    found = search.search(problem(sizes, layout), GFX942, pins={name: getattr(tiling, name) for name in names})
    if found.chosen:
        return found.chosen.plan
    return next(result for result in found.results if isinstance(result, Rejected))


def asked(tile: Tile, layout: str) -> Iterator[tuple[Tiling, str, Plan | Rejected]]:
    """Every point of (stages, schedule, loop form, kind of problem) of a tile, with the filter's answer."""
    for stages, schedule, form, shape in itertools.product(range(1, MOST_STAGES + 1), SCHEDULES, LOOP_FORMS, SHAPES):
        tiling = Tiling(*tile, 1, 1, "", stages, schedule, form)
        yield tiling, shape, planned(extents(tiling, shape), layout, tiling)


@functools.cache
def cases(tile: Tile) -> tuple[tuple[Combination, str], ...]:
    """Every combination of a tile that the filter accepts, with each kind of problem; those of one program together."""
    found = [
        (Combination(answer.tiling, layout, group_m), shape)
        for layout in LAYOUTS
        for _, shape, answer in asked(tile, layout)
        if isinstance(answer, Plan)
        for group_m in GROUPS
    ]
    return tuple(sorted(found, key=lambda case: (case[0].layout, case[1], case[0].tiling.stages)))


def sample(tile: Tile) -> list[tuple[Combination, str]]:
    """The fewest cases found, greedily, in which every value of every axis is there."""
    left = {value for case in cases(tile) for value in _values(case)}
    chosen = []
    while left:
        # on a tie the schedule with most stages, which has most to go wrong
        best = max(cases(tile), key=lambda case: (len(left & _values(case)), case[0].tiling.stages))
        chosen.append(best)
        left -= _values(best)
    return chosen


def _values(case: tuple[Combination, str]) -> set[tuple[str, str | int]]:
    """(axis, value) of a case; the schedule is taken with its stages, and with the loop form."""
    one, tiling = case[0], case[0].tiling
    axes = {"stages": tiling.stages, "schedule": tiling.schedule, "loop": tiling.loop_form, "layout": one.layout}
    axes |= {"group": one.group_m, "shape": case[1]}
    return set(axes.items())
