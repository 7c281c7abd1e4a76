"""B tiles that are copied side by side, each by a share of the waves: right in every schedule, tail and form."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from harness import Program, arguments, assert_right, build, cast, run, slices_of, two_products

from rocfuse.compiler import CodeObject

# 4 waves and K x N weights: two tiles of 64 columns have wider loads side by side
TILE: Mapping[str, object] = {
    "tile-m": 64, "tile-n": 64, "tile-k": 64, "waves-m": 2, "waves-n": 2, "matrix-op": "32x32x8"
}  # fmt: skip


def checked(text: str, together: list[list[str]], *, exact: bool = False, **plan: object) -> CodeObject:
    """Compile with the tile; the plan copies these operands together; right, without reports and bank conflicts."""
    arrays = arguments(text, integers=exact)
    code = build(text, TILE | {name.replace("_", "-"): value for name, value in plan.items()})
    assert code.plan["copied_together"] == together
    result = run(code, arrays)
    assert_right(text, arrays, result.outputs, exact)
    (stats,) = result.stats["kernels"].values()
    assert stats["lds"]["bank_conflict_cycles"] == 0
    return code


def products(count: int, shape: tuple[int, int, int], element: str = "f16") -> str:
    """The sum of `count` products of one A by weights of their own."""
    m, n, k = shape
    one = Program()
    x = one.argument(element, m, k)
    values = [one.product("mk,kn->mn", x, one.argument(element, k, n)) for _ in range(count)]
    sums = [f"%s{i} = arith.addf %{f's{i - 1}' if i > 1 else 'x0'}, %x{i} : f32" for i in range(1, count)]
    body = "\n".join([*sums, cast(f"%s{count - 1}", element)])
    return one.text(one.apply(f"{','.join(['mn'] * count)}->mn", values, body, element))


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("schedule", ["prefetch", "iglp", "interleaved"])
def test_every_schedule_with_a_tail_of_k(schedule: str, stages: int) -> None:
    text = two_products("mk,kn->mn", (64, 216), (216, 64))
    code = checked(text, [["B0", "B1"]], schedule=schedule, stages=stages)
    assert "buffer_load_dwordx4" in code.isa and "buffer_load_dwordx2" not in code.isa


@pytest.mark.parametrize(
    "plan",
    [
        {"schedule": "plain"},
        {"stages": 3, "tile-k": 32},
        {"schedule": "ping-pong", "tile-m": 128, "waves-m": 4},
        {"tile-n": 32, "matrix-op": "16x16x16"},
    ],
    ids=lambda plan: " ".join(map(str, plan.values())),
)
def test_other_plans(plan: dict[str, object]) -> None:
    text = two_products("mk,kn->mn", (72, 200), (200, 72))
    checked(text, [["B0", "B1"]], **{name.replace("-", "_"): value for name, value in plan.items()})


def test_halves_of_one_weight_with_rows_and_columns_left_over() -> None:
    text = slices_of((70, 136), 144, [((0, 0), (70, 72)), ((0, 72), (70, 72))])
    checked(text, [["B0", "B1"]])


def test_integers_are_exact_and_rows_of_a_batch_are_found() -> None:
    checked(two_products("bmk,bkn->bmn", (2, 64, 72), (2, 72, 72)), [["B0", "B1"]], exact=True)


@pytest.mark.parametrize("count", [3, 4])
def test_more_products(count: int) -> None:
    together = [["B0", "B1", "B2", "B3"]] if count == 4 else []
    checked(products(count, (64, 64, 136), "bf16"), together, exact=True)


def test_loops_in_sequence_copy_each_weight_with_all_waves() -> None:
    checked(two_products("mk,kn->mn", (64, 72), (72, 64)), [], loop_form="sequential")
