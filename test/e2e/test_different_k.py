"""Products of different K in one kernel: a K loop each over the same LDS tiles, right numbers and nothing to report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from harness import Program, Value, arguments, assert_right, build, cast, check, run, silu_times

K_SIZES = ((64, 128), (33, 100), (1, 64), (320, 72), (64, 40, 64))
TILE_K = 32
PLAN = {"tile-m": 64, "tile-n": 64, "waves-m": 2, "waves-n": 2, "tile-k": TILE_K, "matrix-op": "32x32x8"}
STAGES = {"plain": (1,), "prefetch": (1, 2), "iglp": (1, 3), "interleaved": (1, 2, 3), "ping-pong": (1, 2, 3)}
SCHEDULES = [(name, stages) for name, counts in STAGES.items() for stages in counts]
ADD, MULTIPLY = (f"%y = arith.{op} %x0, %x1 : f32\n{cast('%y', 'f32')}" for op in ("addf", "mulf"))


def gated(
    m: int,
    n: int,
    k_sizes: Sequence[int],
    layout: str = "kn",
    *,
    batch: int = 0,
    element: str = "f16",
    gate: str = silu_times("f32"),
    result: str = "f16",
) -> str:
    """gate(x0 @ w0 + bias, x1 @ w1) + x2 @ w2 + …: for each K an x (m x k) and a w of `layout`."""
    program = Program()
    outer, letter = ((batch,), "b") if batch else ((), "")
    out = f"{letter}mn"
    products = []
    for k in k_sizes:
        x = program.argument(element, *outer, m, k)
        w = program.argument(element, *outer, *((k, n) if layout == "kn" else (n, k)))
        products.append(program.product(f"{letter}mk,{letter}{layout}->{out}", x, w))
    first, second, *others = products
    first = program.apply(f"{out},n->{out}", [first, program.argument("f32", n)], ADD, "f32")
    total = program.apply(f"{out},{out}->{out}", [first, second], gate, "f32")
    for other in others:
        total = program.apply(f"{out},{out}->{out}", [total, other], ADD, "f32")
    return program.text(program.round(total, result))


def gate_of(program: Program, *products: Value) -> str:
    """The program that returns silu(p) * q."""
    return program.text(program.apply("mn,mn->mn", products, silu_times("f16"), "f16"))


@pytest.mark.parametrize("layout", ["kn", "nk"])
@pytest.mark.parametrize("k_sizes", K_SIZES, ids=str)
def test_each_product_sums_over_its_own_k(k_sizes: tuple[int, ...], layout: str) -> None:
    code = check(gated(35, 45, k_sizes, layout))
    assert (code.plan["k"], code.plan["gemms"]) == (list(k_sizes), len(k_sizes))
    in_loop = {one["name"] for one in code.plan["lds_buffers"] if one["live"] == "loop"}
    assert in_loop == {"A", "B"}, "the loops share two tiles"


@pytest.mark.parametrize(("m", "n", "layout"), [(40, 32, "nk"), (1, 31, "kn"), (33, 1, "nk")])
@pytest.mark.parametrize("k_sizes", [(33, 100), (1, 64, 72)], ids=str)
def test_small_integers_bit_for_bit(k_sizes: tuple[int, ...], m: int, n: int, layout: str) -> None:
    element = "bf16" if m == 33 else "f16"
    text = gated(m, n, k_sizes, layout, batch=2 if m == 1 else 0, element=element, gate=MULTIPLY, result="f32")
    check(text, exact=True)


@pytest.mark.parametrize(("schedule", "stages"), SCHEDULES)
def test_each_schedule(schedule: str, stages: int) -> None:
    """One loop of ten tiles, one without a loop, one of four tiles; the last tiles of two of them are masked."""
    assert_clean(schedule, stages, 70, 65, (320, 72, 100), "nk" if stages == 2 else "kn")


@pytest.mark.full
@pytest.mark.parametrize("layout", ["kn", "nk"])
@pytest.mark.parametrize(("schedule", "stages"), SCHEDULES)
def test_each_schedule_with_each_k(schedule: str, stages: int, layout: str) -> None:
    for k_sizes in (*K_SIZES, (128, 64), (72, 320)):
        if min(k_sizes) > (stages - 1) * TILE_K:
            assert_clean(schedule, stages, 70, 65, k_sizes, layout)


def assert_clean(schedule: str, stages: int, m: int, n: int, k_sizes: tuple[int, ...], layout: str) -> None:
    """Right numbers, nothing to report, no cycle lost to bank conflicts."""
    wide = {"tile-m": 128, "waves-m": 4} if schedule == "ping-pong" else {}
    text = gated(m, n, k_sizes, layout)
    code, arrays = build(text, {**PLAN, **wide, "schedule": schedule, "stages": stages}), arguments(text)
    result = run(code, arrays)
    assert_right(text, arrays, result.outputs)
    assert result.stats["kernels"][code.plan["name"]]["lds"]["bank_conflict_cycles"] == 0


@pytest.mark.parametrize("k", [1, 37, 64])
@pytest.mark.parametrize("whole_first", [False, True])
def test_a_product_of_all_columns_and_one_of_the_first_columns(k: int, whole_first: bool) -> None:
    program = Program()
    x, w = program.argument("f16", 40, 100), program.argument("f16", 100, 33)
    parts = [(x, w), (program.slice(x, [0, 0], [40, k]), program.slice(w, [0, 0], [k, 33]))]
    products = [program.product("mk,kn->mn", *part) for part in (parts if whole_first else reversed(parts))]
    check(gate_of(program, *products))


def test_the_columns_of_one_array_split_unevenly() -> None:
    program = Program()
    x = program.argument("f16", 40, 107)
    parts = [program.slice(x, [0, at], [40, k]) for at, k in ((0, 7), (7, 100))]
    products = [program.product("mk,kn->mn", part, program.argument("f16", part.shape[1], 33)) for part in parts]
    check(gate_of(program, *products))


def test_element_types_may_differ_as_well() -> None:
    program = Program()
    products = [
        program.product("mk,kn->mn", program.argument(element, 40, k), program.argument(element, k, 33))
        for element, k in (("f16", 64), ("bf16", 100))
    ]
    check(gate_of(program, *products))


def test_weights_of_all_batches() -> None:
    program = Program()
    products = [
        program.product("bmk,kn->bmn", program.argument("f16", 3, 20, k), program.argument("f16", k, 33))
        for k in (64, 40)
    ]
    check(program.text(program.apply("bmn,bmn->bmn", products, silu_times("f16"), "f16")))
