"""Each schedule, stage count and matrix instruction runs right and clean, without bank conflicts in the loop."""

from __future__ import annotations

import itertools

import pytest
from harness import arguments, assert_right, build, run

from rocfuse import gen
from rocfuse.gen import GenOptions

# (m, n, k): whole tiles; tails in all three; one tile of K and a bit
PROBLEMS = ((128, 64, 192), (70, 90, 100), (64, 64, 72))
SCHEDULES = ("plain", "prefetch", "iglp", "interleaved")


def plans() -> list[dict[str, str | int]]:
    fixed = {"tile-m": 64, "tile-n": 64, "waves-m": 2, "waves-n": 2}
    result = [
        {**fixed, "tile-k": tile_k, "stages": stages, "schedule": name, "matrix-op": op}
        for name, stages, (tile_k, op) in itertools.product(
            SCHEDULES, (1, 2, 3), ((32, "32x32x8"), (64, "32x32x8"), (32, "16x16x16"))
        )
        if (name != "plain" or stages == 1) and tile_k * stages <= 64
    ]
    wide = {"tile-m": 128, "tile-n": 64, "waves-m": 4, "waves-n": 2, "schedule": "ping-pong", "matrix-op": "32x32x8"}
    # one loop a GEMM, the same two LDS tiles for all of them
    result += [{**plan, "loop-form": "sequential"} for plan in result if _is_basic(plan)]
    return result + [{**wide, "tile-k": 32, "stages": stages} for stages in (1, 2, 3)] + [{**wide, "tile-k": 64}]


def _is_basic(plan: dict[str, str | int]) -> bool:
    return (plan["tile-k"], plan["matrix-op"]) == (32, "32x32x8") and plan["schedule"] != "iglp" and plan["stages"] != 3


@pytest.mark.parametrize("plan", plans(), ids=lambda plan: "-".join(str(value) for value in plan.values()))
@pytest.mark.parametrize("layout", ["nk", "kn"])
def test_right_numbers_and_no_conflicts(layout: str, plan: dict[str, str | int]) -> None:
    for m, n, k in PROBLEMS:
        text = str(gen.build(GenOptions(m=m, n=n, k=k, layout=layout, bias="row")))
        code, arrays = build(text, plan), arguments(text)
        result = run(code, arrays)
        assert_right(text, arrays, result.outputs)
        assert result.stats["kernels"][code.plan["name"]]["lds"]["bank_conflict_cycles"] == 0
